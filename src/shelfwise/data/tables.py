"""Rows of CSV, Parquet and JSONL files and of picture folders, one at a time, bad rows named and passed over.

`open_table` knows the columns before the first row is read; memory holds one batch of rows.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shelfwise.config import CatalogConfig, ColumnMap
from shelfwise.data.delimited import Record, column_names, find_delimiter, read_records
from shelfwise.data.file_names import printable
from shelfwise.data.lines import Lines
from shelfwise.data.pictures import SUFFIXES
from shelfwise.errors import DataError

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
"""File ending, a final .gz aside, to format; a folder is a `tree`."""

TREE_COLUMNS = ("path", "folder")
"""Columns of a picture tree: the path under its root, and the name of the folder that holds the picture."""

TREE_MAP = ColumnMap(id="path", images=("path",), labels={"label": "folder"})
"""The column map of a class-per-folder tree: the id is the relative path, the label the folder's name."""

_BATCH_ROWS = 128
_JSONL_SAMPLE = 200

_NO_VALUE = (pa.ArrowException, ValueError, OverflowError)
"""What pyarrow raises of a value that has no counterpart in Python."""

_BINARY = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
"""What no line of column names holds."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """Why a row could not be read at all: kind, column, value, reason."""

    kind: str
    column: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as the file has it; `number` is as a spreadsheet shows it (JSONL: the line)."""

    number: int
    cells: dict[str, Any] | BadRow
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table's columns and its rows, which can be read once."""

    columns: tuple[str, ...]
    rows: Iterator[RawRow]
    format: str


def format_of(path: Path) -> str:
    """`csv`, `parquet`, `jsonl` or `tree`; another ending or a missing file is a DataError."""
    if path.is_dir():
        return "tree"
    if not path.is_file():
        near = f" (the folder '{path.parent}' does not exist)" if not path.parent.is_dir() else ""
        raise DataError(f"catalogue '{path}' not found{near}")
    suffix = Path(path.stem).suffix if path.suffix.lower() == ".gz" else path.suffix
    if suffix.lower() not in FORMATS or (
        path.suffix.lower() == ".gz" and FORMATS[suffix.lower()] == "parquet"
    ):
        raise DataError(f"catalogue '{path}': expected a folder or a file ending in {', '.join(FORMATS)}")
    return FORMATS[suffix.lower()]


def open_table(config: CatalogConfig, columns: tuple[str, ...] | None = None) -> Table:
    """The table at `config.source`; `columns` are all that is needed of it (None: all).

    Of a Parquet file no others are read, and in JSONL, where every line may have its own, they are looked for
    in the whole file: what no line has is no column of the table, what one line has is.

    Raises DataError where the file as a whole cannot be read: missing, empty, not of its format."""
    path = Path(config.source)
    form = format_of(path)
    try:
        if form == "tree":
            return Table(TREE_COLUMNS, _tree_rows(path), form)
        if form == "parquet":
            return _open_parquet(path, columns)
        if form == "jsonl":
            return _open_jsonl(path, config, columns or ())
        return _open_csv(path, config)
    except OSError as error:
        raise DataError(f"catalogue '{path}' cannot be read: {error}") from None


def _open_csv(path: Path, config: CatalogConfig) -> Table:
    lines = Lines(path, config.encoding)
    delimiter = config.delimiter or find_delimiter(lines)
    if len(delimiter) != 1 or delimiter in '\r\n"':
        raise DataError(f"delimiter {delimiter!r}: expected one character, such as ',' or ';'")
    records = read_records(lines, delimiter)
    header = next(records, None)
    if header is None:
        raise DataError(f"catalogue '{path}' is empty: expected a line of column names")
    if header.problem:
        raise DataError(f"catalogue '{path}': the line of column names cannot be read: {header.problem[1]}")
    columns = column_names(header.cells)
    if any(_BINARY.search(cell) for cell in header.cells):
        raise DataError(f"catalogue '{path}' is a binary file, not a table of text")
    return Table(columns, _csv_rows(records, columns, delimiter), "csv")


def _csv_rows(records: Iterator[Record], columns: tuple[str, ...], delimiter: str) -> Iterator[RawRow]:
    for record in records:
        warnings = ("mixed_encoding",) if record.repaired else ()
        value = delimiter.join(record.cells)[:80]
        cells: dict[str, Any] | BadRow
        if record.problem:
            kind, why = record.problem
            cells = BadRow(kind, "row", value, why)
        elif len(record.cells) != len(columns):
            why = f"expected {len(columns)} columns, got {len(record.cells)}"
            cells = BadRow("column_count", "row", value, why)
        else:
            cells = dict(zip(columns, record.cells, strict=True))
        yield RawRow(record.number, cells, warnings)


