"""Which column is probably the id, the title, the description and the labels, by names and values."""

from __future__ import annotations

from shelfwise.config import TAKEN_TARGETS
from shelfwise.data.inspect import Inspection
from shelfwise.data.inspect_columns import ColumnSummary
from shelfwise.data.inspect_kinds import ambiguous_number
from shelfwise.data.label_paths import FIRM, determination
from shelfwise.data.numbers import number_in

IDS = ("id", "sku", "productid", "itemid", "articleid", "articlenumber", "asin", "uniqid", "gtin", "ean")
TITLES = ("title", "producttitle", "productdisplayname", "productname", "name", "itemname", "displayname")
DESCRIPTIONS = ("description", "productdescription", "desc", "body", "reviewtext", "text", "details", "about")
TARGETS = (
    *("category", "class", "label", "target", "producttype", "articletype", "type", "classname"),
    *("subcategory", "department", "departmentname", "mastercategory"),
)
_CODES = ("id", "code", "number", "no", "nr")
"""What may follow a target's name where its values are numbers."""
_SENTENCE = 4
"""Words a cell from which its text is more than a class's name, on average."""
_NEARLY_UNIQUE = 0.9
"""Least share of different values in a column that is taken for the id by its name."""
MOST_CLASSES = 200
"""Values from which a column's are taken for names rather than classes."""


def guess_id(columns: list[ColumnSummary], reasons: dict[str, str], notes: list[str]) -> str:
    """A unique column, the one with an id's name first; else the one with the most different values.

    A column with an id's name may have a few rows that repeat or lack it: those rows are in error, and
    another column that happens to be unique is not the id."""
    unique = [column for column in columns if column.is_unique]
    named = by_name(unique, IDS)
    nearly = by_name([c for c in columns if c.distinct >= _NEARLY_UNIQUE * c.rows], IDS)
    if named is not None:
        reasons["data.columns.id"] = "named like an id, and every value differs"
        return named.name
    if nearly is not None:
        reasons["data.columns.id"] = "named like an id, and nearly every value differs"
        notes.append(f"rows that repeat or lack an id in '{nearly.name}' will be refused")
        return nearly.name
    repeated = by_name(columns, IDS)
    if unique:
        best = min(unique, key=_unlike_an_id)
        reasons["data.columns.id"] = "every value differs"
        if repeated:
            notes.append(f"'{repeated.name}' repeats or lacks values: '{best.name}' is taken for the id")
        return best.name
    best = max(columns, key=lambda column: (len(column.values), column.fill_rate))
    reasons["data.columns.id"] = "NOT unique, only the column with the most different values"
    notes.append(f"no column is unique: rows that repeat an id in '{best.name}' will be refused")
    return best.name


def _unlike_an_id(column: ColumnSummary) -> tuple[bool, ...]:
    """What makes a unique column less of an id than another: a price or a date, a long text, a picture."""
    measured = column.kind == "date" or (column.kind == "number" and not _all_whole(column))
    return measured, column.mean_characters > 40, column.kind == "picture"


def reads_like_text(column: ColumnSummary) -> bool:
    """Whether the id may be the title or the description as well: by its name, or by words in its cells."""
    if column.kind not in ("text", "category", "list") or by_name([column], IDS):
        return False
    return column.words >= 2 * column.filled or by_name([column], TITLES + DESCRIPTIONS) is not None


def guess_title(columns: list[ColumnSummary], reasons: dict[str, str]) -> str | None:
    """The column with a title's name, else the one of short texts that differ the most."""
    texts = [column for column in columns if column.kind in ("text", "category", "list")]
    named = by_name(texts, TITLES)
    if named:
        reasons["data.columns.title"] = "its name"
        return named.name
    short = [column for column in texts if column.kind == "text" and 8 <= column.mean_characters <= 120]
    if not short:
        return None
    best = max(short, key=lambda column: column.distinct * column.fill_rate)
    reasons["data.columns.title"] = f"short texts, {best.mean_characters:.0f} characters on average"
    return best.name


