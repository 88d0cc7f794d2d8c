"""Evidence: the clauses that hold a tagger's score, verbatim and inside the sentence."""

from __future__ import annotations

import re
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.reviews.evidence import evidence_span
from shelfwise.reviews.sentences import Span, sentences

TEXT = "Wore it. The color is lovely, it runs small, but the fabric is soft."
SENTENCE = sentences(TEXT)[1]


def _tokens(text: str) -> list[Span]:
    return [match.span() for match in re.finditer(r"\S+", text)]


def _quote(**scores: float) -> str:
    spans = _tokens(TEXT)
    by_word = [scores.get(TEXT[start:end].strip(".,"), 0.0) for start, end in spans]
    start, end = evidence_span(TEXT, SENTENCE, spans, by_word)
    return TEXT[start:end]


def test_the_clause_with_the_score_is_quoted() -> None:
    assert _quote(lovely=0.9, small=0.1) == "The color is lovely"
    assert _quote(runs=0.4, small=0.5, soft=0.2) == "it runs small"
    assert _quote(soft=1.0) == "but the fabric is soft."


def test_a_run_of_clauses_is_quoted_where_one_does_not_hold_enough() -> None:
    assert _quote(small=0.5, soft=0.5) == "it runs small, but the fabric is soft."
    assert _quote(lovely=0.5, soft=0.5) == "The color is lovely, it runs small, but the fabric is soft."


def test_without_a_score_the_whole_sentence_is_quoted() -> None:
    whole = "The color is lovely, it runs small, but the fabric is soft."
    assert _quote() == whole
    assert _quote(Wore=1.0) == whole
    assert _quote(lovely=nan, small=-1.0, soft=inf) == whole


def test_a_programmers_slip_is_refused() -> None:
    with pytest.raises(ValueError, match="2 tokens have 1 scores"):
        evidence_span(TEXT, SENTENCE, [(0, 1), (1, 2)], [0.5])
    for sentence in ((3, 3), (0, len(TEXT) + 1), (-1, 4)):
        with pytest.raises(ValueError, match="is no piece of"):
            evidence_span(TEXT, sentence, [], [])


@given(st.text(min_size=1) | st.text("ab, but.;()and it is", min_size=1), st.data())
def test_evidence_is_inside_its_sentence_and_never_empty(text: str, data: st.DataObject) -> None:
    spans = _tokens(text)
    count = len(spans)
    scores = data.draw(st.lists(st.floats(), min_size=count, max_size=count))
    for sentence in sentences(text):
        start, end = evidence_span(text, sentence, spans, scores)
        assert sentence[0] <= start < end <= sentence[1]
        assert text[start:end].strip()


@given(st.lists(st.floats(0, 1), min_size=14, max_size=14), st.floats(0.1, 1.0))
def test_evidence_holds_the_share_asked_for(scores: list[float], share: float) -> None:
    spans = _tokens(TEXT)[2:]
    scores = scores[: len(spans)]
    start, end = evidence_span(TEXT, SENTENCE, spans, scores, share=share)
    pairs = zip(spans, scores, strict=True)
    held = sum(score for (first, last), score in pairs if start <= (first + last) / 2 <= end)
    assert held >= share * sum(scores) * (1 - 1e-9)
