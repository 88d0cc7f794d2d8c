"""What the sampled rows have in one column: fill rate, values, lists, pictures."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from shelfwise.data.cells import list_in, text_of
from shelfwise.data.pictures import SUFFIXES

Kind = Literal["empty", "picture", "address", "list", "number", "date", "category", "text"]

SEPARATORS = ("|", ";", ",")
ADDRESS = re.compile(r"https?://\S+", re.I)
KEPT = 200
"""Characters that are kept of a value."""
JOINED = 0.3
"""Least share of a column's cells that hold several values where it is said to."""


@dataclass
class ColumnSummary:
    """What the sampled rows have in one column."""

    name: str
    rows: int = 0
    filled: int = 0
    values: Counter[str] = field(default_factory=Counter)
    """Texts, cut at 200 characters, with how often each occurs; of a list its parts, joined by commas."""
    cells: list[str | None] = field(default_factory=list)
    """The same texts row by row, to compare columns; None where a row has none."""
    characters: int = 0
    words: int = 0
    encoded: int = 0
    """Cells that hold a picture's bytes."""
    lists: int = 0
    """Cells that hold a list in the file's own types."""
    written: int = 0
    """Cells that hold a list written out as text."""
    parts: Counter[str] = field(default_factory=Counter)
    """What stands in the lists, with how often each occurs."""
    pictures: set[str] = field(default_factory=set)
    """Those of `values` that are pictures: a path, several, or the picture itself as text."""
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

    @property
    def holds_lists(self) -> bool:
        """Whether cells are lists, in the file's own types or written out."""
        return self.lists > 0 or self.written >= max(1, JOINED * self.filled)

    @property
    def recurring(self) -> int:
        """Different values that occur more than once."""
        return sum(count > 1 for count in self.values.values())

    def add(self, value: Any) -> None:
        """Take down the cell of one more row."""
        self.rows += 1
        self.lists += isinstance(value, list | tuple)
        if _holds_bytes(value):
            self.filled += 1
            self.encoded += 1
            self.cells.append(None)
            return
        if isinstance(value, dict) and "path" in value:
            value = value["path"]
        written = _written_list(value)
        value = value if written is None else written
        text = text_of(value)
        self.cells.append(None if text is None else text[:KEPT])
        if text is None:
            return
        self.filled += 1
        self.characters += len(text)
        self.words += text.count(" ") + 1
        self.values[text[:KEPT]] += 1
        self.written += written is not None
        parts = [part for item in value if (part := text_of(item))] if isinstance(value, list | tuple) else []
        self.parts.update(parts)
        if all(map(_is_picture, parts)) if parts else _is_picture_cell(text):
            self.pictures.add(text[:KEPT])

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


def _written_list(value: Any) -> list[Any] | None:
    """The list that a text cell writes out; a single word in brackets may as well be a value."""
    found = list_in(value) if isinstance(value, str) else None
    if found is not None and len(found) == 1 and text_of(found[0]) == value.strip()[1:-1].strip():
        return None
    return found


def _holds_bytes(value: Any) -> bool:
    if isinstance(value, dict):
        value = value.get("bytes")
    if isinstance(value, list | tuple):
        return any(_holds_bytes(item) for item in value)
    return isinstance(value, bytes)


def _is_picture(part: str) -> bool:
    """A picture as text, or the path of one."""
    return part.startswith("data:image/") or (part.lower().endswith(SUFFIXES) and not ADDRESS.match(part))


def _is_picture_cell(text: str) -> bool:
    """One picture, or several paths joined by one of the separators."""
    if text.startswith("data:image/") or ADDRESS.match(text):
        return text.startswith("data:image/")
    return any(all(_is_picture(part.strip()) for part in text.split(separator)) for separator in SEPARATORS)
