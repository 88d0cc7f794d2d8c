"""Deletion and insertion against curves that can be drawn by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from shelfwise.explain.faithfulness import area, replacement_curve, word_curves


def test_the_pixels_that_count_go_first_in_a_true_map() -> None:
    pixels = np.zeros((1, 4, 5, 1), np.uint8)
    pixels[0, 1, :4] = 100
    blank = np.zeros_like(pixels)

    def ask(versions: np.ndarray) -> np.ndarray:
        return versions.reshape(1, -1).sum(1) / 400

    true, false = pixels[..., 0].astype(float), -pixels[..., 0].astype(float)
    curve = replacement_curve(ask, pixels, blank, true, steps=5)
    assert curve[0] == pytest.approx([1, 0, 0, 0, 0, 0])
    assert replacement_curve(ask, pixels, blank, false, steps=5)[0] == pytest.approx([1, 1, 1, 1, 1, 0])
    assert replacement_curve(ask, blank, pixels, true, steps=5)[0] == pytest.approx([0, 1, 1, 1, 1, 1])


def test_an_area_is_that_of_trapezoids_over_0_to_1() -> None:
    assert area(np.array([[1.0, 1.0, 1.0], [1.0, 0.5, 0.0], [0.0, 0.0, 1.0]])) == pytest.approx(
        [1, 0.5, 0.25]
    )


def test_words_are_taken_away_and_put_back_one_by_one() -> None:
    def ask(texts: Sequence[str]) -> np.ndarray:
        return np.array([float("shirt" in text) for text in texts])

    spans = [(0, 4), (5, 10)]
    assert word_curves(ask, "blue shirt", spans, [1, 0]) == (0.25, 0.75)
    assert word_curves(ask, "blue shirt", spans, [0, 1]) == (0.75, 0.25)


def test_a_text_without_words_has_no_curves() -> None:
    with pytest.raises(ValueError, match="'!!' has no word"):
        word_curves(lambda texts: np.ones(len(texts)), "!!", [], [])