def guess_description(columns: list[ColumnSummary], reasons: dict[str, str]) -> str | None:
    """The column with a description's name, else the one of the longest texts."""
    texts = [column for column in columns if column.kind in ("text", "list") and not column.holds_lists]
    # A small shop repeats its texts, which makes them look like classes.
    repeated = [
        column
        for column in columns
        if column.kind == "category" and column.words >= _SENTENCE * column.filled
    ]
    named = by_name([*texts, *repeated], DESCRIPTIONS)
    long = [column for column in texts if column.mean_characters > 60]
    best = named or max(long, key=lambda column: column.mean_characters, default=None)
    if best is None:
        return None
    reasons["data.columns.description"] = (
        "its name" if named else f"the longest texts, {best.mean_characters:.0f} characters on average"
    )
    return best.name


def guess_labels(
    free: dict[str, ColumnSummary], keys: dict[str, str], reasons: dict[str, str]
) -> dict[str, str]:
    """Columns of values that recur, by key; of numbers only codes, in a column named like a target."""
    chosen = {name: column for name, column in free.items() if _is_class(column)}
    words = list(chosen.values())
    chosen |= {name: column for name, column in free.items() if _is_code(column) and not _says(column, words)}
    labels = {}
    for name, column in free.items():
        if name in chosen:
            labels[keys[name]] = name
            what = "values" if column.kind == "category" else "whole numbers, in a column named like a label,"
            reasons[f"data.columns.labels.{keys[name]}"] = f"{column.distinct} {what} that recur"
    return labels


def guess_target(found: Inspection, labels: dict[str, str], reasons: dict[str, str]) -> str | None:
    """The label with a target's name, else the one with the most values."""
    usable = [found.column(name) for name in labels.values() if found.column(name).distinct <= MOST_CLASSES]
    named = by_name(usable, TARGETS)
    best = named or max(usable, key=lambda column: column.distinct, default=None)
    if best is None:
        return None
    why = "its name" if named else "the label with the most values"
    reasons["data.target"] = f"{why}; any key of [data.columns.labels] will do"
    return keys_of(found)[best.name]


def named_like_a_target(column: ColumnSummary) -> bool:
    """Whether a column is called category, class, department or the like, also with `id` or `code` behind."""
    bare = bare_name(column.name)
    return bare in TARGETS or any(
        bare.endswith(code) and bare.removesuffix(code) in TARGETS for code in _CODES
    )


def whole_numbers(column: ColumnSummary) -> bool:
    """Whether a column holds a few whole numbers that recur: codes of classes, or a year, or a count."""
    return (
        column.kind == "number"
        and _all_whole(column)
        and column.distinct <= min(MOST_CLASSES, 0.5 * column.filled)
        and _recurs(column)
    )


def _all_whole(column: ColumnSummary) -> bool:
    numbers = [number_in(text) for text in column.values]
    return all(number is not None and number.is_integer() for number in numbers)


def _recurs(column: ColumnSummary) -> bool:
    """Whether two values at least occur more than once, as a training that holds rows back needs."""
    return column.recurring > 1


def _is_class(column: ColumnSummary) -> bool:
    return column.kind == "category" and _recurs(column) and ambiguous_number(column) is None


def _is_code(column: ColumnSummary) -> bool:
    return whole_numbers(column) and named_like_a_target(column)


def _says(code: ColumnSummary, words: list[ColumnSummary]) -> bool:
    """Whether a column of codes is a column of words over again."""
    return any(
        determination(code.cells, word.cells) >= FIRM and determination(word.cells, code.cells) >= FIRM
        for word in words
    )


def by_name(columns: list[ColumnSummary], names: tuple[str, ...]) -> ColumnSummary | None:
    """The column whose name, without case and punctuation, comes first among `names`."""
    ranked = [
        (names.index(bare_name(column.name)), column) for column in columns if bare_name(column.name) in names
    ]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def bare_name(name: str) -> str:
    """A name without case and punctuation."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def keys_of(found: Inspection) -> dict[str, str]:
    """Column to key: its name in snake case, with a number where that is taken."""
    keys: dict[str, str] = {}
    for column in found.columns:
        key = name = snake(column.name)
        number = 1
        while key in keys.values() or key in TAKEN_TARGETS:
            number += 1
            key = f"{name}_{number}"
        keys[column.name] = key
    return keys


def snake(name: str) -> str:
    """`baseColour` and `Base Colour` as `base_colour`."""
    spaced = "".join(
        f"_{letter}" if letter.isupper() and i and name[i - 1].islower() else letter
        for i, letter in enumerate(name)
    )
    kept = "".join(letter.lower() if letter.isalnum() else "_" for letter in spaced)
    return "_".join(part for part in kept.split("_") if part) or "field"
