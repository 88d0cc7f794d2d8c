"""Duplicates: exact ones by what they say, near ones by vectors, block by block as in one piece."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_index import drawn_stored, drawn_vectors, write_index

from shelfwise.search import duplicates as room
from shelfwise.search.duplicates import duplicates, near_duplicates
from shelfwise.search.index import OpenedIndex


def obvious(vectors: np.ndarray, near: float) -> dict[int, int]:
    """Row by row: the nearest first that is near enough, else it is one."""
    firsts: list[int] = []
    found = {}
    for row, vector in enumerate(vectors):
        cosines = [float(vectors[first] @ vector) for first in firsts]
        if cosines and max(cosines) >= near:
            found[row] = firsts[int(np.argmax(cosines))]
        else:
            firsts.append(row)
    return found


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
@pytest.mark.parametrize("near", [0.7, 0.95])
def test_near_duplicates_are_those_of_the_obvious_loop(
    block: int, near: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "BLOCK", block)
    vectors = drawn_vectors(150, seed=2)
    found = {d.row: d.first for d in near_duplicates(vectors, np.arange(150), near)}
    expected = obvious(vectors, near)
    assert expected
    assert found == expected


@pytest.mark.parametrize("exact_below", [10, 10_000])
def test_exact_duplicates_come_first_and_are_listed_once(tmp_path: Path, exact_below: int) -> None:
    products = [drawn_stored(n) for n in range(60)]
    vectors = drawn_vectors(60, seed=11)
    products.append(replace(products[7], id="copy"))
    products.append(replace(products[9], id="almost", content=b"0123456789abcdef"))
    vectors = np.concatenate([vectors, vectors[[7, 9]]])
    folder = tmp_path / "index"
    write_index(folder, products=products, vectors=vectors, exact_below=exact_below)
    view = OpenedIndex.open(folder).view
    found = list(duplicates(view, 0.9999))
    pairs = [(d.kind, {view.products.id_of(d.row), view.products.id_of(d.first)}) for d in found]
    assert pairs == [("exact", {"copy", "p0007"}), ("near", {"almost", "p0009"})]
    assert found[1].cosine == pytest.approx(1, abs=1e-5)
