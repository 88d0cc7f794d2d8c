"""95% intervals by resampling rows, or whole groups of rows (Efron & Tibshirani 1993, chapter 13).

A seed fixes the draw, whatever is measured on it: metrics of two models on the same rows with the same
seed are paired, and their difference has an interval of its own. A thousand resamples of ten thousand
rows take well under a second, since a resample is held as how often each row was drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int64, Shaped
from numpy import ndarray

RESAMPLES = 1000
LEVEL = 0.95
_CELLS = 1 << 20
"""Weights held at a time: 8 MB."""


@dataclass(frozen=True)
class Sampled:
    """A metric and its value in each resample."""

    value: float
    drawn: Float[ndarray, "R"]

    def interval(self, level: float = LEVEL) -> Interval:
        """Return the percentile interval; NaN bounds where a resample had no value."""
        tail = (1 - level) / 2
        low, high = np.quantile(self.drawn, [tail, 1 - tail])
        return Interval(float(self.value), float(low), float(high))

    def without_bias(self, floor: float = 0.0) -> Sampled:
        """Return the same with the resamples shifted to have the value as their mean, and none below `floor`.

        For metrics that are a sum of absolute values (ECE), which every resampling inflates."""
        return Sampled(self.value, np.maximum(self.drawn - self.drawn.mean() + self.value, floor))

    def within(self, low: float, high: float) -> Sampled:
        """Return the same with resamples cut to what the metric can be, where they only approximate it."""
        return Sampled(self.value, self.drawn.clip(low, high))

    def __sub__(self, other: Sampled) -> Sampled:
        """Return the paired difference; both must come from one seed and the same rows."""
        return Sampled(self.value - other.value, self.drawn - other.drawn)


@dataclass(frozen=True)
class Interval:
    """A value and its interval."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, Any]:
        """Return {"value": .., "ci95": [low, high]}; null for what is not a number."""
        bounds = [self.low, self.high]
        return {
            "value": None if np.isnan(self.value) else self.value,
            "ci95": None if np.isnan(bounds).any() else bounds,
        }


def row_weights(
    rows: int, *, seed: int, resamples: int = RESAMPLES, groups: Shaped[ndarray, "N"] | None = None
) -> Iterator[Float[ndarray, "r N"]]:
    """Yield how often each row occurs in each resample, some resamples at a time.

    With `groups` (family ids), whole groups are drawn, so that rows of one family are never apart."""
    unit = np.arange(rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    units = int(unit.max()) + 1 if rows else 0
    rng = np.random.default_rng(seed)
    at_once = max(1, _CELLS // max(rows, 1))
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        chosen = rng.integers(0, units, (count, units)) + np.arange(count)[:, None] * units
        drawn = np.bincount(chosen.ravel(), minlength=count * units).reshape(count, units)
        yield (drawn if groups is None else drawn[:, unit]).astype(np.float64)


def resampled_means(
    values: Float[ndarray, "N M"],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    groups: Shaped[ndarray, "N"] | None = None,
) -> Float[ndarray, "R M"]:
    """Return the mean of each of the M columns in each resample."""
    weights = row_weights(len(values), seed=seed, resamples=resamples, groups=groups)
    return np.concatenate([(some @ values) / some.sum(axis=1, keepdims=True) for some in weights])


def resampled_counts(
    categories: Int64[ndarray, "N"],
    size: int,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    groups: Shaped[ndarray, "N"] | None = None,
) -> Float[ndarray, "R size"]:
    """Return how often each category (0 .. size - 1) occurs in each resample."""
    weights = row_weights(len(categories), seed=seed, resamples=resamples, groups=groups)
    return np.stack([np.bincount(categories, row, minlength=size) for some in weights for row in some])


def mean_of(
    values: Shaped[ndarray, "N"],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    groups: Shaped[ndarray, "N"] | None = None,
) -> Sampled:
    """Return the mean of a per-row value, such as correctness, with its resamples; NaN without rows."""
    if not len(values):
        return Sampled(float("nan"), np.full(resamples, np.nan))
    column = values[:, None].astype(np.float64)
    drawn = resampled_means(column, seed=seed, resamples=resamples, groups=groups)[:, 0]
    return Sampled(float(column.mean()), drawn)
