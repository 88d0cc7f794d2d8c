"""Classifying and finding by words, on vectors whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from shelfwise.evaluate.text import ensemble, text_aligned, text_to_picture


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _space(n: int = 120, k: int = 4, noise: float = 0.02) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Pictures near their class's axis, three prompts a class near it too."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, k, n)
    pictures = _unit(np.eye(6)[labels] + rng.normal(size=(n, 6)) * noise)
    prompts = [_unit(np.eye(6)[[c] * 3] + rng.normal(size=(3, 6)) * noise) for c in range(k)]
    return pictures, prompts, labels


def test_an_aligned_space_is_perfect_in_everything() -> None:
    pictures, prompts, labels = _space()
    aligned = text_aligned(pictures, prompts, labels, labels)
    assert aligned["accuracy"]["value"] == 1
    assert aligned["gap_to_classifier"] == {"value": 0.0, "ci95": [0.0, 0.0]}
    assert aligned["accuracy_by_template"] == [1, 1, 1]
    found = text_to_picture(pictures, prompts, labels)
    assert found["queries"] == 12
    assert found["p_at_10"]["value"] == found["r_at_1"]["value"] == found["mrr"]["value"] == 1
    assert found["recall_at_100"]["value"] == 1
    assert "recall_at_1000" not in found


def test_the_gap_is_the_classifiers_lead_over_words() -> None:
    pictures, prompts, labels = _space(noise=0.9)
    aligned = text_aligned(pictures, prompts, labels, labels)
    assert aligned["gap_to_classifier"]["value"] == pytest.approx(1 - aligned["accuracy"]["value"])
    low, high = aligned["gap_to_classifier"]["ci95"]
    assert 0 < low < high


def test_a_class_without_pictures_is_not_asked_for() -> None:
    pictures, prompts, labels = _space(k=3)
    found = text_to_picture(pictures, [*prompts, prompts[0]], labels)
    assert found["queries"] == 9


def test_a_small_pool_leaves_out_what_it_cannot_fill() -> None:
    pictures, prompts, labels = _space(n=6)
    found = text_to_picture(pictures, prompts, labels)
    assert "p_at_5" in found
    assert "p_at_10" not in found


def test_a_class_vector_is_the_unit_mean_of_its_prompts() -> None:
    vectors = ensemble([_unit(np.array([[1.0, 0], [0, 1]])), _unit(np.array([[0.0, 3]]))])
    np.testing.assert_allclose(vectors, [[0.5**0.5, 0.5**0.5], [0, 1]], rtol=1e-6)
