"""The cells of one row to one Review, by the column map; cells may be text, numbers or times."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shelfwise.config import ReviewData
from shelfwise.data.cells import text_of
from shelfwise.data.cleaning import clean
from shelfwise.errors import DataError
from shelfwise.schema import Review, RowError, RowWarning
from shelfwise.schema.stars import whole_stars

YES = frozenset({"1", "yes", "y", "true", "t"})
NO = frozenset({"0", "no", "n", "false", "f"})
_SHOWN = 60
_DAY = re.compile(r"(19|20)\d\d[01]\d[0-3]\d")
"""A date without dashes, which is no Unix time: that would be of 1970."""
_MILLISECONDS = 1e11
"""Unix times above this are in milliseconds: as seconds it is the year 5138."""
_OLDEST = 1e8
"""Unix seconds of 1973: smaller numbers are years, or days as spreadsheets count them."""
_MONTHS = 12
_WRITTEN = re.compile(
    r"(?P<a>\d\d?)(?P<sign>[./])(?P<b>\d\d?)(?P=sign)(?P<year>\d{4})"
    r"(?:,? (?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d))?)?",
    re.A,
)
"""A day as people write it, perhaps with the time of day."""


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """What became of one row of the file."""

    number: int
    outcome: Review | RowError
    warnings: tuple[RowWarning, ...] = ()


class CellError(DataError):
    """A cell that makes its row unusable."""

    def __init__(self, column: str, value: str, kind: str, why: str) -> None:
        super().__init__(why)
        self.column, self.value, self.kind, self.why = column, value[:_SHOWN], kind, why


def review_of(
    number: int, cells: dict[str, Any], config: ReviewData
) -> tuple[Review, tuple[RowWarning, ...]]:
    """The row as a Review, and `bad_time` where its time cannot be read, which is None then.

    A CellError names any other cell that cannot be used."""
    columns = config.columns
    identity = str(number)
    if columns.id is not None:
        named = text_of(cells.get(columns.id))
        if named is None:
            raise CellError(columns.id, "", "missing_id", "the id is empty")
        identity = named
    title = _text(cells, columns.title, config) if columns.title is not None else ""
    time, unread = _time(cells, columns.time)
    # Every field was checked on the way, so that pydantic need not.
    review = Review.model_construct(
        id=identity,
        product=None if columns.product is None else text_of(cells.get(columns.product)),
        title=title,
        text=_text(cells, columns.text, config),
        rating=None if columns.rating is None else stars_of(cells.get(columns.rating), columns.rating),
        recommended=None
        if columns.recommended is None
        else yes_or_no(cells.get(columns.recommended), columns.recommended),
        time=time,
        constructed=columns.constructed is not None
        and bool(yes_or_no(cells.get(columns.constructed), columns.constructed)),
        fields={name: text_of(cells.get(column)) for name, column in columns.fields.items()},
    )
    noted = RowWarning(row=number, column=columns.time or "", kind="bad_time", id=identity)
    return review, (noted,) if unread else ()


def _time(cells: dict[str, Any], column: str | None) -> tuple[datetime | None, bool]:
    """The time, and whether the cell has one that cannot be read: no reason to lose what the buyer wrote."""
    if column is None:
        return None, False
    try:
        return time_of(cells.get(column), column), False
    except CellError:
        return None, True


def _text(cells: dict[str, Any], column: str, config: ReviewData) -> str:
    value = cells.get(column)
    text = value if isinstance(value, str) else text_of(value) or ""
    if len(text) > config.max_characters:
        why = f"{len(text):,} characters are more than data.max_characters = {config.max_characters:,}"
        raise CellError(column, text, "text_too_long", why)
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()  # half letters cannot be written to any file
    return clean(text, config.clean)


def stars_of(value: Any, column: str) -> int | None:
    """1 to 5 as `whole_stars` reads them, or None for an empty cell; 4.5 is an error."""
    text = text_of(value)
    if text is None:
        return None
    stars = whole_stars(text)
    if stars is None:
        raise CellError(column, text, "bad_rating", "expected whole stars, 1 to 5")
    return stars


def yes_or_no(value: Any, column: str) -> bool | None:
    """Whether the cell says yes, or None where it is empty."""
    text = text_of(value)
    if text is None:
        return None
    word = text.lower().removesuffix(".0")
    if word in YES or word in NO:
        return word in YES
    raise CellError(column, text, "bad_flag", "expected 1 or 0, yes or no, true or false")


def time_of(value: Any, column: str) -> datetime | None:
    """A moment in UTC, or None for an empty cell: ISO 8601, Unix seconds or milliseconds since 1973, or a day
    as people write it, `31.05.2024`, `31/05/2024` or `5/31/2024`.

    Dots are day first. `05/06/2024` is a CellError: it is in May in one shop and in June in another."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    text = text_of(value)
    if text is None:
        return None
    try:
        seconds = _unix_seconds(text)
        moment = _day_and_time(text) if seconds is None else datetime.fromtimestamp(seconds, UTC)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        why = "expected a date such as 2024-05-31 or 31.05.2024, or Unix seconds or milliseconds since 1973"
        raise CellError(column, text, "bad_time", why) from None


def _day_and_time(text: str) -> datetime:
    """The moment in the text's own time zone; ValueError where it is none, or could be two."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return datetime.fromisoformat(text)
    day, month = int(found["a"]), int(found["b"])
    if found["sign"] == "/":
        if day != month and max(day, month) <= _MONTHS:
            raise ValueError(f"either of the first two numbers of {text} may be the month")
        day, month = max(day, month), min(day, month)
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    return datetime(int(found["year"]), month, day, hour, minute, second)


def _unix_seconds(text: str) -> float | None:
    """The seconds that a number says, None of any other text; ValueError where they are none of a review."""
    try:
        number = float(text)
    except ValueError:
        return None
    if _DAY.fullmatch(text):
        return None
    if not abs(number) >= _OLDEST:  # NaN too
        raise ValueError(f"{text} is a year, or days of a spreadsheet")
    return number / 1000 if abs(number) > _MILLISECONDS else number
