"""The best of many scores, in an order that never changes; and Reciprocal Rank Fusion of two sides.

N products, K of them kept. Equal scores stand in the order of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int64
from numpy import ndarray


@dataclass(frozen=True, eq=False)
class Ranked:
    """Rows, the best first, with their scores."""

    rows: Int64[ndarray, "K"]
    scores: Float[ndarray, "K"]

    def __len__(self) -> int:
        return len(self.rows)

    def rank_of(self, row: int) -> int | None:
        """From 1; None where the row is not among them."""
        found = np.flatnonzero(self.rows == row)
        return int(found[0]) + 1 if len(found) else None


NOTHING = Ranked(np.zeros(0, np.int64), np.zeros(0, np.float32))


def best(scores: Float[ndarray, "N"], k: int, rows: Int64[ndarray, "N"] | None = None) -> Ranked:
    """The `k` highest scores; `rows` names the rows that they are of, ascending, else they are numbered."""
    k = min(k, len(scores))
    if k == 0:
        return NOTHING
    if k < len(scores):
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        above = np.flatnonzero(scores > least)
        level = np.flatnonzero(scores == least)[: k - len(above)]
        places = np.concatenate([above, level])
        places.sort()
    else:
        places = np.arange(len(scores))
    places = places[np.argsort(-scores[places], kind="stable")]
    return Ranked(places if rows is None else rows[places], scores[places])


def fuse(sides: Sequence[tuple[Ranked, float]], rrf_k: float) -> Ranked:
    """Reciprocal Rank Fusion (Cormack, Clarke and Buettcher, SIGIR 2009): sum of weight / (rrf_k + rank).

    A side of weight 0 brings no rows in."""
    asked = [(side, weight) for side, weight in sides if weight > 0]
    rows = np.concatenate([NOTHING.rows, *(side.rows for side, _ in asked)])
    parts = np.concatenate([np.zeros(0), *(rrf_parts(len(side), weight, rrf_k) for side, weight in asked)])
    union, place = np.unique(rows, return_inverse=True)
    # bincount of nothing is of whole numbers, whatever its weights.
    totals = np.bincount(place, weights=parts, minlength=len(union)).astype(np.float64, copy=False)
    return best(totals, len(union), union)


def rrf_parts(count: int, weight: float, rrf_k: float) -> Float64[ndarray, "K"]:
    """What the first `count` ranks give."""
    return weight / (rrf_k + np.arange(1, count + 1))
