"""The arrays that searches read, as files of one folder; made by `view_build`, never changed.

vectors.npy                     float32 [N, D], unit length
products.arrow, positions.npy   id, picture, title and fields; where each row's are
id_hashes.npy, id_rows.npy      hashes of ids, ascending, and their rows
contents.npy                    [N, 2], digests of what products say
columns.json, column-*.npy      fields as columns; the texts of each
terms.json, postings-*.npy      words of titles, fields and descriptions
lists-*.npy                     codes and centroids, where search is approximate
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int32, Int64, UInt64
from numpy import ndarray

from shelfwise.errors import SearchError
from shelfwise.search.columns import Column, Columns, NumberColumn, TextColumn, kind_of
from shelfwise.search.exact import ExactVectors
from shelfwise.search.facts import IndexFacts
from shelfwise.search.lexical import Postings
from shelfwise.search.lists import Lists


@dataclass(frozen=True, eq=False)
class ProductTexts:
    """What hits say, read from a mapped file when it is asked for."""

    table: pa.Table
    positions: Int32[ndarray, "N"] | None
    """Where in the table each row is; None where they are the same."""

    def row(self, row: int) -> dict[str, Any]:
        """`id`, `image`, `title` and `fields` of one product."""
        found: dict[str, Any] = self.table.slice(self._position(row), 1).to_pylist()[0]
        return found | {"fields": json.loads(found["fields"])}

    def id_of(self, row: int) -> str:
        """The product's id."""
        return str(self.table.column("id")[self._position(row)].as_py())

    def _position(self, row: int) -> int:
        return row if self.positions is None else int(self.positions[row])


@dataclass(frozen=True, eq=False)
class View:
    """All that a search needs, in memory or mapped. N products."""

    nearest: ExactVectors | Lists
    products: ProductTexts
    columns: Columns
    postings: Postings
    contents: UInt64[ndarray, "N 2"]
    id_hashes: UInt64[ndarray, "N"]
    id_rows: Int32[ndarray, "N"]

    def __len__(self) -> int:
        return len(self.contents)

    @property
    def vectors(self) -> Float32[ndarray, "N D"]:
        """Unit vectors."""
        return self.nearest.vectors

    def row_of(self, id: str) -> int | None:
        """The row of a product; None where it is not in the index."""
        wanted = hashes_of([id])[0]
        start = int(np.searchsorted(self.id_hashes, wanted))
        for place in range(start, len(self.id_hashes)):
            if self.id_hashes[place] != wanted:
                break
            if self.products.id_of(int(self.id_rows[place])) == id:
                return int(self.id_rows[place])
        return None


def hashes_of(ids: Sequence[str]) -> UInt64[ndarray, "B"]:
    """64 bits of each id."""
    digests = (hashlib.blake2b(id.encode("utf-8", "replace"), digest_size=8).digest() for id in ids)
    return np.frombuffer(b"".join(digests), np.uint64)


def load_view(folder: Path, facts: IndexFacts) -> View:
    """Open the index's view; SearchError where there is none, or it is damaged."""
    if facts.view is None:
        raise SearchError(f"index '{folder}' was never finished; run the same `shelfwise index` again")
    path = folder / facts.view
    try:
        view = _load(path, facts)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SearchError(
            f"index '{folder}': {facts.view} is damaged ({why}); build the index anew"
        ) from None
    return view


def _load(path: Path, facts: IndexFacts) -> View:
    vectors = _array(path, "vectors", mapped=not facts.exact)
    if vectors.shape != (facts.products, facts.dimension):
        raise ValueError(f"vectors.npy is of shape {vectors.shape}")
    nearest: ExactVectors | Lists = ExactVectors(vectors)
    if not facts.exact:
        names = ("codes", "scales", "centroids", "starts")
        codes, scales, centroids, starts = (_array(path, f"lists-{name}") for name in names)
        nearest = Lists(vectors, codes, scales, centroids, starts, facts.reach)
    positions = _array(path, "positions") if (path / "positions.npy").exists() else None
    table = pa.ipc.open_file(pa.memory_map(str(path / "products.arrow"))).read_all()
    return View(
        nearest=nearest,
        products=ProductTexts(table, positions),
        columns=_load_columns(path),
        postings=_load_postings(path, facts.products),
        contents=_array(path, "contents"),
        id_hashes=_array(path, "id_hashes"),
        id_rows=_array(path, "id_rows"),
    )


def save_columns(path: Path, columns: Columns) -> None:
    """Write the columns, numbered in the order of `columns.json`."""
    described = []
    for number, (name, column) in enumerate(columns.items()):
        entry: dict[str, Any] = {"name": name, "kind": kind_of(column)}
        if isinstance(column, NumberColumn):
            save_array(path, f"column-{number}-numbers", column.numbers)
        else:
            save_array(path, f"column-{number}-owners", column.owners)
            save_array(path, f"column-{number}-codes", column.codes)
            entry["values"] = column.values
        described.append(entry)
    (path / "columns.json").write_text(json.dumps(described, ensure_ascii=False), encoding="utf-8")


def _load_columns(path: Path) -> Columns:
    columns: dict[str, Column] = {}
    for number, entry in enumerate(json.loads((path / "columns.json").read_text(encoding="utf-8"))):
        if entry["kind"] == "number":
            columns[entry["name"]] = NumberColumn(_array(path, f"column-{number}-numbers"))
            continue
        owners, codes = (_array(path, f"column-{number}-{part}") for part in ("owners", "codes"))
        several = entry["kind"] == "texts"
        columns[entry["name"]] = TextColumn(owners, codes, tuple(entry["values"]), several)
    return columns


def save_postings(path: Path, postings: Postings) -> None:
    """Write the postings."""
    for name in ("starts", "rows", "impacts"):
        save_array(path, f"postings-{name}", getattr(postings, name))
    (path / "terms.json").write_text(json.dumps(postings.terms, ensure_ascii=False), encoding="utf-8")


def _load_postings(path: Path, size: int) -> Postings:
    parts = (_array(path, f"postings-{name}") for name in ("starts", "rows", "impacts"))
    terms: list[str] = json.loads((path / "terms.json").read_text(encoding="utf-8"))
    starts, rows, impacts = parts
    return Postings(terms, starts, rows, impacts, size)


def save_array(path: Path, name: str, array: ndarray) -> None:
    """Write `NAME.npy`."""
    np.save(path / f"{name}.npy", array, allow_pickle=False)


def _array(path: Path, name: str, *, mapped: bool = False) -> ndarray:
    """An array of the view; a mapped one is shared between processes and read as it is needed."""
    found = np.load(path / f"{name}.npy", mmap_mode="r" if mapped else None, allow_pickle=False)
    return np.asarray(found)


def ids_by_hash(
    ids: Sequence[str], place: Int64[ndarray, "N"]
) -> tuple[UInt64[ndarray, "N"], Int32[ndarray, "N"]]:
    """Hashes of ids, ascending, and the rows they stand at."""
    hashes = hashes_of(ids)
    order = np.argsort(hashes, kind="stable")
    return hashes[order], place[order].astype(np.int32)
