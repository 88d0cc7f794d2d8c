"""Metrics of ordered classes: quadratic weighted kappa, mean absolute error and R2 of expected values.

Each is there as a number, and as `sampled_...` with its value in every resample of rows, or of whole groups.
N rows, K classes in order, R resamples.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64, Shaped
from numpy import ndarray

from shelfwise.metrics.bootstrap import RESAMPLES, Sampled, mean_of, resampled_counts, resampled_means
from shelfwise.metrics.classification import confusion_matrix

_NO_SPREAD = 1e-9
"""Below the least variance that whole numbers can have and still differ."""


def quadratic_weighted_kappa(
    predicted: Shaped[ndarray, "N"], labels: Shaped[ndarray, "N"], classes: int
) -> float:
    """Return Cohen's kappa with squared distances as weights (Cohen 1968) of values 1 to `classes`.

    1 is perfect, 0 no better than chance; NaN where all labels and predictions are one class."""
    confusion = confusion_matrix(
        np.asarray(predicted, dtype=np.int64) - 1, np.asarray(labels, dtype=np.int64) - 1, classes
    )
    return float(kappa_of_counts(confusion.astype(np.float64)))


def kappa_of_counts(confusion: Float[ndarray, "*R K K"]) -> Float[ndarray, "*R"]:
    """Return the same of confusion matrices (label, prediction), one or a stack of them."""
    classes = confusion.shape[-1]
    weights = (np.arange(classes)[:, None] - np.arange(classes)) ** 2
    rows, columns = confusion.sum(-1), confusion.sum(-2)
    total = np.maximum(rows.sum(-1), 1e-12)
    chance = rows[..., :, None] * columns[..., None, :] / total[..., None, None]
    seen, expected = (weights * confusion).sum((-2, -1)), (weights * chance).sum((-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - seen / expected)


def mean_absolute_error(values: Float[ndarray, "N"], labels: Int64[ndarray, "N"]) -> float:
    """Return the mean distance of values from labels; NaN without rows."""
    return float(np.abs(values - labels).mean()) if len(labels) else float("nan")


def r_squared(values: Float[ndarray, "N"], labels: Int64[ndarray, "N"]) -> float:
    """Return the share of the labels' variance that values explain; NaN where there is none."""
    spread = ((labels - labels.mean()) ** 2).sum() if len(labels) else 0.0
    return float(1 - ((values - labels) ** 2).sum() / spread) if spread else float("nan")


def sampled_kappa(
    predicted: Shaped[ndarray, "N"],
    labels: Shaped[ndarray, "N"],
    classes: int,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    groups: Shaped[ndarray, "N"] | None = None,
) -> Sampled:
    """Return `quadratic_weighted_kappa` with its resamples."""
    cells = (np.asarray(labels, dtype=np.int64) - 1) * classes + np.asarray(predicted, dtype=np.int64) - 1
    drawn = resampled_counts(cells, classes * classes, seed=seed, resamples=resamples, groups=groups)
    value = quadratic_weighted_kappa(predicted, labels, classes)
    return Sampled(value, kappa_of_counts(drawn.reshape(-1, classes, classes)))


def sampled_absolute_error(
    values: Float[ndarray, "N"],
    labels: Int64[ndarray, "N"],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    groups: Shaped[ndarray, "N"] | None = None,
) -> Sampled:
    """Return `mean_absolute_error` with its resamples."""
    return mean_of(np.abs(values - labels), seed=seed, resamples=resamples, groups=groups)


def sampled_r_squared(
    values: Float[ndarray, "N"],
    labels: Int64[ndarray, "N"],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    groups: Shaped[ndarray, "N"] | None = None,
) -> Sampled:
    """Return `r_squared` with its resamples; NaN in a resample whose labels are all alike."""
    truth = labels.astype(np.float64)
    columns = np.column_stack([(values - truth) ** 2, truth, truth**2])
    lost, mean, square = resampled_means(columns, seed=seed, resamples=resamples, groups=groups).T
    spread = square - mean**2
    some = spread > _NO_SPREAD
    drawn = np.where(some, 1 - lost / np.where(some, spread, 1.0), np.nan)
    return Sampled(r_squared(values, labels), drawn)
