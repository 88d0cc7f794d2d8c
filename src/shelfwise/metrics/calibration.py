"""Does a stated probability come true: reliability bins and the expected calibration error.

Top-label calibration (Guo et al. 2017, arXiv:1706.04599, section 2): the confidence of a row is its highest
probability; M bins of equal width over (0, 1], a bin holding its upper edge; ECE is the mean over rows of
|accuracy - confidence| of the row's bin: sum over bins of n_m / N * |acc_m - conf_m|. Of several values at
once every (row, value) counts by itself: its probability against whether the row has it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64
from numpy import ndarray

from shelfwise.metrics.bootstrap import Sampled

BINS = 15


@dataclass(frozen=True)
class Reliability:
    """Rows by confidence: for bin m of M the count, the mean confidence and the accuracy (NaN if empty)."""

    count: Int64[ndarray, "M"]
    confidence: Float[ndarray, "M"]
    accuracy: Float[ndarray, "M"]

    @property
    def edges(self) -> Float[ndarray, "E"]:
        """Return the bin edges from 0 to 1."""
        return np.linspace(0, 1, len(self.count) + 1)

    @property
    def ece(self) -> float:
        """Return the expected calibration error, 0 (perfect) to 1; NaN without rows."""
        total = int(self.count.sum())
        if not total:
            return float("nan")
        gap = np.nan_to_num(np.abs(self.accuracy - self.confidence))
        return float((self.count * gap).sum() / total)


def bin_of(confidence: Float[ndarray, "N"], bins: int = BINS) -> Int64[ndarray, "N"]:
    """Return the bin of each confidence: the m with edges[m] < c <= edges[m + 1]; 0 goes to the first."""
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    return np.searchsorted(inner, confidence, side="left").astype(np.int64)


def bin_gaps(confidence: Float[ndarray, "N"], correct: Bool[ndarray, "N"]) -> Float[ndarray, "N BINS"]:
    """Return correctness minus confidence of each row in the column of its bin.

    The ECE is the sum of the columns' absolute means."""
    gaps = np.zeros((len(confidence), BINS))
    gaps[np.arange(len(gaps)), bin_of(confidence)] = correct - confidence
    return gaps


def value_gaps(probabilities: Float[ndarray, "N K"], there: Bool[ndarray, "N K"]) -> Float[ndarray, "N BINS"]:
    """Return the same of several values at once: the mean of what each value by itself would have."""
    rows, values = there.shape
    gaps = bin_gaps(probabilities.reshape(-1), there.reshape(-1))
    return np.asarray(gaps.reshape(rows, values, -1).mean(axis=1))


def sampled_ece(means: Float[ndarray, "BINS"], drawn: Float[ndarray, "R BINS"]) -> Sampled:
    """Return the ECE from means of `bin_gaps` over the rows, and in every resample."""
    return Sampled(float(np.abs(means).sum()), np.abs(drawn).sum(axis=1)).without_bias()


def reliability(
    confidence: Float[ndarray, "N"], correct: Bool[ndarray, "N"], bins: int = BINS
) -> Reliability:
    """Return the reliability bins of rows with a confidence in 0..1 and whether each was right."""
    place = bin_of(confidence, bins)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, weights=confidence, minlength=bins) / count
        right = np.bincount(place, weights=correct, minlength=bins) / count
    return Reliability(count.astype(np.int64), mean, right)


def expected_calibration_error(
    probabilities: Float[ndarray, "N K"], labels: Int64[ndarray, "N"], bins: int = BINS
) -> float:
    """Return the top-label ECE, 0 (perfect) to 1."""
    correct = probabilities.argmax(axis=1) == labels
    return reliability(probabilities.max(axis=1).astype(np.float64), correct, bins).ece
