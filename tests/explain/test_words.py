"""Words left out: places in the text as typed, and weights that are log odds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy import ndarray

from shelfwise.explain.question import Question
from shelfwise.explain.words import MOST, in_order_of_weight, without_spans, word_spans, words_left_out

SAYS = {"shirt": 2.0, "blue": 0.5, "bag": -1.0}


def ask(texts: Sequence[str]) -> ndarray:
    """A model of words: their numbers add up to the first of two logits."""
    logits = np.array([sum(SAYS.get(word.casefold(), 0.0) for word in text.split()) for text in texts], float)
    return np.stack([logits, np.zeros_like(logits)], axis=1)


def test_spans_are_of_the_text_as_typed() -> None:
    text = "Größe  “Men's” T-Shirt, №5"
    assert [text[start:end] for start, end in word_spans(text)] == ["Größe", "Men's", "T", "Shirt", "5"]
    assert word_spans("") == word_spans(" - ! ") == []


def test_words_are_cut_out_with_the_space_beside_them_and_all_else_stays() -> None:
    assert without_spans("a b, c", [(0, 1), (5, 6)]) == "b,"
    assert [without_spans("a b, c", [span]) for span in ((0, 1), (2, 3), (5, 6))] == ["b, c", "a , c", "a b,"]
    assert without_spans("red  shoe", [(0, 3), (5, 9)]) == ""


def test_a_weight_is_how_far_the_log_odds_fall() -> None:
    text = "Blue shirt, bag"
    found = words_left_out(lambda texts: ask([t.replace(",", " ") for t in texts]), text, Question(0, 1),
                           ask(["blue shirt bag"])[0])  # fmt: skip
    assert [word.text for word in found] == ["Blue", "shirt", "bag"]
    assert [word.weight for word in found] == pytest.approx([0.5, 2.0, -1.0])
    assert [word.contrast for word in found] == pytest.approx([0.5, 2.0, -1.0])
    assert found[1].probability == pytest.approx(1 / (1 + np.exp(0.5)))
    assert in_order_of_weight(found) == [1, 0, 2]
    assert all(text[word.start : word.end] == word.text for word in found)


def test_a_text_without_a_word_and_a_very_long_one() -> None:
    assert words_left_out(ask, " ... ", Question(0, 1), ask([""])[0]) == ()
    long = "word " * (MOST + 50)
    assert len(words_left_out(ask, long, Question(0, 1), ask([long])[0])) == MOST
    longer = "word " * 8_000  # of 40,000 characters: a million in 25 versions
    assert len(words_left_out(ask, longer, Question(0, 1), ask([longer])[0])) == 25
