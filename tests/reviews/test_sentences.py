"""Sentences and clauses: found by rules, verbatim, complete, and in linear time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.reviews.sentences import Span, clauses, clauses_within, sentences, trimmed

TEXTS = st.text() | st.text(alphabet="aA1 .,!?;:'\"()-–…but and the it is 😍\n。", max_size=80)


def _pieces(text: str, spans: list[Span]) -> list[str]:
    return [text[start:end] for start, end in spans]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("I love it. It fits!", ["I love it.", "It fits!"]),
        ("so soft!! buy it?! yes", ["so soft!!", "buy it?!", "yes"]),
        ("well... i don't know... fine", ["well...", "i don't know...", "fine"]),
        ("wait…what", ["wait…", "what"]),
        ("I'm 5'4\" and 120.5 lbs. The top fits.", ["I'm 5'4\" and 120.5 lbs.", "The top fits."]),
        ("Soft, warm, etc. and it washes well.", ["Soft, warm, etc. and it washes well."]),
        ("Lined, e.g. with silk. Nice", ["Lined, e.g. with silk.", "Nice"]),
        ("Perfect.The sleeves fit", ["Perfect.", "The sleeves fit"]),
        ("great!!love it", ["great!!", "love it"]),
        ("See shop.com, v2.0 of it.", ["See shop.com, v2.0 of it."]),
        ('She said "buy it." So I did.', ['She said "buy it."', "So I did."]),
        ("It fits (really!). Buy it.", ["It fits (really!).", "Buy it."]),
        ("love it! 😍 it fits", ["love it!", "😍 it fits"]),
        ("love it!😍 it fits", ["love it!😍", "it fits"]),
        ("no punctuation at all", ["no punctuation at all"]),
        ("first line\nstill the first\n\nsecond", ["first line\nstill the first", "second"]),
        ("pros:\n- soft\n- warm", ["pros:", "- soft", "- warm"]),
        ("很好。我喜欢！", ["很好。", "我喜欢！"]),
        ("", []),
        (" \n\t ", []),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text: str, pieces: list[str]) -> None:
    assert _pieces(text, sentences(text)) == pieces


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Soft but see-through.", ["Soft", "but see-through."]),
        ("Although it is soft, it itches.", ["Although it is soft,", "it itches."]),
        ("Pretty; the zipper broke.", ["Pretty;", "the zipper broke."]),
        ("Great fit - poor fabric", ["Great fit -", "poor fabric"]),
        ("Lovely color, it runs small", ["Lovely color,", "it runs small"]),
        ("The fit is great and it is soft", ["The fit is great", "and it is soft"]),
        ("The top fits and the sleeves are short", ["The top fits", "and the sleeves are short"]),
        ("The fit, the color and the quality are great", ["The fit, the color and the quality are great"]),
        ("Love the color and the fit", ["Love the color and the fit"]),
        ("Nothing but praise", ["Nothing but praise"]),
        ("I have not worn it yet.", ["I have not worn it yet."]),
        ("It fits (i am 5'4) well", ["It fits", "(i am 5'4)", "well"]),
        ("One. Two but three", ["One.", "Two", "but three"]),
    ],
)
def test_clauses_end_at_contrasts_and_between_statements(text: str, pieces: list[str]) -> None:
    assert _pieces(text, clauses(text)) == pieces


@pytest.mark.parametrize("split", [sentences, clauses])
@given(text=TEXTS)
def test_spans_are_ordered_and_leave_out_nothing_but_white_space(split, text: str) -> None:  # type: ignore[no-untyped-def]
    spans = split(text)
    at = 0
    for start, end in spans:
        assert at <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        assert not text[at:start].strip()
        at = end
    assert not text[at:].strip()


@given(TEXTS)
def test_every_clause_lies_in_one_sentence(text: str) -> None:
    within = [clause for start, end in sentences(text) for clause in clauses_within(text, start, end)]
    assert within == clauses(text)


@given(TEXTS)
def test_a_trimmed_span_stays_inside_and_is_never_empty(text: str) -> None:
    for start, end in clauses(text):
        first, last = trimmed(text, (start, end))
        assert start <= first < last <= end


@pytest.mark.parametrize(
    "piece",
    [".", " ", "\n", "a", "! ", ". x", "(a", "but ", "and ", "the aa ", ", the a ", "- ", "\n ", "。"],
)
def test_a_hostile_text_takes_no_quadratic_time(piece: str) -> None:
    clauses(piece * 100_000)
