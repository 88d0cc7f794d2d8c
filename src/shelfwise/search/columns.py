"""The fields of products as columns of numbers, texts or several texts; filters and facets read these.

N products, M values of all of them. A field whose every value is a number (as `number_of` reads it, since a
CSV file has numbers as text) is one of numbers, where `n/a` and its like are no values; a field with a list
is one of several texts; any other of texts.
"""

from __future__ import annotations

import math
import operator
import unicodedata
from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int32, Int64
from numpy import ndarray

from shelfwise.data.cells import text_of
from shelfwise.data.product_input import number_of
from shelfwise.schema import FieldValue


@dataclass(frozen=True, eq=False)
class NumberColumn:
    """A number for each product; NaN where there is none."""

    numbers: Float64[ndarray, "N"]


@dataclass(frozen=True, eq=False)
class TextColumn:
    """Texts by number: value `codes[i]` is that of product `owners[i]`, ascending.

    A field of one value has each owner at most once."""

    owners: Int32[ndarray, "M"]
    codes: Int32[ndarray, "M"]
    values: tuple[str, ...]
    several: bool

    @cached_property
    def codes_of(self) -> dict[str, list[int]]:
        """Numbers of the texts that are one when case is left aside."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for code, value in enumerate(self.values):
            found[folded(value)].append(code)
        return dict(found)

    @cached_property
    def spellings(self) -> tuple[Int32[ndarray, "K"], tuple[str, ...]]:
        """Of each text the number of its like when case is left aside, and of these the usual spellings."""
        counts = np.bincount(self.codes, minlength=len(self.values))
        group = np.zeros(len(self.values), np.int32)
        for place, codes in enumerate(self.codes_of.values()):
            group[codes] = place
        usual = (max(codes, key=lambda code: counts[code]) for codes in self.codes_of.values())
        return group, tuple(self.values[code] for code in usual)


@dataclass(frozen=True)
class OddValue:
    """A text in a field that is nearly all numbers, and so one of texts."""

    value: str
    row: int
    """The first product that has it."""
    numbers: int
    """Products with a number there."""
    texts: int
    """Products with a text there, those without a value left out."""


BLANKS = frozenset({"", "-", "--", "n/a", "na", "n.a.", "nan", "none", "null"})
"""What shops write where a number is missing, folded."""
NEARLY_ALL = 0.9
Column = NumberColumn | TextColumn
Columns = dict[str, Column]


def folded(text: str) -> str:
    """A text in one form of case and width: what `=` compares."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def kind_of(column: Column) -> str:
    """`number`, `text` or `texts`."""
    if isinstance(column, NumberColumn):
        return "number"
    return "texts" if column.several else "text"


class ColumnsBuilder:
    """Takes products one by one and makes the columns."""

    def __init__(self) -> None:
        self._fields: dict[str, _Field] = {}
        self._rows = 0

    def add(self, fields: Mapping[str, FieldValue]) -> None:
        """The next product's fields."""
        for name, value in fields.items():
            if name not in self._fields:
                self._fields[name] = _Field()
            self._fields[name].add(self._rows, value)
        self._rows += 1

    def columns(self, place: Int64[ndarray, "N"] | None = None) -> Columns:
        """A column for each field; with `place` the i-th product stands at `place[i]`."""
        place = np.arange(self._rows) if place is None else place
        return {name: field.column(place) for name, field in self._fields.items()}


class _Field:
    """The values of one field as they come."""

    def __init__(self) -> None:
        self._owners, self._codes = array("i"), array("i")
        self._values: dict[str | float, int] = {}
        self._several = False

    def add(self, row: int, value: FieldValue) -> None:
        many = isinstance(value, tuple)
        self._several |= many
        for one in dict.fromkeys(value) if isinstance(value, tuple) else (value,):
            if one is None or (isinstance(one, float) and not math.isfinite(one)):
                continue
            self._owners.append(row)
            self._codes.append(self._values.setdefault(one, len(self._values)))

    def column(self, place: Int64[ndarray, "N"]) -> Column:
        owners = place[np.frombuffer(self._owners, np.int32)] if self._owners else np.zeros(0, np.int64)
        codes = np.frombuffer(self._codes, np.int32) if self._codes else np.zeros(0, np.int32)
        numbers = [_number(value) for value in self._values]
        blank = [_is_blank(value) for value in self._values]
        if not self._several and not all(blank) and all(map(operator.or_, np.isfinite(numbers), blank)):
            column = np.full(len(place), np.nan)
            column[owners] = np.array(numbers, np.float64)[codes]
            return NumberColumn(column)
        order = np.argsort(owners, kind="stable")
        texts = [text_of(value) or "" for value in self._values]
        # A number in a text field may be the same text as another value.
        distinct = {text: code for code, text in enumerate(dict.fromkeys(texts))}
        recoded = np.array([distinct[text] for text in texts], np.int32)
        return TextColumn(
            owners[order].astype(np.int32),
            recoded[codes[order]] if len(codes) else codes,
            tuple(distinct),
            self._several,
        )


def odd_value(column: Column) -> OddValue | None:
    """What makes a field one of texts that is nearly all numbers; None for any other field."""
    if isinstance(column, NumberColumn) or column.several or not len(column.owners):
        return None
    count = np.bincount(column.codes, minlength=len(column.values))
    blank = np.array([_is_blank(value) for value in column.values])
    finite = np.isfinite([_number(value) for value in column.values])
    odd = ~finite & ~blank
    numbers, texts = int(count[finite].sum()), int(count[odd].sum())
    if not texts or numbers < NEARLY_ALL * (numbers + texts):
        return None
    first = int(np.flatnonzero(odd[column.codes])[0])
    return OddValue(column.values[column.codes[first]], int(column.owners[first]), numbers, texts)


def _number(value: str | float) -> float:
    """The number; NaN where the value is none."""
    number = number_of(value)
    return math.nan if number is None else number


def _is_blank(value: str | float) -> bool:
    return isinstance(value, str) and folded(value) in BLANKS


def column_values(column: Column, rows: int) -> Sequence[FieldValue]:
    """What each product has, for people and tests; slow."""
    if isinstance(column, NumberColumn):
        return [None if math.isnan(number) else number for number in column.numbers.tolist()]
    found: list[list[str]] = [[] for _ in range(rows)]
    for owner, code in zip(column.owners.tolist(), column.codes.tolist(), strict=True):
        found[owner].append(column.values[code])
    if column.several:
        return [tuple(values) or None for values in found]
    return [values[0] if values else None for values in found]
