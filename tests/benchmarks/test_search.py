"""The search benchmarks measure what they say: their reference agrees, and vectors are what they claim."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import search
import title_vectors

from shelfwise.search.index import OpenedIndex


def test_the_full_ranking_agrees_with_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHELFWISE_DATA", raising=False)
    said, vectors, made = search.build(tmp_path / "index", 300, minilm=False, seed=0)
    assert made["titles"] == "drawn"
    assert made["exact"]
    index = OpenedIndex.open(tmp_path / "index")
    for share in (0.1, 1.0):
        asked = search.questions(said, vectors, share, 6, seed=1)
        assert search.recall(index, vectors, asked) == {"vector": 1.0, "hybrid": 1.0}
        kept = index.selection(asked[0].request.filter).count
        assert kept == 300 if share == 1 else 10 < kept < 60


def test_a_scan_finds_the_ten_best() -> None:
    rng = np.random.default_rng(0)
    vectors = title_vectors.gaussian(100, rng)
    asked = search.Asked(search.SearchRequest(), vectors[3])
    assert set(search.scan(vectors)(asked)) == set(np.argsort(-(vectors @ vectors[3]))[:10])


def test_jittered_vectors_are_near_their_titles() -> None:
    rng = np.random.default_rng(0)
    base = title_vectors.gaussian(20, rng)
    rows = rng.integers(0, 20, 200)
    cosines = (title_vectors.jittered(base, rows, rng) * base[rows]).sum(axis=1)
    assert cosines.min() > 0.9
    assert cosines.max() < 0.98
