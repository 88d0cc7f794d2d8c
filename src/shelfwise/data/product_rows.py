"""A catalogue as arrays for one model of pictures, text and table: read once, split by family.

N products, P pictures of all of them one after the other, H x W x C pixels, Q pictures in the pool.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from shelfwise.config import ProductsConfig
from shelfwise.data.catalog import ReadCount, columns_of, image_root_of, read_rows
from shelfwise.data.families import Fingerprints, families_of
from shelfwise.data.hashing import fingerprint
from shelfwise.data.picture_pool import Pool, PoolWriter, decoding_threads
from shelfwise.data.preprocess import Preprocessor
from shelfwise.data.product_pictures import decode_pictures
from shelfwise.data.splits import Part, split_products
from shelfwise.errors import DataError
from shelfwise.schema import FieldValue, Product, RowError, RowWarning

KEPT_ERRORS = 100
ROWS: dict[str, Any] = {
    **dict.fromkeys(("data", "split", "preprocess"), True),
    "picture": {"most"},
    "table": {"fields"},
    "shared": {"fields", "pairs"},
}
"""Settings that `load_products` depends on, in the form of pydantic's `include`."""
LabelValue = str | tuple[str, ...] | None
V = TypeVar("V")


@dataclass(frozen=True, eq=False)
class ProductRows:
    """Products with all that may be known of them; what is not known is empty or None."""

    ids: tuple[str, ...]
    pool: Pool
    """Pictures of this and other parts, which share them."""
    places: Int64[ndarray, "P"]
    """Where in the pool each picture is."""
    first: Int64[ndarray, "N_plus_1"]
    """Product i has the pictures `first[i]` to `first[i + 1]`, the last excluded."""
    titles: tuple[str, ...]
    """Title and description; empty where there are none."""
    fields: dict[str, tuple[FieldValue, ...]]
    """Each of `table.fields` by name."""
    labels: dict[str, tuple[LabelValue, ...]]
    """Each label of `data.columns` by name."""
    families: tuple[str, ...]
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Each of `shared.fields` by itself; empty where a product has none."""
    pairs: tuple[FieldValue, ...] = ()
    """What `shared.pairs` says of each product; nothing where it is unset."""

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.titles) == len(self.families) == len(self.first) - 1:
            raise ValueError("ids, titles, families and pictures differ in length")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def counts(self) -> Int64[ndarray, "N"]:
        """Pictures of each product."""
        return np.diff(self.first)

    def take(self, rows: Int64[ndarray, "M"]) -> ProductRows:
        """The given products, in the given order."""
        pictures, owner = pictures_of(self.first, rows)
        counts = np.bincount(owner, minlength=len(rows))
        return ProductRows(
            ids=_picked(self.ids, rows),
            pool=self.pool,
            places=self.places[pictures],
            first=_ends(counts),
            titles=_picked(self.titles, rows),
            fields={name: _picked(values, rows) for name, values in self.fields.items()},
            labels={name: _picked(values, rows) for name, values in self.labels.items()},
            families=_picked(self.families, rows),
            texts={name: _picked(values, rows) for name, values in self.texts.items()},
            pairs=_picked(self.pairs, rows) if self.pairs else (),
        )


@dataclass
class ProductParts:
    """The three parts of a catalogue, and what could not be read."""

    parts: dict[Part, ProductRows]
    count: ReadCount
    errors: list[RowError] = field(default_factory=list)
    """The first hundred."""
    skipped: RowError | None = None
    """The first picture that cannot be used of a product that is used without it."""


def load_products(config: ProductsConfig) -> ProductParts:
    """All usable rows of the configured catalogue, dealt by family.

    A row with no usable picture, no title and none of `table.fields` is a RowError; where it has any of them,
    a picture that cannot be used is the warning `picture_skipped`. Every picture is decoded once, to see that
    it can be; how they are kept is said by `train.picture_memory_mb`, see `PoolWriter`."""
    reading = _Reading(config)
    with reading.prints:
        rows = reading.read()
        families = families_of(reading.prints, config.split)
    rows = replace(rows, families=tuple(families))
    parts = {part: rows.take(some) for part, some in split_products(families, config.split).items()}
    return ProductParts(parts, reading.count, reading.errors, reading.skipped)


def text_of_product(product: Product) -> str:
    """What a model reads of a product: title, then description."""
    return " . ".join(part for part in (product.title, product.description) if part)


class _Reading:
    """One pass over the catalogue."""

    def __init__(self, config: ProductsConfig) -> None:
        self.config = config
        self.count = ReadCount()
        self.errors: list[RowError] = []
        self.skipped: RowError | None = None
        self.prints = Fingerprints()
        self._preprocessor = Preprocessor(config.preprocess, max_pixels=config.data.max_pixels)
        self._products: list[Product] = []
        self._pictures = PoolWriter(
            self._preprocessor,
            limit=config.train.picture_memory_mb * 10**6,
            threads=decoding_threads(config.train.workers),
        )
        self._counts: list[int] = []

    def read(self) -> ProductRows:
        """Every usable row, without families; DataError where there is none."""
        for row in read_rows(self.config.data):
            self._count(row.warnings)
            outcome = row.outcome
            if isinstance(outcome, Product):
                outcome = self._taken(row.number, outcome)
            self._count([outcome])
            if isinstance(outcome, RowError) and len(self.errors) < KEPT_ERRORS:
                self.errors.append(outcome)
        if not self._products:
            raise DataError(f"'{self.config.data.source}' has no usable row: {self.count}")
        return self._rows()

    def _count(self, items: Sequence[Product | RowError | RowWarning]) -> None:
        for _ in self.count.watch(items):
            pass

    def _taken(self, number: int, product: Product) -> Product | RowError:
        """Take down the product, or say why it cannot be used."""
        data = self.config.data
        pictures, bad, warnings = decode_pictures(
            product,
            image_root_of(data),
            row=number,
            most=self.config.picture.most,
            max_pixels=data.max_pixels,
            target_side=self._preprocessor.target_side,
            column="|".join(columns_of(data).images) or "image",
        )
        self._count(warnings)
        fields = self.config.table.fields
        told = any(product.fields.get(name) not in (None, "", ()) for name in fields)
        if not pictures and not text_of_product(product) and not told:
            why = "the product has neither a picture nor a title" + (
                f", and none of the fields {', '.join(fields)}" if fields else ""
            )
            nothing = RowError(
                row=number,
                column=data.columns.id,
                value=product.id,
                kind="nothing_known",
                why=why,
                id=product.id,
            )
            return bad[0] if bad else nothing
        self.skipped = self.skipped or next(iter(bad), None)
        kind = "picture_skipped"
        self._count([RowWarning(row=number, column=e.column, kind=kind, id=product.id) for e in bad])
        prints = [fingerprint(usable.picture.pixels, usable.picture.digest) for usable in pictures]
        self.prints.add(product.id, product.title, prints)
        for usable in pictures:
            self._pictures.add(usable)
        self._counts.append(len(pictures))
        # The encoded picture would be kept in memory.
        self._products.append(product.model_copy(update={"images": ()}))
        return product

    def _rows(self) -> ProductRows:
        config, products, pairs = self.config, self._products, self.config.shared.pairs
        first = _ends(np.array(self._counts, np.int64))
        return ProductRows(
            ids=tuple(product.id for product in products),
            pool=self._pictures.pool(),
            places=np.arange(first[-1]),
            first=first,
            titles=tuple(text_of_product(product) for product in products),
            fields={
                name: tuple(product.fields.get(name) for product in products) for name in config.table.fields
            },
            labels={
                name: tuple(product.labels.get(name) for product in products)
                for name in config.data.columns.labels
            },
            families=("",) * len(products),
            texts={
                name: tuple(getattr(product, name) or "" for product in products)
                for name in config.shared.fields
            },
            pairs=tuple(product.fields.get(pairs) for product in products) if pairs else (),
        )


def pictures_of(
    first: Int64[ndarray, "N_plus_1"], rows: Int64[ndarray, "B"]
) -> tuple[Int64[ndarray, "P"], Int64[ndarray, "P"]]:
    """Numbers of the rows' pictures, row after row, and which of the rows each belongs to."""
    counts = first[rows + 1] - first[rows]
    ends = np.cumsum(counts)
    numbers = np.arange(counts.sum()) + np.repeat(first[rows] - ends + counts, counts)
    return numbers, np.repeat(np.arange(len(rows)), counts)


def _ends(counts: Int64[ndarray, "N"]) -> Int64[ndarray, "N_plus_1"]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def _picked(values: Sequence[V], rows: Int64[ndarray, "M"]) -> tuple[V, ...]:
    return tuple(values[i] for i in rows.tolist())
