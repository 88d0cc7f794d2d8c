"""From a configuration to labelled arrays: Fashion-MNIST or the shop's catalogue, in three parts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from shelfwise.config import Config
from shelfwise.data import fashion_mnist
from shelfwise.data.catalog import ReadCount
from shelfwise.data.collect import load_catalog
from shelfwise.data.labelled import LabelledPictures
from shelfwise.data.splits import PARTS, Part
from shelfwise.schema import RowError

FASHION_MNIST = "fashion-mnist"


@dataclass(frozen=True)
class Loaded:
    """Labelled arrays of some parts, and how the catalogue's rows fared."""

    parts: dict[Part, LabelledPictures]
    count: ReadCount
    errors: tuple[RowError, ...] = ()
    """The first hundred."""


def load_parts(config: Config, parts: Sequence[Part] = PARTS) -> Loaded:
    """The asked parts of the configured data, decoded and prepared, with labels of `data.target`.

    Fashion-MNIST keeps its published test set; `split.validation_rows` of the training set are held
    out by a hash of the picture, so identical pictures stay together and row order has no say. A
    catalogue is read once, whichever parts are asked for."""
    if config.data.source == FASHION_MNIST:
        found = {part: _fashion_mnist(config, part) for part in parts}
        return Loaded(found, ReadCount(ok=sum(map(len, found.values()))))
    catalog = load_catalog(config)
    found = {part: catalog.parts[part] for part in parts}
    return Loaded(found, catalog.count, tuple(catalog.errors))


def load_labelled(config: Config, part: Part) -> LabelledPictures:
    """One part of the configured data; see `load_parts`."""
    return load_parts(config, [part]).parts[part]


def _fashion_mnist(config: Config, part: Part) -> LabelledPictures:
    data = fashion_mnist.load("test" if part == "test" else "train", config.data.folder)
    if part == "test":
        return data
    held_out = held_out_rows(data.images, config.split.validation_rows, config.split.salt)
    mask = np.zeros(len(data), dtype=bool)
    mask[held_out] = True
    rows = np.flatnonzero(mask if part == "validation" else ~mask)
    if part == "train" and config.split.train_rows is not None:
        salt = f"{config.split.salt}learn:"
        rows = rows[held_out_rows(data.images[rows], config.split.train_rows, salt)]
    return data.take(rows)


def held_out_rows(images: UInt8[ndarray, "N H W C"], count: int, salt: str) -> Int64[ndarray, "M"]:
    """The `count` rows whose salted picture hash is smallest, and any that equal the last of them."""
    if count == 0 or len(images) == 0:
        return np.zeros(0, dtype=np.int64)
    digests = [hashlib.sha256(salt.encode() + image.tobytes()).digest()[:8] for image in images]
    keys = np.frombuffer(b"".join(digests), dtype=">u8")
    last = np.sort(keys)[min(count, len(keys)) - 1]
    return np.flatnonzero(keys <= last)
