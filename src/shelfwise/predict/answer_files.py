"""Where answers for a whole file go: Parquet or CSV, streamed, and only there when it is whole."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from shelfwise.errors import DataError
from shelfwise.schema import Prediction, Product, ProductAnswer, ReviewPrediction, RowError, RowWarning

Row = dict[str, Any]
Write = Callable[[Sequence[Row]], None]
Writer = Callable[[Path], AbstractContextManager[Write]]
"""Opens a file under a path and gives what writes rows to it."""


@dataclass
class Counts:
    """Rows in = rows ok + rows failed; `kinds` counts failures and warnings by kind."""

    ok: int = 0
    failed: int = 0
    unread: int = 0
    """Of the failed ones those that only have nothing to read."""
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def rows(self) -> int:
        """Rows read."""
        return self.ok + self.failed

    def add(self, answer: Prediction | ProductAnswer | ReviewPrediction) -> None:
        """Count one row's answer."""
        self.ok += answer.status == "ok"
        self.failed += answer.status == "failed"
        self.unread += answer.error_kind == "empty_text"
        self.kinds.update(answer.warnings)
        self.kinds.update([answer.error_kind] if answer.error_kind else [])


def product_chunks(
    rows: Iterable[Product | RowError | RowWarning], size: int
) -> Iterator[list[Product | RowError]]:
    """Products and errors in lists of `size`; warnings of the reader are left to `data report`."""
    kept = (row for row in rows if not isinstance(row, RowWarning))
    while chunk := list(islice(kept, size)):
        yield chunk


def check_suffix(out: Path) -> None:
    """DataError where `out` does not end as a file that can be written."""
    if out.suffix not in (".parquet", ".csv"):
        raise DataError(f"--out '{out}': expected a .parquet or .csv file")


def check_out(out: Path, what: str, *inputs: str) -> None:
    """DataError where `out` is a folder, has no folder to be in, or is `what` was read from `inputs`."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"--out '{out}': its folder cannot be made: {error.strerror}") from None
    if out.is_dir():
        raise DataError(f"--out '{out}' is a folder; name a file in it")
    if out.exists() and any(Path(name).exists() and out.samefile(name) for name in inputs):
        raise DataError(f"--out '{out}' is {what} itself; name another file")


@contextmanager
def parquet_file(path: Path, schema: Any) -> Iterator[Write]:
    """Writes one row group a chunk; `schema` is Arrow's."""
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetWriter(path, schema) as writer:
        yield lambda rows: writer.write_table(pa.Table.from_pylist(list(rows), schema=schema))


@contextmanager
def csv_file(path: Path, columns: Sequence[str], cells: Callable[[Row], Row]) -> Iterator[Write]:
    """Writes UTF-8 with a header; `cells` makes of nested values what a cell can hold."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        yield lambda rows: writer.writerows(map(cells, rows))
        file.flush()
        os.fsync(file.fileno())
