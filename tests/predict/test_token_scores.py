"""Terms from tags, over many texts at once, against the obvious loop over one."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.nn.tagger import IMPLIED, TAGS, best_spans
from shelfwise.predict.token_scores import POLARITIES, Terms, TokenPlaces, TokenScores, term_opinions


def scores(texts: list[list[int]]) -> TokenScores:
    """Texts as rows of tags; token i of a text is the characters 3i to 3i + 2."""
    counts = [len(tags) for tags in texts]
    places = np.array([3 * i for count in counts for i in range(count)], np.int64)
    return TokenScores(
        TokenPlaces(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), places, places + 2),
        np.zeros((sum(counts), 2), np.float32),
        np.array([tag for tags in texts for tag in tags], np.int64),
        np.full((len(texts), 3), -1.0, np.float32),
    )


def test_tags_and_polarities_are_the_taggers() -> None:
    assert IMPLIED == POLARITIES
    assert ("O", *(f"{place}-{polarity}" for polarity in POLARITIES for place in "BI")) == TAGS


@given(st.lists(st.lists(st.integers(0, 6), max_size=9), min_size=1, max_size=4))
def test_terms_are_those_of_the_obvious_loop(texts: list[list[int]]) -> None:
    found = term_opinions(scores(texts))
    for tags, said in zip(texts, found, strict=True):
        spans = best_spans(torch.tensor(tags, dtype=torch.int64))
        assert said.terms == tuple((3 * a, 3 * b - 1, POLARITIES[kind]) for a, b, kind in spans)
        assert said.implied == ()


def test_implied_opinions_are_those_that_are_more_likely_than_not() -> None:
    some = scores([[0], []])
    some.implied[1] = [0.1, -0.1, 2.0]
    assert [said.implied for said in term_opinions(some)] == [(), ("POS", "NEU")]


def test_the_nearest_term_of_a_polarity_comes_first() -> None:
    terms = Terms(scores([[1, 0, 0, 1, 2, 3, 0, 1]]))
    assert terms.nearest(0, 8, 0, 4) == [(9, 14), (21, 23), (0, 2)]
    assert terms.nearest(1, 7, 0, 0) == [(9, 14)]
    assert terms.nearest(0, 8, 1, 0) == [(15, 17)]
    assert terms.nearest(0, 8, 2, 0) == []
