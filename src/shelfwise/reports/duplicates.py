"""Exact and near duplicates, families, and what leaks between the parts of a split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64
from numpy import ndarray

from shelfwise.config import SplitConfig
from shelfwise.data.families import assign_families, near_picture_pairs, picture_groups
from shelfwise.data.splits import bucket_of, split_products
from shelfwise.reports.survey import Survey

Groups = list[list[int]]
"""Rows that belong together, at least two each, the largest group first."""


@dataclass(frozen=True)
class Duplicates:
    """Which rows repeat each other, and how the rows are dealt to the parts."""

    same_file: Groups
    near: Groups
    """Groups of near-identical pictures that are not all the same file."""
    same_title: Groups
    families: list[str]
    pairs: Int64[ndarray, "P 2"]
    """Near-identical pictures, i < j, every pair within the bounds."""
    parts: dict[str, Int64[ndarray, "_"]]
    naive: dict[str, Int64[ndarray, "_"]]
    """The same shares by a hash of the row's id, families disregarded."""


def find_duplicates(survey: Survey, config: SplitConfig) -> Duplicates:
    """Group the surveyed rows; one picture a row is taken for granted."""
    prints = survey.prints
    pairs = near_picture_pairs(prints, config)
    leaders = picture_groups(prints, pairs)
    families = assign_families(prints, config, pairs=pairs)
    near = [group for group in _groups(leaders) if len({prints.files[row] for row in group}) > 1]
    parts: dict[str, Int64[ndarray, "_"]]
    if any(survey.published):
        published = np.array(survey.published)
        parts = {name: np.flatnonzero(published == name) for name in ("train", "test")}
    else:
        parts = {str(part): rows for part, rows in split_products(families, config).items()}
    naive = {str(part): rows for part, rows in split_products(prints.ids, config).items()}
    return Duplicates(_groups(prints.files), near, _groups(prints.titles), families, pairs, parts, naive)


def conflicting(groups: Groups, numbers: Int64[ndarray, "N"]) -> Groups:
    """The groups whose rows disagree about the label."""
    return [g for g in groups if len({int(numbers[row]) for row in g if numbers[row] >= 0}) > 1]


def conflicting_first(groups: Groups, numbers: Int64[ndarray, "N"]) -> Groups:
    """All groups, those that disagree before the others, each kind in its order. No row is in two groups."""
    odd = conflicting(groups, numbers)
    apart = {group[0] for group in odd}
    return [*odd, *(group for group in groups if group[0] not in apart)]


def leakage(found: Duplicates, survey: Survey, parts: dict[str, Int64[ndarray, "_"]]) -> dict[str, Any]:
    """How many test rows have a double among the training rows, by kind."""
    size = len(survey)
    train, test = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
    train[parts["train"]] = True
    test[parts["test"]] = True
    title = _shared(survey.prints.titles, train, test)
    file = _shared(survey.prints.files, train, test)
    near = np.zeros(size, dtype=bool)
    for a, b in (found.pairs.T, found.pairs[:, ::-1].T):
        near[a[test[a] & train[b]]] = True
    return {
        "train": int(train.sum()),
        "test": int(test.sum()),
        "same_title": int(title.sum()),
        "same_file": int(file.sum()),
        "near_picture": int((near | file).sum()),
        "any": int((title | file | near).sum()),
    }


def family_facts(families: Sequence[str]) -> dict[str, Any]:
    """How many families there are and how large."""
    names, sizes = np.unique(np.array(families, dtype=object), return_counts=True)
    largest = int(sizes.argmax()) if len(sizes) else 0
    histogram = {str(size): int((sizes == size).sum()) for size in range(1, 6)}
    return {
        "families": len(names),
        "largest": int(sizes.max(initial=0)),
        "largest_name": str(names[largest]) if len(names) else None,
        "in_families_of_two_or_more": int(sizes[sizes > 1].sum()),
        "sizes": {**histogram, "6 or more": int((sizes > 5).sum())},
    }


def row_folds(ids: Sequence[str], config: SplitConfig, folds: int) -> Int64[ndarray, "N"]:
    """A fold number for each id or family, by the hash that the split uses."""
    return np.array([bucket_of(name, config) % folds for name in ids], dtype=np.int64)


def _groups(values: Sequence[Hashable]) -> Groups:
    """Positions that hold the same value, empty values aside."""
    found: defaultdict[Hashable, list[int]] = defaultdict(list)
    for row, value in enumerate(values):
        if value != b"":
            found[value].append(row)
    return sorted((g for g in found.values() if len(g) > 1), key=lambda g: (-len(g), g[0]))


def _shared(
    values: Sequence[bytes], train: Bool[ndarray, "N"], test: Bool[ndarray, "N"]
) -> Bool[ndarray, "N"]:
    """The test rows whose value a training row has too."""
    known = {value for value, own in zip(values, train.tolist(), strict=True) if own and value}
    return np.asarray(test & np.array([value in known for value in values], dtype=bool))
