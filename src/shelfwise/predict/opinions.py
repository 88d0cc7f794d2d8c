"""From scores of tokens to opinions, each with the words that say so.

S sentences, A aspect labels (each shop aspect praised, then blamed). All texts of a chunk are one row of
tokens, so that what is done for every token is numpy's work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray

from shelfwise.bundle import AspectsInfo
from shelfwise.data.review_tokens import text_start
from shelfwise.decide.temperature import sigmoid
from shelfwise.predict.token_scores import Terms, TokenPlaces, TokenScores
from shelfwise.reviews.evidence import evidence_span
from shelfwise.reviews.sentences import Span, clauses_within, sentences, trimmed
from shelfwise.schema import Opinion, Polarity, Review

SIGNS: tuple[Polarity, Polarity] = ("positive", "negative")
NOISE = 0.1
"""Share of the best token's probability below which a token is no evidence: many a little would make much."""
_ROOM = 8
"""Characters between two texts, more than stand between title and text."""


class _Sentence(NamedTuple):
    review: int
    in_title: bool
    span: Span
    """Characters of its part."""
    shift: int
    """Where its part begins in what the model reads."""


class _Said(NamedTuple):
    """One sentence that is sure enough of one label."""

    sentence: _Sentence
    first: int
    last: int
    """Its tokens, the last excluded."""
    label: int


class OpinionFinder:
    """States what is probable enough, and quotes the clauses that say so."""

    def __init__(self, info: AspectsInfo) -> None:
        self._aspects = info.aspects
        self._terms = info.terms
        thresholds = np.repeat(np.array(info.thresholds), len(SIGNS)).clip(1e-9, 1 - 1e-9)
        self._cuts = np.log(thresholds / (1 - thresholds)).astype(np.float32)

    def opinions(self, reviews: Sequence[Review], scores: TokenScores) -> list[tuple[Opinion, ...]]:
        """The opinions of each review in their order; at most one praise and one blame of an aspect in a
        sentence, never both in the same words, and no sentence straddles title and text."""
        evidence = _Evidence(scores, Terms(scores) if self._terms else None)
        found: list[list[Opinion]] = [[] for _ in reviews]
        for said in self._said(reviews, scores):
            review = reviews[said.sentence.review]
            _add(found[said.sentence.review], self._opinion(review, said, evidence))
        return [tuple(some) for some in found]

    def _said(self, reviews: Sequence[Review], scores: TokenScores) -> list[_Said]:
        """What is probable enough, sentence by sentence."""
        spoken = [sentence for i in self._judging(scores) for sentence in _sentences(i, reviews[i])]
        lengths = [len(review.title) + len(review.text) + _ROOM for review in reviews]
        first, last = _tokens(spoken, scores.places, lengths)
        pairs = np.argwhere(_largest(scores.aspects, first, last) >= self._cuts)
        firsts, lasts = first[pairs[:, 0]].tolist(), last[pairs[:, 0]].tolist()
        return [
            _Said(spoken[i], begin, end, label)
            for (i, label), begin, end in zip(pairs.tolist(), firsts, lasts, strict=True)
        ]

    def _judging(self, scores: TokenScores) -> list[int]:
        """Reviews with a token that is probable enough; no other can have an opinion."""
        sure = (scores.aspects >= self._cuts).any(1)
        counts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sure)])
        within = np.diff(counts[scores.places.first])
        found: list[int] = np.flatnonzero(within).tolist()
        return found

    def _opinion(self, review: Review, said: _Said, evidence: _Evidence) -> Opinion:
        """One opinion with its quote, and the term in it."""
        text = review.title if said.sentence.in_title else review.text
        (start, end), probability, token = evidence.find(text, said)
        aspect, sign = divmod(said.label, len(SIGNS))
        term = evidence.term(said, (start, end), sign, token)
        # All of it was made here: to check it again would take longer than to make it.
        return Opinion.model_construct(
            aspect=self._aspects[aspect],
            polarity=SIGNS[sign],
            quote=text[start:end],
            part="title" if said.sentence.in_title else "text",
            start=start,
            end=end,
            probability=probability,
            term=None if term is None else text[slice(*term)],
        )


