"""Temperature scaling: one number that makes stated probabilities come true (arXiv:1706.04599, section 4.2).

Fitted on validation rows by minimising the negative log-likelihood, with a weak prior; the order of the
classes never changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray

LOWEST, HIGHEST = 0.01, 100.0
_GOLDEN = (math.sqrt(5) - 1) / 2


def apply_temperature(logits: Float[ndarray, "N K"], temperature: float) -> Float[ndarray, "N K"]:
    """Return softmax(logits / temperature), in the logits' type; safe for logits of any finite size."""
    if not temperature > 0:
        raise ValueError(f"a temperature is above 0, not {temperature}")
    scaled = logits / np.asarray(temperature, dtype=logits.dtype)
    weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def sigmoid(logits: Float[ndarray, "..."]) -> Float[ndarray, "..."]:
    """Probabilities of things that are each so or not, in the logits' type; safe for those of any size."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)))


def fit_temperature(logits: Float[ndarray, "N K"], labels: Int64[ndarray, "N"]) -> float:
    """Return the temperature in 0.01..100 with the lowest negative log-likelihood, drawn to 1 by a row more.

    Rows without a label (-1) are left out; without any row it is 1. Where all rows are right, the likelihood
    alone has no end: a handful of them would make every answer certain. So b - log b, with b = 1 / T, counts
    as the loss of one more row. It is least at T = 1 (a Gamma(2, 1) prior of b), and of thousands of rows it
    moves the temperature by less than a hundredth. Both losses are convex in b, so a golden section search
    over log T finds the one minimum."""
    known = labels >= 0
    if not known.any():
        return 1.0
    wide = logits[known].astype(np.float64)
    if not np.isfinite(wide).all():
        raise ValueError("logits are not finite")
    margins = wide - np.take_along_axis(wide, labels[known, None], axis=1)  # NLL = log sum exp(margins / T)

    def loss(log_temperature: float) -> float:
        scaled = margins * math.exp(-log_temperature)
        prior = math.exp(-log_temperature) + log_temperature
        peak = scaled.max(axis=1)  # at least 0, the label's own margin
        costs = peak + np.log(np.exp(scaled - peak[:, None]).sum(axis=1))
        return float(costs.mean() + prior / len(margins))

    return math.exp(_golden_section(loss, math.log(LOWEST), math.log(HIGHEST)))


def _golden_section(
    loss: Callable[[float], float], low: float, high: float, tolerance: float = 1e-5
) -> float:
    """Return the place of the minimum of a function that falls, then rises (Kiefer 1953)."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > tolerance:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = loss(right)
    return (low + high) / 2
