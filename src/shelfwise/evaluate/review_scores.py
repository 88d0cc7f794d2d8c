"""Figures of what a system says of reviews; stars are decoded in one way for all, the most probable ones.

N reviews.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, Shaped
from numpy import ndarray

from shelfwise.metrics.calibration import expected_calibration_error
from shelfwise.metrics.classification import (
    accuracy,
    class_scores,
    confusion_matrix,
    macro_f1,
    one_vs_rest_auroc,
)
from shelfwise.metrics.ordinal import mean_absolute_error, quadratic_weighted_kappa, r_squared

DECODING = "argmax of the star distribution, for every system"
STARS, SENTIMENTS = 5, 3
LEVELS = np.arange(1.0, STARS + 1)


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


def auc(scores: Float[ndarray, "N"], yes: Shaped[ndarray, "N"]) -> float:
    """Return the chance that a row of `yes` scores above one of no, ties half; NaN without one of either."""
    return float(one_vs_rest_auroc(np.stack([-scores, scores], axis=1), yes.astype(np.int64))[1])


def transfer_auc(expected: Float[ndarray, "N"], stars: Int64[ndarray, "N"]) -> float:
    """Return how well expected stars tell 4 and 5 stars from 1 and 2; those of 3 are left out."""
    clear = stars != 3
    return auc(expected[clear], stars[clear] > 3)
