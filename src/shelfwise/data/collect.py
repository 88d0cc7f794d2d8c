"""A shop's catalogue as labelled arrays: read, decoded, prepared, grouped into families and split."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from shelfwise.config import CatalogConfig, Config
from shelfwise.data.catalog import ReadCount, columns_of, read_pictures
from shelfwise.data.families import DECODE_SIDE, Fingerprints, assign_families
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
    H * W * C bytes a row."""
    data = config.data
    target = target_of(data)
    preprocessor = Preprocessor(config.preprocess, max_pixels=data.max_pixels)
    count = ReadCount()
    errors: list[RowError] = []
    pixels: list[UInt8[ndarray, "H W C"]] = []
    values: list[str | None] = []
    with Fingerprints() as prints:
        for row in count.watch(read_pictures(data, target_side=max(DECODE_SIDE, preprocessor.target_side))):
            if isinstance(row, RowError) and len(errors) < 100:
                errors.append(row)
            if not isinstance(row, PicturedProduct):
                continue
            picture = row.picture
            prints.add(row.product.id, row.product.title, [fingerprint(picture.pixels, picture.digest)])
            pixels.append(preprocessor.picture(picture.pixels))
            values.append(label_of(row.product, target))
        if not pixels:
            raise DataError(f"'{data.source}' has no row with a usable picture: {count}")
        families = assign_families(prints, config.split)
        ids = tuple(prints.ids)
    classes = tuple(sorted({value for value in values if value is not None}))
    numbers = {name: number for number, name in enumerate(classes)}
    labels = np.array([-1 if value is None else numbers[value] for value in values], dtype=np.int64)
    rows = split_products(families, config.split)
    everything = LabelledPictures(np.stack(pixels), labels, classes, ids)
    del pixels
    return CatalogParts(
        parts={part: everything.take(some) for part, some in rows.items()},
        families={part: tuple(families[i] for i in some) for part, some in rows.items()},
        count=count,
        errors=errors,
    )


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
