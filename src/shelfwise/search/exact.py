"""Exact nearest vectors by numpy: every product that the filter leaves is scored, and no other.

N products, M that the filter leaves, D dimensions. Rows are unit length, so a dot product is a cosine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64
from numpy import ndarray

from shelfwise.search.ranking import Ranked, best
from shelfwise.search.selection import Selection

BLOCK = 2_048
"""Rows that are gathered at once: 3 MB at 384 dimensions, which stay in the cache."""
DENSE = 0.6
"""Share of the products from which it is faster to score them all in place than to gather some."""


@dataclass(frozen=True, eq=False)
class ExactVectors:
    """Scores every one of them."""

    vectors: Float32[ndarray, "N D"]

    def nearest(self, query: Float32[ndarray, "D"], some: Selection, k: int) -> Ranked:
        """The `k` nearest, ties in the order of rows."""
        if some.mask is None:
            return best(self.vectors @ query, k)
        if some.count >= DENSE * some.size:
            scores = self.vectors @ query
            return best(scores[some.rows], k, some.rows)
        return best(cosines(self.vectors, some.rows, query), k, some.rows)

    def is_exact(self, some: Selection) -> bool:
        """Always."""
        return True


def cosines(
    vectors: Float32[ndarray, "N D"], rows: Int64[ndarray, "M"], query: Float32[ndarray, "D"]
) -> Float32[ndarray, "M"]:
    """Dot products of some rows, gathered block by block."""
    scores = np.empty(len(rows), np.float32)
    block = np.empty((min(BLOCK, len(rows)), vectors.shape[1]), np.float32)
    for start in range(0, len(rows), BLOCK):
        some = rows[start : start + BLOCK]
        # mode="clip" spares a copy of the block that the check of bounds would make; rows are within them.
        np.take(vectors, some, axis=0, out=block[: len(some)], mode="clip")
        np.dot(block[: len(some)], query, out=scores[start : start + len(some)])
    return scores
