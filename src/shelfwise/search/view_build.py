"""Makes a view of an index's table: one pass over the products, in memory that does not hold their vectors.

Below `EXACT_BELOW` products the rows stand as in the table and every search is exact; from there on they
stand list by list, the lists are learned, and recall under filters is measured. N products, D dimensions.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int64
from numpy import ndarray

from shelfwise.data.product_input import number_of
from shelfwise.schema import FieldValue
from shelfwise.search.columns import ColumnsBuilder, kind_of
from shelfwise.search.lexical import PostingsBuilder
from shelfwise.search.lists import Lists, assign, coded_rows, learn_centroids, list_count
from shelfwise.search.recall import measured
from shelfwise.search.view import ids_by_hash, save_array, save_columns, save_postings
from shelfwise.store.arrays import ArrayWriter

EXACT_BELOW = 200_000
"""Products up to which every search scores all: about 20 ms for 200,000 of 384 numbers on one core."""
BLOCK = 8_192
SHOWN = ("id", "image", "title", "fields")
Batches = Iterable[tuple[pa.RecordBatch, Float32[ndarray, "B D"]]]


@dataclass(frozen=True)
class BuiltView:
    """What was built, for `index.json`."""

    products: int
    fields: dict[str, str]
    exact: bool
    reach: int = 0
    recall: dict[str, float] = field(default_factory=dict)


def build_view(
    batches: Batches, path: Path, dimension: int, *, exact_below: int = EXACT_BELOW, seed: int = 0
) -> BuiltView:
    """Write the view to the folder `path`, which appears when it is whole."""
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    built = _Building(partial, dimension, exact_below, seed).build(batches)
    for file in partial.iterdir():
        _to_disk(file)
    shutil.rmtree(path, ignore_errors=True)
    partial.replace(path)
    return built


class _Building:
    """One pass over the products."""

    def __init__(self, path: Path, dimension: int, exact_below: int, seed: int) -> None:
        self.path, self.dimension, self.exact_below, self.seed = path, dimension, exact_below, seed
        self.columns, self.postings = ColumnsBuilder(), PostingsBuilder()
        self.ids: list[str] = []
        self.contents = bytearray()

    def build(self, batches: Batches) -> BuiltView:
        self._read(batches)
        count = len(self.ids)
        exact = count < self.exact_below
        lists = None if exact else self._lists(np.random.default_rng(self.seed))
        place = np.arange(count)
        if lists is not None:
            place = np.empty(count, np.int64)
            place[lists[1]] = np.arange(count)
            save_array(self.path, "positions", lists[1].astype(np.int32))
        columns = self.columns.columns(place)
        save_columns(self.path, columns)
        save_postings(self.path, self.postings.postings(place))
        contents = np.empty((count, 2), np.uint64)
        contents[place] = np.frombuffer(bytes(self.contents), np.uint64).reshape(count, 2)
        save_array(self.path, "contents", contents)
        hashes, rows = ids_by_hash(self.ids, place)
        save_array(self.path, "id_hashes", hashes)
        save_array(self.path, "id_rows", rows)
        kinds = {name: kind_of(column) for name, column in columns.items()}
        if lists is None:
            return BuiltView(count, kinds, exact=True)
        chosen, recall = measured(lists[0], seed=self.seed)
        return BuiltView(count, kinds, exact=False, reach=chosen.reach, recall=recall)

    def _read(self, batches: Batches) -> None:
        """Write vectors and texts as they come; take down words, fields and ids."""
        schema = pa.schema([(name, pa.string()) for name in SHOWN])
        with (
            (self.path / "vectors.npy").open("wb") as file,
            pa.OSFile(str(self.path / "products.arrow"), "wb") as sink,
            pa.ipc.new_file(sink, schema) as texts,
        ):
            writer = ArrayWriter(file, "vectors")
            writer.append(np.empty((0, self.dimension), np.float32))
            for batch, vectors in batches:
                writer.append(vectors.astype(np.float32, copy=False))
                texts.write_batch(batch.select(list(SHOWN)).cast(schema))
                self._take(batch)
            writer.finish()

    def _take(self, batch: pa.RecordBatch) -> None:
        columns = (
            batch.column(name).to_pylist() for name in ("id", "content", "title", "description", "fields")
        )
        for id, content, title, description, said in zip(*columns, strict=True):
            fields = fields_of(said)
            self.ids.append(id)
            self.contents += content
            self.columns.add(fields)
            self.postings.add(title, [*_words_of(fields), *([description] if description else [])])

    def _lists(self, rng: np.random.Generator) -> tuple[Lists, Int64[ndarray, "N"]]:
        """Put the vectors list after list on disk; the lists, and which product of the table each row is."""
        vectors = np.asarray(np.load(self.path / "vectors.npy", mmap_mode="r"))
        centroids = learn_centroids(vectors, list_count(len(vectors)), rng)
        nearest, _ = assign(vectors, centroids)
        order = np.argsort(nearest, kind="stable")
        starts = np.concatenate(
            [np.zeros(1, np.int64), np.cumsum(np.bincount(nearest, minlength=len(centroids)))]
        )
        moved = self.path / "moved.npy"
        codes = np.empty(vectors.shape, np.int8)
        scales = np.empty(len(vectors), np.float32)
        with moved.open("wb") as file:
            writer = ArrayWriter(file, "vectors")
            for start in range(0, len(order), BLOCK):
                block = vectors[order[start : start + BLOCK]]
                writer.append(block)
                codes[start : start + BLOCK], scales[start : start + BLOCK] = coded_rows(block)
            writer.finish()
        moved.replace(self.path / "vectors.npy")
        vectors = np.asarray(np.load(self.path / "vectors.npy", mmap_mode="r"))
        lists = Lists(vectors, codes, scales, centroids, starts, reach=1)
        for name in ("codes", "scales", "centroids", "starts"):
            save_array(self.path, f"lists-{name}", getattr(lists, name))
        return lists, order


def fields_of(said: str) -> dict[str, FieldValue]:
    """The fields that a row of the table has as JSON."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in json.loads(said).items()}


def _words_of(fields: dict[str, FieldValue]) -> list[str]:
    """The texts among the fields' values; a number is for filters, and is no word."""
    found: list[str] = []
    for value in fields.values():
        found += value if isinstance(value, tuple) else [value] if isinstance(value, str) else []
    return [text for text in found if number_of(text) is None]


def _to_disk(file: Path) -> None:
    """Make sure that the file outlasts a power cut before anything names it."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
