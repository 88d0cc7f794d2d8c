"""What is in a user's file, column by column: kind of value, fill rate, examples."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from shelfwise.config import CatalogConfig
from shelfwise.data.cells import text_of
from shelfwise.data.pictures import SUFFIXES
from shelfwise.data.tables import BadRow, open_table
from shelfwise.errors import DataError

Kind = Literal["empty", "picture", "address", "list", "number", "date", "category", "text"]

SAMPLE_ROWS = 2_000
SEPARATORS = ("|", ";", ",")
_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?(e[-+]?\d+)?", re.I)
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?|\d\d?[./]\d\d?[./]\d{4}")
_ADDRESS = re.compile(r"https?://\S+", re.I)
_KEPT = 200


@dataclass
class ColumnSummary:
    """What the sampled rows have in one column."""

    name: str
    rows: int = 0
    filled: int = 0
    values: Counter[str] = field(default_factory=Counter)
    """Texts, cut at 200 characters, with how often each occurs."""
    cells: list[str | None] = field(default_factory=list)
    """The same texts row by row, to compare columns; None where a row has none."""
    characters: int = 0
    words: int = 0
    encoded: int = 0
    """Cells that hold a picture's bytes."""
    lists: int = 0
    """Cells that hold a list in the file's own types."""
    separator: str | None = None
    """What joins several values in a text cell, where the values recur."""
    kind: Kind = "empty"

    @property
    def fill_rate(self) -> float:
        """Share of the sampled rows with a value."""
        return self.filled / self.rows if self.rows else 0.0

    @property
    def distinct(self) -> int:
        """Different values in the sample; for picture bytes each counts as its own."""
        return len(self.values) or self.encoded

    @property
    def mean_characters(self) -> float:
        """Mean length of the filled cells."""
        return self.characters / self.filled if self.filled else 0.0

    @property
    def is_unique(self) -> bool:
        """Whether every sampled row has a value and no two the same."""
        return 0 < self.rows == self.filled == len(self.values)

    def examples(self, count: int = 3) -> tuple[str, ...]:
        """The most frequent values, shortened."""
        if self.encoded:
            return (f"{self.encoded:,} encoded pictures",)
        return tuple(
            text if len(text) <= 40 else text[:39] + "…" for text, _ in self.values.most_common(count)
        )

    def as_dict(self) -> dict[str, Any]:
        """The summary for a JSON file."""
        return {
            "name": self.name,
            "kind": self.kind,
            "fill_rate": round(self.fill_rate, 4),
            "distinct": self.distinct,
            "mean_characters": round(self.mean_characters, 1),
            "separator": self.separator,
            "examples": list(self.examples()),
        }


@dataclass(frozen=True)
class Inspection:
    """A file's format, its sampled rows and its columns."""

    path: Path
    format: str
    rows: int
    """Rows that were looked at, the bad ones included."""
    complete: bool
    """Whether that was the whole file."""
    bad_rows: int
    columns: tuple[ColumnSummary, ...]
    cells: tuple[dict[str, Any], ...]
    """The first rows as they are, to look at pictures."""

    def column(self, name: str) -> ColumnSummary:
        """The summary of one column."""
        return next(column for column in self.columns if column.name == name)


def inspect_file(path: Path, *, sample: int = SAMPLE_ROWS, first: int = 40) -> Inspection:
    """Look at the first `sample` rows of a table or a picture tree, and keep the `first` ones.

    Raises DataError where the file cannot be read at all or has no rows."""
    table = open_table(CatalogConfig(source=str(path)))
    summaries = {name: ColumnSummary(name) for name in table.columns}
    rows = bad = 0
    kept: list[dict[str, Any]] = []
    for raw in islice(table.rows, sample):
        rows += 1
        if isinstance(raw.cells, BadRow):
            bad += 1
            continue
        if len(kept) < first:
            kept.append(raw.cells)
        for summary in summaries.values():
            _look(summary, raw.cells.get(summary.name))
    if rows == bad:
        raise DataError(f"'{path}' has no rows that can be read")
    for summary in summaries.values():
        summary.separator = _separator(summary)
        summary.kind = _kind(summary)
    complete = next(table.rows, None) is None
    return Inspection(path, table.format, rows, complete, bad, tuple(summaries.values()), tuple(kept))


def _look(summary: ColumnSummary, value: Any) -> None:
    summary.rows += 1
    if isinstance(value, list | tuple):
        summary.lists += 1
    if _holds_bytes(value):
        summary.filled += 1
        summary.encoded += 1
        summary.cells.append(None)
        return
    if isinstance(value, dict) and "path" in value:
        value = value["path"]
    text = text_of(value)
    summary.cells.append(None if text is None else text[:_KEPT])
    if text is None:
        return
    summary.filled += 1
    summary.characters += len(text)
    summary.words += text.count(" ") + 1
    summary.values[text[:_KEPT]] += 1


def _holds_bytes(value: Any) -> bool:
    if isinstance(value, dict):
        value = value.get("bytes")
    if isinstance(value, list | tuple):
        return any(_holds_bytes(item) for item in value)
    return isinstance(value, bytes)


def _kind(summary: ColumnSummary) -> Kind:
    """The kind that nearly all filled cells have."""
    if not summary.filled:
        return "empty"
    if summary.encoded:
        return "picture"
    values = list(summary.values)
    if _share(values, lambda text: text.startswith("data:image/") or _is_picture_path(text)) > 0.8:
        return "picture"
    if _share(values, lambda text: _ADDRESS.match(text) is not None) > 0.8:
        return "address"
    if summary.lists or summary.separator:
        return "list"
    if _share(values, lambda text: _NUMBER.fullmatch(text) is not None) > 0.95:
        return "number"
    if _share(values, lambda text: _DATE.fullmatch(text) is not None) > 0.95:
        return "date"
    if summary.distinct <= 0.5 * summary.filled and summary.mean_characters <= 40:
        return "category"
    return "text"


def _is_picture_path(text: str) -> bool:
    """One path of a picture, or several joined by one of the separators."""
    if _ADDRESS.match(text):
        return False
    return any(
        all(part.strip().lower().endswith(SUFFIXES) for part in text.split(separator))
        for separator in SEPARATORS
    )


def _separator(summary: ColumnSummary) -> str | None:
    """What joins several short, recurring values in this column's cells, if anything does.

    A comma is common inside one value too, so its parts must recur in different cells."""
    values = list(summary.values)
    for separator in SEPARATORS:
        joined = [text for text in values if separator in text]
        if len(joined) < 0.3 * len(values) or not joined:
            continue
        times = (lambda text: 1) if separator == "," else summary.values.__getitem__
        parts = Counter[str]()
        for text in joined:
            for part in text.split(separator):
                parts[part.strip()] += times(text)
        if all(part.lower().endswith(SUFFIXES) for part in parts):
            return separator
        characters = sum(len(part) * count for part, count in parts.items())
        if "" not in parts and characters <= 25 * parts.total() and len(parts) <= 0.5 * parts.total():
            return separator
    return None


def _share(values: list[str], test: Any) -> float:
    return sum(map(test, values)) / len(values) if values else 0.0