def _add(opinions: list[Opinion], new: Opinion) -> None:
    """Append an opinion; of praise and blame of one aspect in the same words the surer one stays."""
    last = opinions[-1] if opinions else None
    if last is None or (last.aspect, last.part, last.start, last.end) != (
        new.aspect,
        new.part,
        new.start,
        new.end,
    ):
        opinions.append(new)
    elif new.probability > last.probability:
        opinions[-1] = new


class _Evidence:
    """Where the words are that decided, in one chunk of reviews."""

    def __init__(self, scores: TokenScores, terms: Terms | None) -> None:
        self._probabilities = sigmoid(scores.aspects)
        self._starts, self._ends = scores.places.starts.tolist(), scores.places.ends.tolist()
        self._terms = terms
        self._sentence: _Sentence | None = None
        self._clauses: list[Span] = []

    def find(self, text: str, said: _Said) -> tuple[Span, float, int]:
        """Characters of the quote, the probability and its token; sentences come one after the other."""
        sentence, shift = said.sentence, said.sentence.shift
        if sentence is not self._sentence:
            self._sentence, self._clauses = sentence, clauses_within(text, *sentence.span)
        values = self._probabilities[said.first : said.last, said.label]
        best = int(values.argmax())
        largest = float(values[best])
        if len(self._clauses) == 1:
            return trimmed(text, self._clauses[0]), largest, said.first + best
        some = np.flatnonzero(values >= NOISE * largest)
        spans = [(self._starts[i] - shift, self._ends[i] - shift) for i in (some + said.first).tolist()]
        return evidence_span(text, sentence.span, spans, values[some].tolist()), largest, said.first + best

    def term(self, said: _Said, quote: Span, sign: int, token: int) -> Span | None:
        """Characters of the aspect term of that polarity in the quote, of several the nearest to `token`."""
        if self._terms is None:
            return None
        shift = said.sentence.shift
        for start, end in self._terms.nearest(said.first, said.last, sign, token):
            if quote[0] <= start - shift and end - shift <= quote[1]:
                return start - shift, end - shift
        return None


def _sentences(number: int, review: Review) -> list[_Sentence]:
    """The sentences of title and text, each part for itself."""
    shift = text_start(review)
    return [
        *(_Sentence(number, True, span, 0) for span in sentences(review.title)),
        *(_Sentence(number, False, span, shift) for span in sentences(review.text)),
    ]


def _tokens(
    spoken: Sequence[_Sentence], places: TokenPlaces, lengths: Sequence[int]
) -> tuple[Int64[ndarray, "S"], Int64[ndarray, "S"]]:
    """First and last (excluded) token of each sentence: all that share a character with it."""
    base = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.array(lengths, np.int64))])
    own = np.repeat(base[:-1], np.diff(places.first))
    # A tokenizer that moves characters about may step back; a search needs what never falls.
    starts, ends = np.maximum.accumulate(places.starts + own), np.maximum.accumulate(places.ends + own)
    spans = np.array([(s.review, s.shift + s.span[0], s.shift + s.span[1]) for s in spoken], np.int64)
    spans = spans.reshape(-1, 3)
    begins, stops = base[spans[:, 0]] + spans[:, 1], base[spans[:, 0]] + spans[:, 2]
    return np.searchsorted(ends, begins, side="right"), np.searchsorted(starts, stops, side="left")


def _largest(
    logits: Float[ndarray, "T A"], first: Int64[ndarray, "S"], last: Int64[ndarray, "S"]
) -> Float[ndarray, "S A"]:
    """The largest logit of each sentence's tokens; of none it is far below 0."""
    far = np.full((1, logits.shape[1]), -np.inf, logits.dtype)
    out = np.repeat(far, len(first), 0)
    some = last > first
    if some.any():
        bounds = np.stack([first[some], last[some]], 1).ravel()
        # Between two sentences reduceat gives a row that nobody asked for.
        out[some] = np.maximum.reduceat(np.concatenate([logits, far]), bounds)[::2]
    return out
