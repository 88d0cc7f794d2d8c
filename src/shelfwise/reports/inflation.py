"""How much a naive row split would inflate the score: the same rows scored under both splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64
from numpy import ndarray

_BLOCK = 1_024


@dataclass(frozen=True)
class Inflation:
    """Accuracy of one nearest neighbour under five-fold splits by row and by family, on the same rows."""

    rows: int
    by_row: float
    by_family: float
    low: float
    high: float
    """95% interval of the difference, by resampling families."""

    @property
    def difference(self) -> float:
        """By how much the row split flatters, as a fraction."""
        return self.by_row - self.by_family


def naive_inflation(
    features: Float32[ndarray, "M D"],
    labels: Int64[ndarray, "M"],
    *,
    families: Int64[ndarray, "M"],
    row_folds: Int64[ndarray, "M"],
    family_folds: Int64[ndarray, "M"],
    samples: int = 1_000,
    seed: int = 0,
) -> Inflation | None:
    """The difference between both scores; None where no row can be scored.

    A row may take its label from the most similar row of the other folds: of the other row folds, as a
    naive split allows, or of the other family folds. Both train on four fifths of the rows. The interval
    is a bootstrap over families, since the rows of one family err together."""
    known = labels >= 0
    if known.sum() < 2 or len(np.unique(labels[known])) < 2:
        return None
    features, labels, families = features[known], labels[known], families[known]
    right = [_neighbour_is_right(features, labels, f[known]) for f in (row_folds, family_folds)]
    gain = right[0].astype(np.float64) - right[1]
    _, group = np.unique(families, return_inverse=True)
    sums, sizes = np.bincount(group, gain), np.bincount(group)
    random = np.random.default_rng(seed)
    draws = []
    for _ in range(samples):
        drawn = random.integers(0, len(sums), len(sums))
        draws.append(sums[drawn].sum() / sizes[drawn].sum())
    low, high = np.quantile(draws, [0.025, 0.975])
    return Inflation(len(labels), float(right[0].mean()), float(right[1].mean()), float(low), float(high))


def _neighbour_is_right(
    features: Float32[ndarray, "M D"], labels: Int64[ndarray, "M"], folds: Int64[ndarray, "M"]
) -> Bool[ndarray, "M"]:
    """Whether each row's most similar row (cosine) outside its own fold has the same label."""
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-6)
    right = np.zeros(len(labels), dtype=bool)
    for fold in np.unique(folds):
        own, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        if len(others) == 0:
            continue
        reference = unit[others].T
        for start in range(0, len(own), _BLOCK):
            rows = own[start : start + _BLOCK]
            nearest = others[(unit[rows] @ reference).argmax(axis=1)]
            right[rows] = labels[nearest] == labels[rows]
    return right
