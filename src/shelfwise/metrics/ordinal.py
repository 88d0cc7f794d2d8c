"""Metrics of ordered classes: quadratic weighted kappa, mean absolute error and R2 of expected values.

N rows, K classes in order, R resamples.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64, Shaped
from numpy import ndarray

from shelfwise.metrics.classification import confusion_matrix


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
