"""Scores of every class with their resamples, and macro-F1 over the classes that the rows have.

N rows, R resamples, K classes.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int64, Shaped
from numpy import ndarray

from shelfwise.metrics.bootstrap import RESAMPLES, Sampled, resampled_counts
from shelfwise.metrics.classification import ClassScores, class_scores_of_counts


def mean_over_classes(value: float, drawn: Float[ndarray, "R"]) -> Sampled:
    """A mean of shares over classes, with its resamples.

    A resample lacks some rare classes, which moves the mean; that is taken out, as of an ECE."""
    return Sampled(value, drawn).without_bias().within(0.0, 1.0)


def sampled_macro_f1(
    truth: Int64[ndarray, "N"],
    said: Int64[ndarray, "N"],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    groups: Shaped[ndarray, "N"] | None = None,
) -> Sampled:
    """The mean F1 of the classes that rows have; NaN without rows."""
    if not len(truth):
        return Sampled(float("nan"), np.full(resamples, np.nan))
    classes = int(max(truth.max(), said.max())) + 1
    scores = sampled_class_scores(truth, said, classes, seed=seed, resamples=resamples, groups=groups)
    there: Bool[ndarray, "R K"] = scores.support > 0
    values = (scores.f1 * there).sum(axis=1) / there.sum(axis=1)
    return mean_over_classes(float(values[0]), values[1:])


def sampled_class_scores(
    truth: Int64[ndarray, "N"],
    said: Int64[ndarray, "N"],
    classes: int,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    groups: Shaped[ndarray, "N"] | None = None,
) -> ClassScores:
    """Every class's scores [1 + R, K]: of the rows first, then of each resample.

    Only pairs of class and answer that occur are resampled."""
    pairs, place = np.unique(truth * classes + said, return_inverse=True)
    drawn = resampled_counts(place, len(pairs), seed=seed, resamples=resamples, groups=groups)
    counts = np.concatenate([np.bincount(place, minlength=len(pairs))[None].astype(np.float64), drawn])
    own, answered = pairs // classes, pairs % classes
    right = own == answered
    hits = _sums(counts[:, right], own[right], classes)
    return class_scores_of_counts(hits, _sums(counts, own, classes), _sums(counts, answered, classes))


def _sums(counts: Float[ndarray, "B P"], place: Int64[ndarray, "P"], classes: int) -> Float[ndarray, "B K"]:
    """The columns added up by their class; never P times K at once, which many rare classes make large."""
    order = np.argsort(place, kind="stable")
    there, first = np.unique(place[order], return_index=True)
    found = np.zeros((len(counts), classes))
    if len(there):
        found[:, there] = np.add.reduceat(counts[:, order], first, axis=1)
    return found
