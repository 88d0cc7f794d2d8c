"""Chunked retrieval metrics against the full score matrix."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.metrics import retrieval


def _task(seed: int, q: int = 13, n: int = 57) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vectors on a coarse grid, so that many scores are equal."""
    rng = np.random.default_rng(seed)
    queries = rng.integers(-2, 3, (q, 4)).astype(np.float32)
    pool = rng.integers(-2, 3, (n, 4)).astype(np.float32)
    return queries, pool, rng.integers(0, 6, q), rng.integers(0, 5, n)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(1, 60), st.integers(1, 57))
def test_chunks_give_what_the_full_matrix_gives(seed: int, by: int, pool_by: int, depth: int) -> None:
    queries, pool, _, _ = _task(seed)
    full = np.argsort(-(queries @ pool.T), axis=1, kind="stable")[:, :depth]
    found = retrieval.top_rows(queries, pool, depth, query_chunk=by, pool_chunk=pool_by)
    assert np.array_equal(found, full)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_metrics_are_what_a_loop_over_queries_counts(seed: int, k: int) -> None:
    queries, pool, query_groups, pool_groups = _task(seed)
    rows = retrieval.top_rows(queries, pool, 20)
    relevant = retrieval.relevance(rows, query_groups, pool_groups)
    totals = retrieval.relevant_counts(query_groups, pool_groups)
    ranks = retrieval.first_relevant_rank(queries, pool, query_groups, pool_groups, query_chunk=5)
    for i, query in enumerate(queries):
        order = np.argsort(-(pool @ query), kind="stable")
        good = pool_groups[order] == query_groups[i]
        assert retrieval.precision_at_k(relevant, k)[i] == good[:k].sum() / k
        assert retrieval.hit_at_k(relevant, k)[i] == good[:k].any()
        assert retrieval.recall_at_k(relevant, k, totals)[i] == good[:k].sum() / max(good.sum(), 1)
        first = int(good.argmax()) + 1 if good.any() else 0
        assert ranks[i] == first
        assert retrieval.reciprocal_rank(ranks)[i] == (1 / first if first else 0)


def test_memory_does_not_grow_with_the_pool() -> None:
    rng = np.random.default_rng(0)
    queries, pool = rng.normal(size=(2, 8)).astype(np.float32), rng.normal(size=(200_000, 8))
    pool = pool.astype(np.float32)
    tracemalloc.start()
    retrieval.top_rows(queries, pool, 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000  # the full score matrix with its row numbers would be 4.8 MB


def test_a_depth_or_k_that_does_not_exist_is_refused() -> None:
    queries, pool, groups, pool_groups = _task(0)
    with pytest.raises(ValueError, match=r"depth 58 is not in 1\.\.57"):
        retrieval.top_rows(queries, pool, 58)
    relevant = retrieval.relevance(retrieval.top_rows(queries, pool, 5), groups, pool_groups)
    with pytest.raises(ValueError, match="k 6"):
        retrieval.precision_at_k(relevant, 6)


def test_no_queries_and_an_empty_pool_are_no_accident() -> None:
    _, pool, _, pool_groups = _task(0)
    none = np.zeros(0, dtype=np.int64)
    assert retrieval.top_rows(np.zeros((0, 4), np.float32), pool, 3).shape == (0, 3)
    assert retrieval.relevant_counts(pool_groups, none).sum() == 0
