"""Approximate nearest vectors among millions: lists around centroids, 8-bit codes, exact scores last.

The vectors stand list after list, so that a list is a slice. A search visits the lists by their centroids'
nearness until it has scored `reach` products *that its filter leaves*: a filter costs lists, not recall. What
is near by the 8-bit codes is scored again by the float32 vectors. Where a filter leaves no more than `reach`,
all of them are scored. N products, D dimensions, L lists.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int8, Int16, Int64
from numpy import ndarray

from shelfwise.search.exact import cosines
from shelfwise.search.ranking import NOTHING, Ranked, best
from shelfwise.search.scan import LEVELS, scan_lists, scan_rows
from shelfwise.search.selection import Selection

OVERFETCH, SPARE = 2, 64
"""For k results 2k + 64 are scored exactly: 8 bits lose about 0.4% of a vector."""
ITERATIONS = 8
SAMPLE = 48
"""Vectors a list that the centroids are learned from."""
BLOCK = 8_192


@dataclass(frozen=True, eq=False)
class Lists:
    """Vectors by lists, with their codes: codes[i] * scales[i] is about vectors[i]."""

    vectors: Float32[ndarray, "N D"]
    codes: Int8[ndarray, "N D"]
    scales: Float32[ndarray, "N"]
    centroids: Float32[ndarray, "L D"]
    starts: Int64[ndarray, "L_plus_1"]
    reach: int

    def nearest(self, query: Float32[ndarray, "D"], some: Selection, k: int) -> Ranked:
        """The `k` nearest, by exact cosines of the candidates."""
        if some.count == 0:
            return NOTHING
        coded = coded_query(query)
        if self.is_exact(some) and some.mask is not None:
            rows = some.rows
            dots = scan_rows(self.codes, rows, coded)
        else:
            order = np.argsort(-(self.centroids @ query), kind="stable")
            rows, dots = scan_lists(self.codes, self.starts, order, some, coded, self._reach(k))
        keep = OVERFETCH * k + SPARE
        if len(rows) > keep:
            near = dots * self.scales[rows]
            chosen = np.argpartition(near, len(near) - keep)[len(near) - keep :]
            rows = np.sort(rows[chosen])
        return best(cosines(self.vectors, rows, query), k, rows)

    def is_exact(self, some: Selection) -> bool:
        """Whether so few are left that all of them are scored."""
        return some.count <= self.reach

    def _reach(self, k: int) -> int:
        return max(self.reach, 4 * k)


def coded_query(query: Float32[ndarray, "D"]) -> Int16[ndarray, "D"]:
    """A query as whole numbers; what one is worth matters to no order."""
    most = float(np.abs(query).max(initial=0.0)) or 1.0
    return np.round(query * (LEVELS / most)).astype(np.int16)


def coded_rows(vectors: Float32[ndarray, "B D"]) -> tuple[Int8[ndarray, "B D"], Float32[ndarray, "B"]]:
    """Rows in 8 bits, and what one step of each row is worth."""
    scales = np.maximum(np.abs(vectors).max(axis=1), 1e-12) / 127
    return np.round(vectors / scales[:, None]).astype(np.int8), scales.astype(np.float32)


def learn_centroids(
    vectors: Float32[ndarray, "N D"], lists: int, rng: np.random.Generator
) -> Float32[ndarray, "L D"]:
    """Unit centroids by spherical k-means on a sample; an empty list takes a far vector."""
    rows = np.sort(rng.choice(len(vectors), min(len(vectors), lists * SAMPLE), replace=False))
    sample = np.ascontiguousarray(vectors[rows])
    centroids = sample[rng.choice(len(sample), lists, replace=False)]
    for _ in range(ITERATIONS):
        nearest, score = assign(sample, centroids)
        order = np.argsort(nearest, kind="stable")
        counts = np.bincount(nearest, minlength=lists)
        full = np.flatnonzero(counts)
        sums = np.zeros_like(centroids)
        sums[full] = np.add.reduceat(sample[order], (np.cumsum(counts) - counts)[full], axis=0)
        empty = np.flatnonzero(counts == 0)
        sums[empty] = sample[np.argsort(score)[: len(empty)]]
        centroids = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return centroids


def assign(
    vectors: Float32[ndarray, "N D"], centroids: Float32[ndarray, "L D"]
) -> tuple[Int64[ndarray, "N"], Float32[ndarray, "N"]]:
    """The nearest centroid of each vector, and the cosine to it; a block at a time."""
    nearest, score = np.empty(len(vectors), np.int64), np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), BLOCK):
        block = np.asarray(vectors[start : start + BLOCK]) @ centroids.T
        nearest[start : start + BLOCK] = block.argmax(axis=1)
        score[start : start + BLOCK] = block.max(axis=1)
    return nearest, score


def list_count(rows: int) -> int:
    """How many lists: about twice the root."""
    return max(1, min(rows // 8, round(2 * math.sqrt(rows))))
