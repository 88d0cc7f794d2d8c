"""What is in a user's file, column by column: kind of value, fill rate, examples."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from shelfwise.config import CatalogConfig
from shelfwise.data.inspect_columns import ColumnSummary
from shelfwise.data.inspect_kinds import kind_of, separator_of
from shelfwise.data.tables import BadRow, open_table
from shelfwise.errors import DataError

SAMPLE_ROWS = 2_000


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

    Raises DataError where the file cannot be read at all, or has no rows or no columns."""
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
            summary.add(raw.cells.get(summary.name))
    if rows == bad:
        raise DataError(f"'{path}' has no rows that can be read")
    if not summaries:
        raise DataError(f"'{path}' has no columns: its rows hold nothing")
    for summary in summaries.values():
        summary.separator = separator_of(summary)
        summary.kind = kind_of(summary)
    complete = next(table.rows, None) is None
    return Inspection(path, table.format, rows, complete, bad, tuple(summaries.values()), tuple(kept))
