"""What kind of values a column has, and what joins several of them in a cell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from shelfwise.data.inspect_columns import ADDRESS, JOINED, KEPT, SEPARATORS, ColumnSummary, Kind
from shelfwise.data.numbers import could_be_two, number_in
from shelfwise.data.pictures import SUFFIXES

_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?|\d\d?[./]\d\d?[./]\d{4}")
_MOST = 0.8
_NEARLY_ALL = 0.95
_COMMA_IN_NUMBER = re.compile(r"(?<![\d,])(?:\d+,\d+|\d{1,3}(?:,\d{3})+)(?![\d,])")
"""A number with a comma for decimals or thousands, also before a unit: `36,5 cm`."""


def kind_of(summary: ColumnSummary) -> Kind:
    """The kind that nearly all filled cells have; `separator` is known by now."""
    if not summary.filled:
        return "empty"
    values = list(summary.values)
    if summary.encoded or len(summary.pictures) > _MOST * len(values):
        return "picture"
    if _share(values, lambda text: ADDRESS.match(text) is not None) > _MOST:
        return "address"
    if summary.holds_lists or summary.separator:
        return "list"
    if _are_numbers(values):
        return "number"
    if _share(values, lambda text: _DATE.fullmatch(text) is not None) > _NEARLY_ALL:
        return "date"
    if summary.distinct <= 0.5 * summary.filled and summary.mean_characters <= 40:
        return "category"
    return "text"


def separator_of(summary: ColumnSummary) -> str | None:
    """What joins several short, recurring values in this column's cells, if anything does.

    A comma is common inside one value too, so its parts must recur in different cells, and the comma of a
    number joins nothing."""
    values = list(summary.values)
    if summary.holds_lists or _are_numbers(values):
        return None
    for separator in SEPARATORS:
        joined = [text for text in values if _joins(separator, text)]
        if len(joined) < JOINED * len(values) or not joined:
            continue
        times = (lambda text: 1) if separator == "," else summary.values.__getitem__
        parts = Counter[str]()
        for text in joined:
            for part in parts_of(text, separator):
                parts[part] += times(text)
        if all(part.lower().endswith(SUFFIXES) for part in parts):
            return separator
        characters = sum(len(part) * count for part, count in parts.items())
        if "" not in parts and characters <= 25 * parts.total() and len(parts) <= 0.5 * parts.total():
            return separator
    return None


def parts_of(text: str, separator: str) -> list[str]:
    """What the separator joins, trimmed; without the last part of a text that was cut."""
    parts = [part.strip() for part in text.split(separator)]
    return parts[:-1] if len(text) == KEPT and len(parts) > 1 else parts


def ambiguous_number(summary: ColumnSummary) -> str | None:
    """A value that is no number because it could be two, in a column of numbers otherwise; else None."""
    odd = next(filter(could_be_two, summary.values), None)
    if odd is None or summary.kind not in ("category", "text"):
        return None
    others = [text for text in summary.values if not could_be_two(text)]
    return odd if not others or _are_numbers(others) else None


def _joins(separator: str, text: str) -> bool:
    return separator in (_COMMA_IN_NUMBER.sub("", text) if separator == "," else text)


def _are_numbers(values: list[str]) -> bool:
    return _share(values, lambda text: number_in(text) is not None) > _NEARLY_ALL


def _share(values: list[str], test: Callable[[str], bool]) -> float:
    return sum(map(test, values)) / len(values) if values else 0.0
