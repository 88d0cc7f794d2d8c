"""From a configuration to labelled arrays: Fashion-MNIST or the shop's catalogue, in three parts."""

from __future__ import annotations

import hashlib

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from shelfwise.config import Config
from shelfwise.data import fashion_mnist
from shelfwise.data.labelled import LabelledPictures
from shelfwise.data.splits import Part

FASHION_MNIST = "fashion-mnist"


def load_labelled(config: Config, part: Part) -> LabelledPictures:
    """One part of the configured data, decoded and prepared, with labels of `data.target`.

    Fashion-MNIST keeps its published test set; `split.validation_rows` of the training set are held
    out by a hash of the picture, so identical pictures stay together and row order has no say."""
    if config.data.source == FASHION_MNIST:
        return _fashion_mnist(config, part)
    from shelfwise.data.collect import load_catalog

    return load_catalog(config).parts[part]


def _fashion_mnist(config: Config, part: Part) -> LabelledPictures:
    data = fashion_mnist.load("test" if part == "test" else "train", config.data.folder)
    if part == "test":
        return data
    held_out = held_out_rows(data.images, config.split.validation_rows, config.split.salt)
    mask = np.zeros(len(data), dtype=bool)
    mask[held_out] = True
    return data.take(np.flatnonzero(mask if part == "validation" else ~mask))


def held_out_rows(images: UInt8[ndarray, "N H W C"], count: int, salt: str) -> Int64[ndarray, "M"]:
    """The `count` rows whose salted picture hash is smallest."""
    keys = [hashlib.sha256(salt.encode() + image.tobytes()).digest()[:8] for image in images]
    return np.sort(np.argsort(np.frombuffer(b"".join(keys), dtype=">u8"), kind="stable")[:count])
