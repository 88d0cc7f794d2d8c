"""Dealing products to training, validation and test by their family, never by their row.

A family's part is a hash of its name: it does not depend on the order of rows, on the machine or on a seed.
Other rows count by the name alone, which is the first id of the family (`data.families`): a product stays
where it is when the catalogue grows around it, unless it joins a family with an earlier id.
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
    """Row numbers of each part, ascending, given each row's family; of training rows, the `learned_rows`.

    ConfigError where test and validation share buckets or name buckets that do not exist."""
    _check(config)
    parts = np.array([PARTS.index(part_of(family, config)) for family in families], dtype=np.int64)
    rows = {part: np.flatnonzero(parts == number).astype(np.int64) for number, part in enumerate(PARTS)}
    learned = learned_rows([families[row] for row in rows["train"].tolist()], config)
    return {**rows, "train": rows["train"][learned]}


def learned_rows(families: Sequence[str], config: SplitConfig) -> Int64[ndarray, "_"]:
    """Which rows of the training part are learned from, ascending; all where `split.train_rows` is unset.

    Families are taken whole, in the order of a hash, until there are `train_rows` rows: a few more where the
    last family is large. So a smaller number's rows are among a larger one's."""
    if config.train_rows is None:
        return np.arange(len(families), dtype=np.int64)
    names, family, sizes = np.unique(np.array(families, np.str_), return_inverse=True, return_counts=True)
    hashes = [hashlib.sha256(f"{config.salt}learn:{name}".encode()).digest() for name in names.tolist()]
    order = np.array(sorted(range(len(names)), key=hashes.__getitem__), dtype=np.int64)
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes[order])])[:-1]
    taken = np.zeros(len(names), bool)
    taken[order[before < config.train_rows]] = True
    return np.flatnonzero(taken[family]).astype(np.int64)


def _check(config: SplitConfig) -> None:
    both = set(config.test) & set(config.validation)
    if both:
        raise ConfigError(f"split: buckets {sorted(both)} are in test and in validation; give them to one")
    outside = [b for b in (*config.test, *config.validation) if not 0 <= b < config.buckets]
    if outside:
        raise ConfigError(f"split: buckets {outside} are not in 0..{config.buckets - 1}")
