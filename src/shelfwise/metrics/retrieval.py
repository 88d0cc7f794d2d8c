"""Retrieval metrics over a pool by dot product, in chunks of queries: memory does not grow with their number.

Shapes: Q queries, N pool rows, D dimensions, `depth` best rows kept per query. A pool row is relevant to a
query when their groups are equal (the same class, the same product).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int64
from numpy import ndarray

QUERY_CHUNK = 256
POOL_CHUNK = 8192


def top_rows(
    queries: Float[ndarray, "Q D"],
    pool: Float[ndarray, "N D"],
    depth: int,
    *,
    query_chunk: int = QUERY_CHUNK,
    pool_chunk: int = POOL_CHUNK,
) -> Int64[ndarray, "Q depth"]:
    """Return the `depth` best pool rows of each query, best first; equal scores in pool order.

    Holds query_chunk * (pool_chunk + depth) scores at a time: 8 MB with the defaults in float32."""
    if not 0 < depth <= len(pool):
        raise ValueError(f"depth {depth} is not in 1..{len(pool)}")
    found = [
        _best_of_pool(queries[start : start + query_chunk], pool, depth, pool_chunk)
        for start in range(0, len(queries), query_chunk)
    ]
    return np.concatenate(found) if found else np.zeros((0, depth), dtype=np.int64)


def first_relevant_rank(
    queries: Float[ndarray, "Q D"],
    pool: Float[ndarray, "N D"],
    query_groups: Int64[ndarray, "Q"],
    pool_groups: Int64[ndarray, "N"],
    *,
    query_chunk: int = QUERY_CHUNK,
) -> Int64[ndarray, "Q"]:
    """Return the rank, from 1, of the first relevant row of each query over the whole pool; 0 if none.

    A row ranks by how many score above it, or equal it and stand before it. Unlike `top_rows` it holds
    query_chunk * N scores at a time, and as many marks: ask smaller chunks of a very large pool."""
    ranks = np.zeros(len(queries), dtype=np.int64)
    for start in range(0, len(queries), query_chunk):
        chunk = slice(start, start + query_chunk)
        scores = queries[chunk] @ pool.T
        relevant = query_groups[chunk, None] == pool_groups[None]
        best = np.where(relevant, scores, -np.inf)
        place = best.argmax(axis=1)
        own = np.take_along_axis(best, place[:, None], axis=1)
        before = np.arange(len(pool))[None] < place[:, None]
        rank = 1 + ((scores > own) | ((scores == own) & before)).sum(axis=1)
        ranks[chunk] = np.where(relevant.any(axis=1), rank, 0)
    return ranks


def relevance(
    rows: Int64[ndarray, "Q depth"], query_groups: Int64[ndarray, "Q"], pool_groups: Int64[ndarray, "N"]
) -> Bool[ndarray, "Q depth"]:
    """Tell for each retrieved row whether it is relevant to its query."""
    return np.asarray(pool_groups[rows] == query_groups[:, None])


def precision_at_k(relevant: Bool[ndarray, "Q depth"], k: int) -> Float[ndarray, "Q"]:
    """Return for each query the share of relevant rows among its first k; k at most `depth`."""
    return np.asarray(relevant[:, : _within(k, relevant)].mean(axis=1))


def recall_at_k(
    relevant: Bool[ndarray, "Q depth"], k: int, relevant_in_pool: Int64[ndarray, "Q"]
) -> Float[ndarray, "Q"]:
    """Return for each query the share of all its relevant rows found among the first k; 0 if it has none."""
    hits = relevant[:, : _within(k, relevant)].sum(axis=1)
    return np.asarray(hits / np.maximum(relevant_in_pool, 1))


def hit_at_k(relevant: Bool[ndarray, "Q depth"], k: int) -> Float[ndarray, "Q"]:
    """Return 1 for each query with a relevant row among its first k, else 0 (CLIP papers call it R@k)."""
    return np.asarray(relevant[:, : _within(k, relevant)].any(axis=1), dtype=np.float64)


def reciprocal_rank(ranks: Int64[ndarray, "Q"]) -> Float[ndarray, "Q"]:
    """Return 1 / rank of the first relevant row, 0 for a query without one; the mean of it is the MRR."""
    return np.where(ranks > 0, 1 / np.maximum(ranks, 1), 0.0)


def relevant_counts(
    query_groups: Int64[ndarray, "Q"], pool_groups: Int64[ndarray, "N"]
) -> Int64[ndarray, "Q"]:
    """Return how many rows of the pool are relevant to each query."""
    groups, counts = np.unique(pool_groups, return_counts=True)
    if not len(groups):
        return np.zeros(len(query_groups), dtype=np.int64)
    place = np.searchsorted(groups, query_groups).clip(max=len(groups) - 1)
    return np.where(groups[place] == query_groups, counts[place], 0).astype(np.int64)


def _within(k: int, relevant: Bool[ndarray, "Q depth"]) -> int:
    if not 0 < k <= relevant.shape[1]:
        raise ValueError(f"k {k} is not in 1..{relevant.shape[1]}, the retrieved depth")
    return k


def _best_of_pool(
    queries: Float[ndarray, "Q D"], pool: Float[ndarray, "N D"], depth: int, pool_chunk: int
) -> Int64[ndarray, "Q depth"]:
    """Keep the best `depth` while the pool goes by; the kept ones stand first, so ties stay in pool order."""
    scores = np.empty((len(queries), 0), dtype=np.result_type(queries, pool))
    rows = np.empty((len(queries), 0), dtype=np.int64)
    for start in range(0, len(pool), pool_chunk):
        part = pool[start : start + pool_chunk]
        scores = np.concatenate([scores, queries @ part.T], axis=1)
        numbers = np.broadcast_to(np.arange(start, start + len(part)), (len(queries), len(part)))
        rows = np.concatenate([rows, numbers], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
        scores, rows = np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)
    return rows
