"""How many of the true ten nearest an approximate search finds under filters, and how far it must reach.

Filters are of two kinds: `spread` takes products at random; `grouped` takes whole lists at random, as a brand
or a category does, so that the nearest ones may all be excluded. Q queries, N products, D dimensions.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float32, Int64
from numpy import ndarray

from shelfwise.search.lists import Lists
from shelfwise.search.ranking import best
from shelfwise.search.selection import Selection

K = 10
QUERIES = 64
NOISE = 0.5
"""Queries are vectors of products with so much noise, by length: near the products, and at none of them."""
SHARES = (0.01, 0.1, 0.5, 1.0)
REACHES = (2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000)
WANTED = 0.99
"""Recall@10, the worst filter's, that the reach is chosen for."""
BLOCK = 16_384

Recall = dict[str, float]
"""Recall@10 by filter, such as `10% grouped`."""


def measured(lists: Lists, *, seed: int = 0) -> tuple[Lists, Recall]:
    """The lists with the least reach that has the wanted recall, or the largest one; and the recall."""
    rng = np.random.default_rng(seed)
    queries = _queries(lists, rng)
    filters = _filters(lists, rng)
    truth = {name: exact_nearest(lists.vectors, queries, some) for name, some in filters.items()}
    found: Recall = {}
    for reach in (reach for reach in REACHES if reach <= max(REACHES[0], len(lists.vectors))):
        lists = replace(lists, reach=reach)
        found = {name: recall(lists, queries, some, truth[name]) for name, some in filters.items()}
        if min(found.values()) >= WANTED:
            break
    return lists, found


def recall(
    lists: Lists, queries: Float32[ndarray, "Q D"], some: Selection, truth: Int64[ndarray, "Q K"]
) -> float:
    """The share of the true nearest that is found."""
    hits = sum(
        len(np.intersect1d(lists.nearest(query, some, truth.shape[1]).rows, nearest))
        for query, nearest in zip(queries, truth, strict=True)
    )
    return hits / max(1, truth.size)


def exact_nearest(
    vectors: Float32[ndarray, "N D"], queries: Float32[ndarray, "Q D"], some: Selection, k: int = K
) -> Int64[ndarray, "Q K"]:
    """Rows of the `k` nearest among some, by scoring every one; a block at a time for all queries."""
    k = min(k, some.count)
    rows = np.zeros((len(queries), 0), np.int64)
    scores = np.zeros((len(queries), 0), np.float32)
    for start in range(0, some.count, BLOCK):
        block = some.rows[start : start + BLOCK]
        fresh = queries @ np.asarray(vectors[block]).T
        rows = np.concatenate([rows, np.broadcast_to(block, fresh.shape)], axis=1)
        scores = np.concatenate([scores, fresh], axis=1)
        places = np.stack([best(row, k).rows for row in scores])
        rows, scores = np.take_along_axis(rows, places, 1), np.take_along_axis(scores, places, 1)
    return rows


def _queries(lists: Lists, rng: np.random.Generator) -> Float32[ndarray, "Q D"]:
    vectors = lists.vectors
    rows = np.sort(rng.choice(len(vectors), min(QUERIES, len(vectors)), replace=False))
    noise = rng.standard_normal((len(rows), vectors.shape[1])).astype(np.float32)
    noise *= np.float32(NOISE) / np.linalg.norm(noise, axis=1, keepdims=True)
    queries = vectors[rows] + noise
    return np.asarray(queries / np.linalg.norm(queries, axis=1, keepdims=True), np.float32)


def _filters(lists: Lists, rng: np.random.Generator) -> dict[str, Selection]:
    size, count = len(lists.vectors), len(lists.centroids)
    found = {}
    for share in SHARES:
        if share == 1:
            found["no filter"] = Selection(size)
            continue
        found[f"{share:.0%} spread"] = Selection(size, rng.random(size) < share)
        chosen = rng.choice(count, max(1, round(share * count)), replace=False)
        mask = np.zeros(size, bool)
        for number in chosen.tolist():
            mask[lists.starts[number] : lists.starts[number + 1]] = True
        found[f"{share:.0%} grouped"] = Selection(size, mask)
    return found
