"""Nearest vectors, exact and by lists: against the obvious loop, under filters, compiled or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_index import DIMENSION, LABEL, drawn_vectors, write_index

from shelfwise.schema.search import SearchRequest
from shelfwise.search import exact, scan
from shelfwise.search.exact import ExactVectors
from shelfwise.search.index import OpenedIndex
from shelfwise.search.lists import Lists, assign, coded_query, coded_rows, learn_centroids, list_count
from shelfwise.search.ranking import best
from shelfwise.search.recall import exact_nearest, measured
from shelfwise.search.selection import Selection

COUNT = 3_000
VECTORS = drawn_vectors(COUNT, seed=3)
QUERIES = drawn_vectors(6, seed=4)


def lists_of(vectors: np.ndarray, reach: int) -> Lists:
    centroids = learn_centroids(vectors, list_count(len(vectors)), np.random.default_rng(0))
    nearest, _ = assign(vectors, centroids)
    vectors = vectors[np.argsort(nearest, kind="stable")]
    starts = np.concatenate([[0], np.cumsum(np.bincount(nearest, minlength=len(centroids)))])
    codes, scales = coded_rows(vectors)
    return Lists(vectors, codes, scales, centroids, starts.astype(np.int64), reach)


@pytest.fixture(scope="module")
def lists() -> Lists:
    return lists_of(VECTORS, 400)


def shares() -> list[Selection]:
    rng = np.random.default_rng(1)
    return [Selection(COUNT), *(Selection(COUNT, rng.random(COUNT) < share) for share in (0, 0.01, 0.1, 0.8))]


@pytest.mark.parametrize("some", shares(), ids=["all", "none", "1%", "10%", "80%"])
def test_exact_search_is_the_obvious_loop(some: Selection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "BLOCK", 64)
    for query in QUERIES:
        found = ExactVectors(VECTORS).nearest(query, some, 25)
        scores = VECTORS @ query
        expected = sorted(some.rows.tolist(), key=lambda row: (-scores[row], row))[:25]
        np.testing.assert_allclose(found.scores, scores[expected], atol=1e-6)
        assert len(set(found.rows.tolist()) & set(expected)) == len(expected)
        assert not set(found.rows.tolist()) - set(some.rows.tolist())


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([0.0, 0.5, 0.5, 1.0, -1.0, 0.25]), max_size=30), st.integers(1, 35))
def test_the_best_stand_in_the_order_of_score_then_row(scores: list[float], k: int) -> None:
    expected = sorted(range(len(scores)), key=lambda row: (-scores[row], row))[:k]
    assert best(np.array(scores, np.float64), k).rows.tolist() == expected
    rows = np.arange(len(scores)) * 3 + 1
    assert best(np.array(scores, np.float64), k, rows).rows.tolist() == [3 * row + 1 for row in expected]


def test_lists_find_nearly_all_and_score_them_exactly(lists: Lists) -> None:
    for some in shares():
        truth = exact_nearest(lists.vectors, QUERIES, some)
        for query, nearest in zip(QUERIES, truth, strict=True):
            found = lists.nearest(query, some, 10)
            np.testing.assert_allclose(found.scores, lists.vectors[found.rows] @ query, atol=1e-6)
            assert len(set(found.rows.tolist()) & set(nearest.tolist())) >= 0.8 * len(nearest)
            assert all(some.has(row) for row in found.rows.tolist())


def test_a_narrow_filter_costs_lists_and_no_recall(lists: Lists) -> None:
    """Where no more are left than are scored anyway, all of them are scored."""
    some = Selection(COUNT, np.random.default_rng(5).random(COUNT) < 0.1)
    assert lists.is_exact(some)
    for query, nearest in zip(QUERIES, exact_nearest(lists.vectors, QUERIES, some), strict=True):
        assert lists.nearest(query, some, 10).rows.tolist() == nearest.tolist()
    assert not lists.is_exact(Selection(COUNT))


def test_a_filter_against_the_nearest_lists_still_finds(lists: Lists) -> None:
    query = QUERIES[0]
    order = np.argsort(-(lists.centroids @ query))
    mask = np.ones(COUNT, bool)
    for number in order[:20].tolist():
        mask[lists.starts[number] : lists.starts[number + 1]] = False
    found = lists.nearest(query, Selection(COUNT, mask), 10)
    (truth,) = exact_nearest(lists.vectors, query[None], Selection(COUNT, mask))
    assert len(set(found.rows.tolist()) & set(truth.tolist())) >= 8


def test_compiled_and_numpy_scans_are_the_same(lists: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    query = coded_query(QUERIES[0])
    order = np.argsort(-(lists.centroids @ QUERIES[0]), kind="stable")
    some = Selection(COUNT, np.random.default_rng(6).random(COUNT) < 0.3)
    compiled = [
        scan.scan_lists(lists.codes, lists.starts, order, s, query, 300) for s in (some, Selection(COUNT))
    ]
    dots = scan.scan_rows(lists.codes, some.rows, query)
    monkeypatch.setattr(scan, "_compiled", lambda: None)
    for (rows, found), s in zip(compiled, (some, Selection(COUNT)), strict=True):
        plain_rows, plain = scan.scan_lists(lists.codes, lists.starts, order, s, query, 300)
        np.testing.assert_array_equal(rows, plain_rows)
        np.testing.assert_array_equal(found, plain)
    np.testing.assert_array_equal(dots, scan.scan_rows(lists.codes, some.rows, query))


def test_codes_are_close(lists: Lists) -> None:
    back = lists.codes.astype(np.float32) * lists.scales[:, None]
    assert np.abs(back - lists.vectors).max() <= 0.51 * lists.scales.max()


def test_recall_is_measured_under_filters_and_the_reach_grows_until_it_is_enough(lists: Lists) -> None:
    chosen, found = measured(lists)
    assert set(found) == {
        *(f"{share} {kind}" for share in ("1%", "10%", "50%") for kind in ("spread", "grouped")),
        "no filter",
    }
    assert min(found.values()) >= 0.95
    assert chosen.reach == 2_000


def test_a_large_index_is_approximate_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    facts = write_index(folder, 600, exact_below=100)
    assert not facts.exact
    assert min(facts.recall.values()) > 0.9
    index, same = OpenedIndex.open(folder), tmp_path / "same"
    write_index(same, 600)
    reference = OpenedIndex.open(same)
    query = drawn_vectors(1, seed=8)[0]
    for request in (
        SearchRequest(words="blue bag", alpha=1, filter="price < 60", facets=("brand", "price")),
        SearchRequest(filter='tags = "sale"', facets=("tags",)),
        SearchRequest(words="red", alpha=0),
    ):
        vector = None if request.alpha == 0 else query
        found, expected = index.search(request, vector), reference.search(request, vector)
        assert found.total == expected.total
        assert found.facets == expected.facets
        assert [hit.score for hit in found.hits] == pytest.approx([hit.score for hit in expected.hits])
    for id in ("p0000", "p0123", "p0599"):
        np.testing.assert_array_equal(index.vector_of(id), reference.vector_of(id))
        assert index.search(SearchRequest(limit=1, filter="price > 0"), index.vector_of("p0001")).hits[0].id
    assert index.facts.bundle == LABEL
    assert index.view.vectors.shape == (600, DIMENSION)
