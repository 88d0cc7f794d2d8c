"""Dealing products to training, validation and test by their family, never by their row.

A family's part is a hash of its name: it does not depend on the order of rows, on the other rows, on the
machine or on a seed, so a product stays where it is when the catalogue grows around it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from shelfwise.config import SplitConfig
from shelfwise.errors import ConfigError

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")


def bucket_of(family: str, config: SplitConfig) -> int:
    """The family's bucket in 0..buckets-1: sha256 of salt and name, as a number, modulo the buckets."""
    digest = hashlib.sha256((config.salt + family).encode()).hexdigest()
    return int(digest, 16) % config.buckets


def part_of(family: str, config: SplitConfig) -> Part:
    """The part that all products of a family belong to."""
    bucket = bucket_of(family, config)
    if bucket in config.test:
        return "test"
    return "validation" if bucket in config.validation else "train"


def split_products(families: Sequence[str], config: SplitConfig) -> dict[Part, Int64[ndarray, "_"]]:
    """Row numbers of each part, ascending, given each row's family.

    ConfigError where test and validation share buckets or name buckets that do not exist."""
    _check(config)
    parts = np.array([PARTS.index(part_of(family, config)) for family in families], dtype=np.int64)
    return {part: np.flatnonzero(parts == number).astype(np.int64) for number, part in enumerate(PARTS)}


def _check(config: SplitConfig) -> None:
    both = set(config.test) & set(config.validation)
    if both:
        raise ConfigError(f"split: buckets {sorted(both)} are in test and in validation; give them to one")
    outside = [b for b in (*config.test, *config.validation) if not 0 <= b < config.buckets]
    if outside:
        raise ConfigError(f"split: buckets {outside} are not in 0..{config.buckets - 1}")
