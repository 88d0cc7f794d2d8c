"""What a table lacks to be learned from, and which of its columns nearly are what it lacks.

No config is written then: it would load, and fail in training."""

from __future__ import annotations

from shelfwise.data.inspect_columns import ColumnSummary
from shelfwise.data.inspect_kinds import ambiguous_number
from shelfwise.data.suggest import Suggestion
from shelfwise.data.suggest_roles import MOST_CLASSES, named_like_a_target, whole_numbers

_NAMED = 3
"""Columns that a message names at most as near to labels, and as near to pictures."""
_PICTURE_NAMES = ("image", "picture", "photo", "img", "bild", "foto")
_NO_LABELS = "no column that looks like labels to learn"


def no_pictures_run(plain: Suggestion) -> str | None:
    """Why no run of pictures and one label can learn from a table; None where one can."""
    columns = plain.data.columns
    if (lack := _no_id(plain)) is not None:
        return lack
    if not columns.images:
        return _said(plain, "has no column of pictures to learn from", _near_pictures(plain))
    if plain.data.target is None:
        return _said(plain, f"has {_NO_LABELS}", _near_labels(plain))
    return None


def no_products(plain: Suggestion, *, labels: bool) -> str | None:
    """Why no products run can; `labels`: whether there is anything to tell products by."""
    columns = plain.data.columns
    if (lack := _no_id(plain)) is not None:
        return lack
    pictures, texts = bool(columns.images), bool(columns.title or columns.description)
    if not (pictures or texts):
        what = "has neither pictures nor titles to learn from" + ("" if labels else f", and {_NO_LABELS}")
        return _said(plain, what, _near_pictures(plain) + ([] if labels else _near_labels(plain)))
    if labels or (pictures and texts):
        return None
    there, gone = ("pictures", "titles") if pictures else ("titles", "pictures")
    near = _near_labels(plain) + (_near_pictures(plain) if texts else [])
    return _said(
        plain, f"has {there}, but {_NO_LABELS}, and no {gone}, which could be learned together", near
    )


def _no_id(plain: Suggestion) -> str | None:
    """Why most rows would be refused; None where they would not."""
    column = plain.inspection.column(plain.data.columns.id)
    if 2 * column.distinct >= column.rows:
        return None
    what = (
        f"has no column that tells its rows apart: the best, {column.name!r}, has {column.distinct:,} values"
    )
    return _said(plain, f"{what} in {column.rows:,} rows, and a row that repeats an id is refused", [])


def _said(plain: Suggestion, what: str, near: list[str]) -> str:
    """The message with the columns that come near."""
    if not near:
        near = [f"the columns are {', '.join(repr(column.name) for column in plain.inspection.columns)}"]
    return f"'{plain.inspection.path}' {what}; {'; '.join(near)}"


def _near_labels(plain: Suggestion) -> list[str]:
    """The columns that are no labels and why, those that are named like one first."""
    if plain.inspection.format == "tree":
        return ["put the pictures of each class into a folder of its own"]
    columns = plain.data.columns
    taken = {columns.id, columns.title, columns.description, *columns.images}
    free = [column for column in plain.inspection.columns if column.name not in taken]
    free.sort(key=lambda column: not named_like_a_target(column))
    return [f"{column.name!r} {why}" for column in free if (why := _no_label(column)) is not None][:_NAMED]


def _no_label(column: ColumnSummary) -> str | None:
    """Why a column is no label, where somebody may have thought that it is one."""
    values = f"{column.distinct:,} different values in {column.filled:,} cells"
    if column.kind == "empty":
        return "is empty" if named_like_a_target(column) else None
    if column.kind in ("picture", "address", "date") or _named_like_pictures(column):
        return None
    if len(column.values) == 1:
        return f"has one value only, {next(iter(column.values))!r}"
    if whole_numbers(column):
        return f"has {column.distinct} whole numbers that recur: if they are classes, call it 'category'"
    if column.kind == "number" and not named_like_a_target(column):
        return None
    if column.recurring == 1:
        return f"has one value only that recurs, {column.values.most_common(1)[0][0]!r}"
    if column.kind == "list":
        return f"has several values in its cells, {len(column.parts) or column.distinct:,} different ones"
    if (odd := ambiguous_number(column)) is not None:
        return f"has numbers that may be two each, such as {odd!r}"
    if column.kind == "category":
        return f"has {values}, more than {MOST_CLASSES}"
    short = column.mean_characters <= 40 and (column.recurring or named_like_a_target(column))
    return f"has {values}: too few recur" if short else None


def _near_pictures(plain: Suggestion) -> list[str]:
    """The columns that are no pictures and why, where they look or are called like some."""
    found = []
    for column in plain.inspection.columns:
        share = len(column.pictures) / max(1, len(column.values))
        if column.kind == "address":
            found.append(f"{column.name!r} has addresses: download the pictures first")
        elif column.kind != "picture" and share > 0.1:
            found.append(f"of {column.name!r} only {share:.0%} of the values are names of picture files")
        elif column.kind != "picture" and _named_like_pictures(column):
            value = column.examples(1)[0] if column.filled else ""
            found.append(f"{column.name!r} has no names of picture files (.jpg, .png ...), but {value!r}")
    return found[:_NAMED]


def _named_like_pictures(column: ColumnSummary) -> bool:
    return any(name in column.name.lower() for name in _PICTURE_NAMES)
