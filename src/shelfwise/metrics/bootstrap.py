"""95% intervals by resampling rows, or whole groups of rows (Efron & Tibshirani 1993, chapter 13).

One draw of resamples serves every metric, so that headlines agree with each other. A resample is held as how
often each unit was drawn; rows with the same outcome are folded together first where that is possible, so a
thousand resamples of ten thousand rows take well under a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, Shaped
from numpy import ndarray

RESAMPLES = 1000
LEVEL = 0.95
_CHUNK = 64


@dataclass(frozen=True)
class Interval:
    """A value and its interval."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, float | list[float] | None]:
        """Return {"value": .., "ci95": [low, high]}; null for what is not a number."""
        bounds = [self.low, self.high]
        return {
            "value": None if np.isnan(self.value) else self.value,
            "ci95": None if np.isnan(bounds).any() else bounds,
        }


def resampled_means(
    values: Float[ndarray, "N M"],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    groups: Shaped[ndarray, "N"] | None = None,
) -> Float[ndarray, "R M"]:
    """Return the mean of each of the M columns in each resample.

    With `groups` (family ids), whole groups are drawn, and a mean is the ratio of drawn sum to drawn rows."""
    sums, sizes = _unit_sums(values, groups)
    drawn = np.empty((resamples, values.shape[1]))
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, _CHUNK):
        counts = _draw(rng, min(_CHUNK, resamples - start), len(sizes))
        drawn[start : start + _CHUNK] = (counts @ sums) / (counts @ sizes)[:, None]
    return drawn


def resampled_counts(
    categories: Int64[ndarray, "N"],
    size: int,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    groups: Shaped[ndarray, "N"] | None = None,
) -> Int64[ndarray, "R size"]:
    """Return how often each category (0 .. size - 1) occurs in each resample.

    Without groups, resampled rows of a category are multinomial, which is exact and does not touch the rows.
    A confusion matrix is the case `category = label * K + predicted`."""
    rng = np.random.default_rng(seed)
    if groups is None:
        shares = np.bincount(categories, minlength=size) / len(categories)
        return rng.multinomial(len(categories), shares, size=resamples).astype(np.int64)
    unit = np.unique(groups, return_inverse=True)[1]
    units = int(unit.max()) + 1
    result = np.empty((resamples, size), dtype=np.int64)
    for row in range(resamples):
        weights = np.bincount(rng.integers(0, units, units), minlength=units)
        result[row] = np.bincount(categories, weights=weights[unit], minlength=size)
    return result


def percentile_interval(value: float, resampled: Float[ndarray, "R"], level: float = LEVEL) -> Interval:
    """Return the percentile interval of one metric; NaN bounds where a resample had no value."""
    tail = (1 - level) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Interval(float(value), float(low), float(high))


def mean_interval(
    values: Float[ndarray, "N"],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    groups: Shaped[ndarray, "N"] | None = None,
) -> Interval:
    """Return the mean of a per-row value, such as correctness, with its interval; NaN without rows."""
    if not len(values):
        return Interval(*[float("nan")] * 3)
    drawn = resampled_means(values[:, None].astype(np.float64), seed=seed, resamples=resamples, groups=groups)
    return percentile_interval(float(values.mean()), drawn[:, 0])


def _unit_sums(
    values: Float[ndarray, "N M"], groups: Shaped[ndarray, "N"] | None
) -> tuple[Float[ndarray, "U M"], Float[ndarray, "U"]]:
    """Fold rows into the units that are drawn: sums of the values, and rows per unit."""
    if groups is None:
        return values, np.ones(len(values))
    unit = np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(unit).astype(np.float64)
    columns = [np.bincount(unit, weights=column, minlength=len(sizes)) for column in values.T]
    return np.stack(columns, axis=1), sizes


def _draw(rng: np.random.Generator, resamples: int, units: int) -> Float[ndarray, "R U"]:
    """Return how often each unit occurs when `units` of them are drawn with replacement."""
    chosen = rng.integers(0, units, (resamples, units)) + np.arange(resamples)[:, None] * units
    return np.bincount(chosen.ravel(), minlength=resamples * units).reshape(resamples, units).astype(float)
