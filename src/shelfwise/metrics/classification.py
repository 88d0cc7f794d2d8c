"""Metrics of single-label classification, vectorised over rows.

Shapes: N rows, K classes. Labels index the classes and none is missing (drop rows of -1 first).
A ratio without a denominator (a class that never occurs, or is never predicted) is 0, as in scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, Shaped
from numpy import ndarray
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class ClassScores:
    """Precision, recall, F1, support (rows of that class) and claimed (predictions of it) of each class."""

    precision: Float[ndarray, "*R K"]
    recall: Float[ndarray, "*R K"]
    f1: Float[ndarray, "*R K"]
    support: Shaped[ndarray, "*R K"]
    claimed: Shaped[ndarray, "*R K"]


def log_softmax(logits: Float[ndarray, "*R K"]) -> Float[ndarray, "*R K"]:
    """Return log-probabilities in float64, in nats; safe for logits of any finite size."""
    wide = logits.astype(np.float64)
    shifted = wide - wide.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def accuracy(predicted: Int64[ndarray, "N"], labels: Int64[ndarray, "N"]) -> float:
    """Return the share of rows whose predicted class is the label; NaN without rows."""
    return float((predicted == labels).mean()) if len(labels) else float("nan")


def top_k_hits(scores: Float[ndarray, "N K"], labels: Int64[ndarray, "N"], k: int) -> Bool[ndarray, "N"]:
    """Tell for each row whether its label is among the k best scores.

    Classes tied with the label count as better, so that constant scores earn nothing they do not know;
    so do those that cannot be compared with it (NaN)."""
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    return np.asarray((~(scores < own)).sum(axis=1) <= k)


def confusion_matrix(
    predicted: Int64[ndarray, "N"], labels: Int64[ndarray, "N"], classes: int
) -> Int64[ndarray, "K K"]:
    """Count rows by label (first axis) and predicted class (second axis)."""
    flat = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def class_scores(confusion: Shaped[ndarray, "*R K K"]) -> ClassScores:
    """Return per-class precision, recall and F1 of one confusion matrix, or of a stack of them."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return class_scores_of_counts(hits, confusion.sum(axis=-1), confusion.sum(axis=-2))


def class_scores_of_counts(
    hits: Shaped[ndarray, "*R K"], support: Shaped[ndarray, "*R K"], claimed: Shaped[ndarray, "*R K"]
) -> ClassScores:
    """Return the same from right predictions, rows, and predictions of each class."""
    return ClassScores(
        precision=_ratio(hits, claimed),
        recall=_ratio(hits, support),
        f1=_ratio(2 * hits, support + claimed),
        support=support,
        claimed=claimed,
    )


def macro_f1(scores: ClassScores) -> Float[ndarray, "*R"]:
    """Return the mean of F1 over the classes that occur as label or prediction, as scikit-learn does."""
    present = scores.support + scores.claimed > 0
    return _ratio((scores.f1 * present).sum(axis=-1), present.sum(axis=-1))


def weighted_f1(scores: ClassScores) -> Float[ndarray, "*R"]:
    """Return the mean of F1 over classes, weighted by support."""
    return _ratio((scores.f1 * scores.support).sum(axis=-1), scores.support.sum(axis=-1))


def one_vs_rest_auroc(scores: Float[ndarray, "N K"], labels: Int64[ndarray, "N"]) -> Float[ndarray, "K"]:
    """Return for each class the chance that a row of it scores above a row of another, ties half.

    The Mann-Whitney form, by mid-ranks (Fawcett 2006, Pattern Recognition Letters 27, section 7).
    NaN for a class with no rows, or with all of them."""
    return auroc_parts(scores, labels)[0]


def auroc_parts(
    scores: Float[ndarray, "N K"], labels: Int64[ndarray, "N"]
) -> tuple[Float[ndarray, "K"], Float[ndarray, "N"]]:
    """Return the AUROC of each class, and what each row adds to their mean over classes.

    The row values have that mean as their own mean; resampling them gives its interval at the price of one
    column (placement values: DeLong et al. 1988, Biometrics 44). NaN for a class without rows or others."""
    rows, classes = scores.shape
    auroc, parts = np.full(classes, np.nan), np.zeros(rows)
    for k in range(classes):
        positive = labels == k
        count = int(positive.sum())
        if not 0 < count < rows:
            continue
        rank = mid_ranks(scores[:, k])
        beaten = np.empty(rows)  # of the other side: the share below a positive, or above a negative
        beaten[positive] = (rank[positive] - mid_ranks(scores[positive, k])) / (rows - count)
        beaten[~positive] = 1 - (rank[~positive] - mid_ranks(scores[~positive, k])) / count
        auroc[k] = beaten[positive].mean()
        parts += (beaten - auroc[k]) * rows / np.where(positive, count, rows - count)
    known = ~np.isnan(auroc)
    if not known.any():
        return auroc, np.full(rows, np.nan)
    return auroc, float(auroc[known].mean()) + parts / known.sum()


def mid_ranks(values: Shaped[ndarray, "N"]) -> Float[ndarray, "N"]:
    """Return ranks from 1 to N; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    return np.asarray((last - (counts - 1) / 2)[inverse])


def _ratio(top: ArrayLike, bottom: ArrayLike) -> Float[ndarray, "*R"]:
    over, under = np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64)
    return np.asarray(np.divide(over, under, out=np.zeros_like(over), where=under > 0))
