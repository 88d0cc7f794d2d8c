"""A rule-based opinion finder: no training, no model, reasons that a person can read.

The words are data (`lexicon.toml`), found by `words`; the rules of a clause are in `judging`. The baseline of
the learned taggers, and their teacher where nothing is labelled."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from shelfwise.reviews.aspects import AspectLabel
from shelfwise.reviews.judging import Clause, Judgement
from shelfwise.reviews.sentences import Span, clauses_within, sentences, trimmed
from shelfwise.reviews.words import Tokens, lexicon, tokens
from shelfwise.schema import Opinion, Polarity

LONGEST = 200
"""Words of a clause that are read at once; a text without any punctuation is read in pieces of so many."""


class Found(NamedTuple):
    """A judgement with the sentence and the clause that it was found in."""

    judgement: Judgement
    sentence: int
    """Number of the sentence in the text."""
    clause: Span


def find_opinions(text: str) -> tuple[Opinion, ...]:
    """The aspects that `text` judges, in order; at most one praise and one blame of an aspect per sentence.

    The quote is the clause that holds the judgement."""
    words = tokens(text)
    confidence = lexicon().confidence
    opinions: dict[tuple[int, str, int], Opinion] = {}
    for found in judgements(text, words):
        judged = found.judgement
        key = (found.sentence, judged.aspect or "", judged.sign)
        if judged.aspect is None or key in opinions:
            continue
        start, end = trimmed(text, found.clause)
        term = None
        if judged.term is not None:
            term = text[words.starts[judged.term[0]] : words.ends[judged.term[1] - 1]]
        opinions[key] = Opinion(
            aspect=judged.aspect,
            polarity=polarity(judged.sign),
            quote=text[start:end],
            start=start,
            end=end,
            probability=confidence[judged.how],
            term=term,
        )
    return tuple(opinions.values())


def sentence_labels(text: str) -> frozenset[AspectLabel]:
    """The aspects that `text` judges, each with its polarity."""
    found = (one.judgement for one in judgements(text, tokens(text)))
    return frozenset((one.aspect, polarity(one.sign)) for one in found if one.aspect is not None)


def judgements(text: str, words: Tokens) -> Iterator[Found]:
    """Every judgement of `text`, those of the product as a whole too, clause by clause."""
    known = lexicon()
    for number, (start, end) in enumerate(sentences(text)):
        for clause in clauses_within(text, start, end):
            first, last = bisect_left(words.starts, clause[0]), bisect_left(words.starts, clause[1])
            if last - first <= LONGEST:
                for judgement in Clause(known, words.words, first, last).judgements():
                    yield Found(judgement, number, clause)
                continue
            for at in range(first, last, LONGEST):
                stop = min(at + LONGEST, last)
                piece = (words.starts[at], words.ends[stop - 1])
                for judgement in Clause(known, words.words, at, stop).judgements():
                    yield Found(judgement, number, piece)


def polarity(sign: int) -> Polarity:
    """1 as `positive`, -1 as `negative`."""
    return "positive" if sign > 0 else "negative"
