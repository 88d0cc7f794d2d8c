"""The products of an index in LanceDB: upserts, deletes, compaction. The only place that imports lancedb.

A call that returned has committed: LanceDB writes a new version beside the old one and renames its manifest
last, so a process that is killed leaves the version before. Searches do not read the table: see `view`. D
numbers in a vector.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float32
from numpy import ndarray

from shelfwise.errors import MissingExtraError, SearchError

try:
    import lancedb
    from lancedb.expr import col
except ImportError:
    raise MissingExtraError("lancedb", "search") from None

NAME = "products"
COLUMNS = ("id", "content", "image", "title", "description", "fields")
DELETED = 500
"""Ids that one statement deletes."""


@dataclass(frozen=True)
class StoredProduct:
    """What the table has of one product besides its vector."""

    id: str
    content: bytes
    """A digest of all that the product says, ids and paths apart: equal for exact duplicates."""
    image: str | None
    title: str | None
    description: str | None
    fields: str
    """The shop's columns and labels as JSON."""


class LanceTable:
    """The table of one index; one process writes at a time (`writer` sees to it)."""

    def __init__(self, table: Any) -> None:
        self._table = table

    @classmethod
    def open(cls, folder: Path, dimension: int) -> LanceTable:
        """The table in the folder, made where there is none."""
        try:
            database = lancedb.connect(folder)
            if NAME in database.list_tables().tables:
                return cls(database.open_table(NAME))
            return cls(database.create_table(NAME, schema=_schema(dimension)))
        except (OSError, RuntimeError, ValueError) as error:
            why = str(error).splitlines()[0]
            raise SearchError(
                f"index '{folder}': its table cannot be opened ({why}); build it anew"
            ) from None

    @property
    def version(self) -> int:
        """Of the last commit."""
        return int(self._table.version)

    def __len__(self) -> int:
        return int(self._table.count_rows())

    def digests(self) -> dict[str, tuple[bytes, str | None]]:
        """Digest and picture path of each product by id, to see what has changed."""
        found: dict[str, tuple[bytes, str | None]] = {}
        for batch in self._table.search(None).select(["id", "content", "image"]).to_batches():
            columns = (batch.column(name).to_pylist() for name in ("id", "content", "image"))
            found.update((id, (content, image)) for id, content, image in zip(*columns, strict=True))
        return found

    def batches(self) -> Iterator[tuple[pa.RecordBatch, Float32[ndarray, "B D"]]]:
        """All products, a batch at a time: `COLUMNS`, and the vectors."""
        for batch in self._table.search(None).select([*COLUMNS, "vector"]).to_batches():
            flat = batch.column("vector").flatten().to_numpy(zero_copy_only=False)
            yield batch.select(list(COLUMNS)), flat.reshape(len(batch), -1)

    def add(self, products: Sequence[StoredProduct], vectors: Float32[ndarray, "B D"]) -> None:
        """Append products whose ids are new, in one commit."""
        if products:
            self._table.add(_rows(products, vectors))

    def replace(self, products: Sequence[StoredProduct], vectors: Float32[ndarray, "B D"]) -> None:
        """Put products in the place of those with the same ids, in one commit; new ones are added."""
        if products:
            merge = self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
            merge.execute(_rows(products, vectors))

    def delete(self, ids: Collection[str]) -> None:
        """Delete by id, so many a commit. The condition is made of typed values, not of text."""
        names = list(ids)
        for start in range(0, len(names), DELETED):
            self._table.delete(col("id").isin(names[start : start + DELETED]))

    def compact(self) -> None:
        """Join small files, and drop deleted rows and old versions, which nobody reads."""
        self._table.optimize(cleanup_older_than=timedelta(milliseconds=1))


def _schema(dimension: int) -> pa.Schema:
    texts = [("id", pa.string()), ("content", pa.binary())]
    texts += [(name, pa.string()) for name in COLUMNS[2:]]
    return pa.schema([*texts, ("vector", pa.list_(pa.float32(), dimension))])


def _rows(products: Sequence[StoredProduct], vectors: Float32[ndarray, "B D"]) -> pa.Table:
    """The products as the table has them."""
    schema = _schema(vectors.shape[1])
    arrays = [
        pa.array([getattr(product, name) for product in products], schema.field(name).type)
        for name in COLUMNS
    ]
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    arrays.append(pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]))
    return pa.Table.from_arrays(arrays, schema=schema)
