"""Figures of what a system says of reviews; stars are decoded in one way for all, the most probable ones.

N reviews, R resamples of their products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, Shaped
from numpy import ndarray

from shelfwise.metrics.bootstrap import Sampled, mean_of, resampled_counts, resampled_means
from shelfwise.metrics.calibration import expected_calibration_error
from shelfwise.metrics.classification import (
    accuracy,
    auroc_parts,
    class_scores,
    confusion_matrix,
    macro_f1,
    one_vs_rest_auroc,
)
from shelfwise.metrics.ordinal import (
    kappa_of_counts,
    mean_absolute_error,
    quadratic_weighted_kappa,
    r_squared,
)

DECODING = "argmax of the star distribution, for every system"
STARS, SENTIMENTS = 5, 3
LEVELS = np.arange(1.0, STARS + 1)
SEED = 0
"""Of the resamples: the same for every system, so that their differences are paired."""


@dataclass(frozen=True)
class Truth:
    """What buyers said with their reviews."""

    stars: Int64[ndarray, "N"]
    """1 to 5."""
    recommended: Int64[ndarray, "N"]
    """1, 0, or -1 where the file does not say."""
    products: Shaped[ndarray, "N"]


@dataclass(frozen=True)
class Answers:
    """What a system says of them."""

    stars: Float[ndarray, "N 5"]
    sentiment: Float[ndarray, "N 3"]
    recommended: Float[ndarray, "N"]

    @property
    def expected(self) -> Float[ndarray, "N"]:
        """Expected stars."""
        return np.asarray(self.stars @ LEVELS)

    @property
    def decided(self) -> Int64[ndarray, "N"]:
        """The most probable stars, 0 to 4."""
        return np.asarray(self.stars.argmax(axis=1), dtype=np.int64)


def summed(stars: Float[ndarray, "N 5"]) -> Float[ndarray, "N 3"]:
    """Return the chances of negative (1-2), neutral (3) and positive (4-5) in a star distribution."""
    return np.stack([stars[:, :2].sum(1), stars[:, 2], stars[:, 3:].sum(1)], axis=1)


def figures(answers: Answers, truth: Truth) -> dict[str, float]:
    """Return every figure by name, each of all reviews, the AUC of those that say whether they recommend."""
    labels, decided = truth.stars - 1, answers.decided
    feelings, felt = summed(np.eye(STARS)[labels]).argmax(1), answers.sentiment.argmax(1)
    known = truth.recommended >= 0
    return {
        "accuracy": accuracy(decided, labels),
        "mae": mean_absolute_error(answers.expected, truth.stars),
        "r2": r_squared(answers.expected, truth.stars),
        "qwk": quadratic_weighted_kappa(decided + 1, truth.stars, STARS),
        "macro_f1": float(macro_f1(class_scores(confusion_matrix(decided, labels, STARS)))),
        "sentiment_macro_f1": float(macro_f1(class_scores(confusion_matrix(felt, feelings, SENTIMENTS)))),
        "recommended_auc": auc(answers.recommended[known], truth.recommended[known] == 1),
        "ece": expected_calibration_error(answers.stars, labels),
    }


def sampled_figures(answers: Answers, truth: Truth, *, seed: int = SEED) -> dict[str, Sampled]:
    """Return every figure with its value in each resample of the products, but for the ECE."""
    labels, decided, expected = truth.stars - 1, answers.decided, answers.expected
    feelings, felt = summed(np.eye(STARS)[labels]).argmax(1), answers.sentiment.argmax(1)
    known = truth.recommended >= 0
    values = figures(answers, truth)
    columns = np.column_stack(
        [
            decided == labels,
            np.abs(expected - truth.stars),
            (expected - truth.stars) ** 2,
            truth.stars,
            truth.stars.astype(np.float64) ** 2,
        ]
    ).astype(np.float64)
    drawn = resampled_means(columns, seed=seed, groups=truth.products)
    spread = np.maximum(drawn[:, 4] - drawn[:, 3] ** 2, 1e-12)
    found = {
        "accuracy": Sampled(values["accuracy"], drawn[:, 0]),
        "mae": Sampled(values["mae"], drawn[:, 1]),
        "r2": Sampled(values["r2"], 1 - drawn[:, 2] / spread),
        "qwk": sampled_kappa(answers, truth, seed=seed),
        "macro_f1": _sampled_f1(decided, labels, STARS, truth, values["macro_f1"], seed),
        "sentiment_macro_f1": _sampled_f1(
            felt, feelings, SENTIMENTS, truth, values["sentiment_macro_f1"], seed
        ),
    }
    if not np.isnan(values["recommended_auc"]):
        scores = np.stack([-answers.recommended[known], answers.recommended[known]], axis=1)
        parts = auroc_parts(scores, truth.recommended[known])[1]
        found["recommended_auc"] = mean_of(parts, seed=seed, groups=truth.products[known])
    return found


def _sampled_f1(
    said: Int64[ndarray, "N"],
    labels: Int64[ndarray, "N"],
    classes: int,
    truth: Truth,
    value: float,
    seed: int,
) -> Sampled:
    drawn = resampled_counts(
        labels * classes + said, classes * classes, seed=seed, groups=truth.products
    ).reshape(-1, classes, classes)
    return Sampled(value, macro_f1(class_scores(drawn)))


def sampled_kappa(answers: Answers, truth: Truth, *, seed: int = SEED) -> Sampled:
    """Return quadratic weighted kappa, and the same in every resample of the products."""
    cells = (truth.stars - 1) * STARS + answers.decided
    drawn = resampled_counts(cells, STARS * STARS, seed=seed, groups=truth.products)
    value = quadratic_weighted_kappa(answers.decided + 1, truth.stars, STARS)
    return Sampled(value, kappa_of_counts(drawn.reshape(-1, STARS, STARS)))


def auc(scores: Float[ndarray, "N"], yes: Shaped[ndarray, "N"]) -> float:
    """Return the chance that a row of `yes` scores above one of no, ties half; NaN without one of either."""
    return float(one_vs_rest_auroc(np.stack([-scores, scores], axis=1), yes.astype(np.int64))[1])


def transfer_auc(expected: Float[ndarray, "N"], stars: Int64[ndarray, "N"]) -> float:
    """Return how well expected stars tell 4 and 5 stars from 1 and 2; those of 3 are left out."""
    clear = stars != 3
    return auc(expected[clear], stars[clear] > 3)