def _open_jsonl(path: Path, config: CatalogConfig, wanted: tuple[str, ...]) -> Table:
    """Columns are the keys of the first lines, and those of `wanted` that a later line has."""
    rows = _jsonl_rows(path, config)
    sample = []
    for row in rows:
        sample.append(row)
        if len(sample) == _JSONL_SAMPLE:
            break
    if not sample:
        raise DataError(f"catalogue '{path}' is empty: expected a JSON object on each line")
    keys: dict[str, None] = {}
    for row in sample:
        if isinstance(row.cells, dict):
            keys.update(dict.fromkeys(row.cells))
    late = _keys_in(_jsonl_rows(path, config), set(wanted) - set(keys))
    return Table(
        (*keys, *(name for name in dict.fromkeys(wanted) if name in late)), chain(sample, rows), "jsonl"
    )


def _keys_in(rows: Iterator[RawRow], wanted: set[str]) -> set[str]:
    """Which of the keys any row has; no row is read where none is asked for, or after the last is found."""
    found: set[str] = set()
    while found != wanted and (row := next(rows, None)) is not None:
        if isinstance(row.cells, dict):
            found |= wanted & row.cells.keys()
    return found


def _jsonl_rows(path: Path, config: CatalogConfig) -> Iterator[RawRow]:
    for number, line in enumerate(Lines(path, config.encoding), start=1):
        text = line.text.strip()
        if not text:
            continue
        cells: dict[str, Any] | BadRow
        try:
            cells = json.loads(text)
            if not isinstance(cells, dict):
                cells = BadRow("not_an_object", "row", text[:80], "expected a JSON object {...} on the line")
        except (ValueError, RecursionError) as error:
            cells = BadRow("not_json", "row", text[:80], f"not JSON: {error}")
        yield RawRow(number, cells, ("mixed_encoding",) if line.repaired else ())


def _open_parquet(path: Path, columns: tuple[str, ...] | None) -> Table:
    try:
        file = pq.ParquetFile(path)
        names = tuple(file.schema_arrow.names)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"catalogue '{path}' is not a readable Parquet file: {str(error).strip()}") from None
    wanted = None if columns is None else [name for name in names if name in columns]
    return Table(names, _parquet_rows(file, wanted), "parquet")


def _parquet_rows(file: Any, columns: list[str] | None) -> Iterator[RawRow]:
    """Batch by batch; a damaged row group costs its own unread rows, each named."""
    first = 2
    for group in range(file.num_row_groups):
        rows, done = file.metadata.row_group(group).num_rows, 0
        try:
            for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=columns):
                for cells in _cells_of(batch):
                    yield RawRow(first + done, cells)
                    done += 1
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            why = f"row group {group} cannot be read: {str(error).strip().splitlines()[0]}"
            for number in range(first + done, first + rows):
                yield RawRow(number, BadRow("damaged_file", "row", "", why))
        first += rows
    file.close()


def _cells_of(batch: Any) -> list[dict[str, Any] | BadRow]:
    """The rows of a batch; one with a value that Python cannot hold, such as the year 33658, is bad alone."""
    batch = pa.RecordBatch.from_arrays([_in_microseconds(c) for c in batch.columns], names=batch.schema.names)
    try:
        return list(batch.to_pylist())
    except _NO_VALUE:
        return [_row_of(batch, row) for row in range(batch.num_rows)]


def _in_microseconds(column: Any) -> Any:
    """Python's own unit, in the place of nanoseconds, for which pyarrow wants pandas."""
    kind = column.type
    if getattr(kind, "unit", None) != "ns":
        return column
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", kind.tz), safe=False)
    return column.cast(pa.duration("us") if pa.types.is_duration(kind) else pa.time64("us"), safe=False)


def _row_of(batch: Any, row: int) -> dict[str, Any] | BadRow:
    cells = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            cells[name] = column[row].as_py()
        except _NO_VALUE as error:
            value = str(getattr(column[row], "value", ""))
            return BadRow("unreadable_row", name, value, f"the value cannot be read: {error}")
    return cells


def _tree_rows(root: Path) -> Iterator[RawRow]:
    """Pictures under `root` in sorted order, hidden files and links to folders left out."""
    number = 0
    for folder, subfolders, names in os.walk(root, onerror=_refuse_folder):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith(".") or not name.lower().endswith(SUFFIXES):
                continue
            number += 1
            path = PurePosixPath(printable(Path(folder, name).relative_to(root).as_posix()))
            label = path.parent.name if path.parent.parts else None
            yield RawRow(number, {"path": path, "folder": label})


def _refuse_folder(error: OSError) -> None:
    """A folder that cannot be listed would otherwise be left out silently."""
    raise DataError(f"folder '{error.filename}' cannot be read: {error.strerror}")
