"""Review files recognised: the published Amazon forms, the women's clothing reviews, and their like."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shelfwise.config import ReviewColumns, ReviewData, load_reviews_config
from shelfwise.data.inspect import Inspection, inspect_file
from shelfwise.data.inspect_columns import ColumnSummary
from shelfwise.data.review_cells import CellError, stars_of, time_of, yes_or_no
from shelfwise.data.suggest_roles import by_name
from shelfwise.errors import DataError

logger = logging.getLogger(__name__)

NAMES: dict[str, tuple[str, ...]] = {
    "text": ("reviewtext", "reviewbody", "review", "text", "body", "comment", "content", "message"),
    "rating": ("rating", "overall", "stars", "starrating", "score", "reviewrating", "reviewsrating"),
    "title": ("summary", "reviewtitle", "reviewheadline", "headline", "title", "subject"),
    "product": ("clothingid", "parentasin", "asin", "productid", "product", "sku", "itemid", "productparent"),
    "recommended": ("recommendedind", "recommended", "recommend", "doyourecommend", "isrecommended"),
    "time": ("unixreviewtime", "timestamp", "reviewdate", "date", "time", "createdat", "reviewtime"),
    "id": ("reviewid", "id", "reviewerreviewid"),
    "constructed": ("constructed",),
}
"""What each part of a review is called in published files and in shops' own; the surest name first."""
_NEARLY_ALL = 0.9
_TEXTS = ("text", "category", "list")
_LONG_TEXT = 40
"""Characters from which the mean cell of a column is a review's text rather than a name."""


@dataclass(frozen=True)
class ReviewSuggestion:
    """A reviews configuration with the reason for each guessed key, such as `data.columns.text`."""

    inspection: Inspection
    data: ReviewData
    reasons: dict[str, str]
    notes: tuple[str, ...] = ()


def is_reviews(found: Inspection) -> bool:
    """Whether a file looks like reviews: long texts and stars, and no pictures."""
    columns = _guess(found)[0]
    pictures = any(column.kind == "picture" for column in found.columns)
    return columns is not None and columns.rating is not None and not pictures


def suggest_reviews(path: Path) -> ReviewSuggestion:
    """The suggestion for a file; DataError where no column can be a review's text."""
    return suggest(inspect_file(path))


def suggest(found: Inspection) -> ReviewSuggestion:
    """The likeliest column of each part of a review, by name and by what is in it."""
    columns, reasons = _guess(found)
    if columns is None:
        names = ", ".join(column.name for column in found.columns)
        raise DataError(f"'{found.path}' has no column that looks like a review's text; it has: {names}")
    notes = []
    if found.bad_rows > 0.2 * found.rows:
        notes.append(f"{found.bad_rows:,} of the first {found.rows:,} rows cannot be read: is it a table?")
    if columns.rating is None:
        notes.append("no column looks like stars from 1 to 5: nothing can be learned, only read")
    if columns.product is None:
        notes.append("no column looks like a product's id: reviews are split by their own text")
    dates = by_name([column for column in found.columns if column.kind == "date"], NAMES["time"])
    if columns.time is None and dates is not None:
        notes.append(f"days and months of '{dates.name}' cannot be told apart: write dates as 2024-05-31")
    return ReviewSuggestion(found, ReviewData(source=str(found.path), columns=columns), reasons, tuple(notes))


def resolve_reviews(argument: str, *, folders: tuple[Path, ...] = ()) -> ReviewData:
    """What a REVIEWS on the command line means: a config's `[data]`, or a table whose columns are guessed.

    A guess is logged. `folders` are where a config's files are looked for besides its own."""
    path = Path(argument)
    if path.suffix in (".toml", ".json"):
        return load_reviews_config(path, folders=folders).data
    data = suggest_reviews(path).data
    columns = data.columns
    logger.warning(
        "columns of '%s' are guessed (id=%s, text=%s, title=%s, rating=%s, product=%s, recommended=%s, "
        "time=%s); "
        "`shelfwise data inspect` writes a config to correct",
        *(path, columns.id, columns.text, columns.title, columns.rating, columns.product),
        *(columns.recommended, columns.time),
    )
    return data


def _guess(found: Inspection) -> tuple[ReviewColumns | None, dict[str, str]]:
    """The column map and the reasons; None without a text."""
    text = _text_column(found)
    if text is None:
        return None, {}
    free = [column for column in found.columns if column.name != text.name]
    chosen: dict[str, str] = {"text": text.name}
    reasons = {
        "data.columns.text": "the longest texts" if by_name([text], NAMES["text"]) is None else "its name"
    }
    for part, fits in _FITS.items():
        best = by_name([column for column in free if fits(column)], NAMES[part])
        if best is not None:
            chosen[part] = best.name
            reasons[f"data.columns.{part}"] = "its name, and what is in it"
            free.remove(best)
    return ReviewColumns.model_validate(chosen), reasons


def _text_column(found: Inspection) -> ColumnSummary | None:
    texts = [column for column in found.columns if column.mean_characters >= _LONG_TEXT]
    named = by_name([column for column in found.columns if column.kind in _TEXTS], NAMES["text"])
    return named or max(texts, key=lambda column: column.mean_characters, default=None)


def _mostly(parse: Callable[[Any, str], object], *, spared: int = 0) -> Callable[[ColumnSummary], bool]:
    """Whether nearly all filled cells, or all but `spared`, can be parsed: the others are bad rows, not
    another kind of column."""

    def fits(column: ColumnSummary) -> bool:
        good = sum(count for value, count in column.values.items() if _parses(parse, value, column.name))
        total = column.values.total()
        return good > 0 and good >= min(_NEARLY_ALL * total, total - spared)

    return fits


def _parses(parse: Callable[[Any, str], object], value: str, name: str) -> bool:
    try:
        return parse(value, name) is not None
    except CellError:
        return False


def _always(_column: ColumnSummary) -> bool:
    return True


_FITS: dict[str, Any] = {
    "rating": _mostly(stars_of, spared=1),  # a short file has more than a tenth bad by one slip
    "recommended": _mostly(yes_or_no),
    "constructed": _mostly(yes_or_no),
    "time": _mostly(time_of),
    "title": lambda column: column.kind in ("text", "category", "list"),
    "product": _always,
    "id": lambda column: column.is_unique or column.distinct >= _NEARLY_ALL * column.rows,
}
"""Parts in the order they are looked for, each with what its values must be like."""
