"""A shop's catalogue as labelled arrays: read, decoded, prepared, grouped into families and split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from shelfwise.config import CatalogConfig, Config
from shelfwise.data.catalog import ReadCount, columns_of, read_pictures
from shelfwise.data.families import Fingerprints, families_of
from shelfwise.data.hashing import fingerprint
from shelfwise.data.labelled import LabelledPictures
from shelfwise.data.preprocess import Preprocessor
from shelfwise.data.product_pictures import PicturedProduct
from shelfwise.data.splits import Part, split_products
from shelfwise.errors import ConfigError, DataError
from shelfwise.schema import Product, RowError


@dataclass
class CatalogParts:
    """The three parts of a catalogue, each row's family, and what could not be read."""

    parts: dict[Part, LabelledPictures]
    families: dict[Part, tuple[str, ...]]
    count: ReadCount
    errors: list[RowError] = field(default_factory=list)
    """The first hundred."""


def load_catalog(config: Config) -> CatalogParts:
    """Every row with a usable picture, as `config` prepares and splits them.

    Classes are the target's values, sorted; a row without one has label -1. Memory: the prepared pixels,
    H * W * C bytes a row, and twice that while they are stacked, and while they are dealt to the parts."""
    preprocessor = Preprocessor(config.preprocess, max_pixels=config.data.max_pixels)
    pixels: list[UInt8[ndarray, "H W C"]] = []
    with Reading(config, preprocessor) as reading:
        for row in reading.rows():
            pixels.append(preprocessor.picture(row.picture.pixels))
        families, labels, classes, ids = reading.finish()
    rows = split_products(families, config.split)
    everything = LabelledPictures(np.stack(pixels), labels, classes, ids)
    del pixels
    return CatalogParts(
        parts={part: everything.take(some) for part, some in rows.items()},
        families={part: tuple(families[i] for i in some) for part, some in rows.items()},
        count=reading.count,
        errors=reading.errors,
    )


class Reading:
    """One pass over a catalogue's usable rows that takes down families and labels; use it with `with`."""

    def __init__(self, config: Config, preprocessor: Preprocessor) -> None:
        self.config, self.target_side = config, preprocessor.target_side
        self.target = target_of(config.data)
        self.count = ReadCount()
        self.errors: list[RowError] = []
        """The first hundred."""
        self._prints = Fingerprints()
        self._values: list[str | None] = []

    def rows(self) -> Iterator[PicturedProduct]:
        """Every row with a usable picture, in order."""
        for row in self.count.watch(read_pictures(self.config.data, target_side=self.target_side)):
            if isinstance(row, RowError) and len(self.errors) < 100:
                self.errors.append(row)
            if isinstance(row, PicturedProduct):
                picture, product = row.picture, row.product
                self._prints.add(product.id, product.title, [fingerprint(picture.pixels, picture.digest)])
                self._values.append(label_of(product, self.target))
                yield row

    def finish(self) -> tuple[list[str], Int64[ndarray, "N"], tuple[str, ...], tuple[str, ...]]:
        """Families, labels, classes and ids of the rows that were read; DataError where there were none."""
        if not self._values:
            raise DataError(f"'{self.config.data.source}' has no row with a usable picture: {self.count}")
        classes = tuple(sorted({value for value in self._values if value is not None}))
        numbers = {name: number for number, name in enumerate(classes)}
        labels = np.array([-1 if value is None else numbers[value] for value in self._values], dtype=np.int64)
        return families_of(self._prints, self.config.split), labels, classes, tuple(self._prints.ids)

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *error: object) -> None:
        self._prints.__exit__(*error)


def target_of(config: CatalogConfig) -> str:
    """The label to learn: `data.target`, or the only one there is."""
    labels = columns_of(config).labels
    if config.target is not None:
        if config.target not in labels:
            known = ", ".join(labels) or "none"
            raise ConfigError(
                f"data.target is '{config.target}', but the labels in data.columns are: {known}"
            )
        return config.target
    if len(labels) != 1:
        known = ", ".join(labels) or "none"
        raise ConfigError(f"data.target is not set; choose one of the labels in data.columns: {known}")
    return next(iter(labels))


def label_of(product: Product, target: str) -> str | None:
    """The product's label; of several values the first one."""
    value = product.labels.get(target)
    return value[0] if isinstance(value, tuple) else value
