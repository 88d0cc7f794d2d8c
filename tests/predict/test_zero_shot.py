"""Prompt ensembles: the fast path against the obvious loop, and names compared by cosine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import ndarray

from shelfwise.predict.zero_shot import NamedClasses, prompt_vectors


def drawn(texts: list[str]) -> ndarray:
    """A vector for each text, of any length."""
    return np.stack([np.random.default_rng(len(text)).normal(size=5) * (1 + len(text)) for text in texts])


def obvious(texts: tuple[tuple[str, ...], ...]) -> ndarray:
    rows = []
    for some in texts:
        total = np.zeros(5)
        for text in some:
            vector = drawn([text])[0]
            total += vector / np.linalg.norm(vector)
        mean = total / len(some)
        rows.append(mean / np.linalg.norm(mean))
    return np.stack(rows)


@given(st.lists(st.lists(st.text(max_size=9), min_size=1, max_size=4), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_an_ensemble_is_the_mean_of_unit_vectors_at_unit_length(texts: list[list[str]]) -> None:
    some = tuple(map(tuple, texts))
    assert prompt_vectors(drawn, some) == pytest.approx(obvious(some), abs=1e-5)


def test_one_prompt_is_its_own_ensemble() -> None:
    vector = drawn(["a bag"])[0]
    assert prompt_vectors(drawn, [["a bag"]])[0] == pytest.approx(vector / np.linalg.norm(vector), abs=1e-6)


def test_names_are_compared_by_their_scaled_cosines() -> None:
    named = NamedClasses(("bag", "shoe"), np.eye(2, dtype=np.float32), scale=10.0)
    found = named.probabilities(np.array([[1, 0], [0.6, 0.8]], np.float32))
    assert found[0] == pytest.approx([1 / (1 + np.exp(-10)), 1 / (1 + np.exp(10))], abs=1e-6)
    assert found[1, 1] == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-5)
