"""From scores of tokens to opinions with their evidence, and to aspect terms.

T tokens of all texts in a row, N texts, A labels (each shop aspect praised, then blamed), S sentences.
All texts of a chunk are worked on as one row of tokens, so that numpy does what is done for every token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64
from numpy import ndarray
from tokenizers import Encoding

from shelfwise.bundle import AspectsInfo
from shelfwise.data.review_tokens import text_start
from shelfwise.reviews.evidence import evidence_span
from shelfwise.reviews.sentences import Span, sentences
from shelfwise.schema import Opinion, Polarity, Review

POLARITIES = ("POS", "NEG", "NEU")
"""Of terms and of implied opinions; tag 2p + 1 begins a term of polarity p, tag 2p + 2 goes on with it."""
SIGNS: tuple[Polarity, Polarity] = ("positive", "negative")
_IMPLIED = 0.5


class TermOpinions(NamedTuple):
    """What a text judges, in the form of DMASTE (ACL 2023)."""

    terms: tuple[tuple[int, int, str], ...]
    """First and last (excluded) character of each aspect term, and its polarity, one of `POLARITIES`."""
    implied: tuple[str, ...]
    """Polarities of opinions whose aspect no word names."""


class Sentence(NamedTuple):
    """A sentence of a review's title or text."""

    review: int
    in_title: bool
    span: Span
    """Characters of its part."""
    shift: int
    """Where its part begins in what the model reads."""


@dataclass(frozen=True)
class TokenScores:
    """What a tagger says of some texts, and where their tokens are."""

    aspects: Float[ndarray, "T A"]
    """Logits."""
    tags: Int64[ndarray, "T"]
    """The most probable tags."""
    implied: Float[ndarray, "N 3"]
    """Logits."""
    first: Int64[ndarray, "N1"]
    """Each text's first token, and the number of all tokens."""
    starts: Int64[ndarray, "T"]
    ends: Int64[ndarray, "T"]
    """Characters of each token in its own text; neither ever falls within a text."""


def token_places(
    encodings: Sequence[Encoding],
) -> tuple[Int64[ndarray, "N1"], Int64[ndarray, "T"], Int64[ndarray, "T"]]:
    """`first`, `starts` and `ends` of `TokenScores`."""
    first = np.zeros(len(encodings) + 1, np.int64)
    np.cumsum([len(encoding) for encoding in encodings], out=first[1:])
    offsets = chain.from_iterable(chain.from_iterable(encoding.offsets for encoding in encodings))
    places = np.fromiter(offsets, np.int64, 2 * int(first[-1])).reshape(-1, 2)
    return first, places[:, 0].copy(), places[:, 1].copy()


class OpinionFinder:
    """States what is probable enough, and quotes the clauses that say so."""

    def __init__(self, info: AspectsInfo) -> None:
        self.aspects = info.aspects
        self.terms = info.terms
        thresholds = np.clip(np.repeat(np.array(info.thresholds, np.float64), len(SIGNS)), 1e-9, 1 - 1e-9)
        self._cuts = np.log(thresholds / (1 - thresholds)).astype(np.float32)

    def opinions(self, reviews: Sequence[Review], scores: TokenScores) -> list[tuple[Opinion, ...]]:
        """The opinions of each review in their order, at most one praise and one blame of an aspect in each
        sentence; a sentence never straddles title and text."""
        found: list[list[Opinion]] = [[] for _ in reviews]
        judged = self._judging(scores)
        spoken = [
            sentence
            for i in np.flatnonzero(judged).tolist()
            for sentence in _sentences(i, reviews[i])
        ]
        first, last = _tokens_of(spoken, scores, [_length(review) for review in reviews])
        logits = _largest(scores.aspects, first, last)
        terms = _terms(scores) if self.terms else None
        for number, label in np.argwhere(logits >= self._cuts).tolist():
            sentence, tokens = spoken[number], (int(first[number]), int(last[number]))
            found[sentence.review].append(
                self._opinion(
                    reviews[sentence.review], sentence, tokens, label, scores, float(logits[number, label]), terms
                )
            )
        return [tuple(some) for some in found]

    def _judging(self, scores: TokenScores) -> Bool[ndarray, "N"]:
        """Which texts have any token that is probable enough: no other has an opinion."""
        sure = np.append((scores.aspects >= self._cuts).any(1), False)
        counts = np.concatenate([[0], np.cumsum(sure)])
        return np.asarray(counts[scores.first[1:]] > counts[scores.first[:-1]])

    def _opinion(
        self,
        review: Review,
        sentence: Sentence,
        tokens: tuple[int, int],
        label: int,
        scores: TokenScores,
        logit: float,
        terms: Terms | None,
    ) -> Opinion:
        """One opinion with its quote, and the term in it."""
        first, last = tokens
        text = review.title if sentence.in_title else review.text
        starts = (scores.starts[first:last] - sentence.shift).tolist()
        ends = (scores.ends[first:last] - sentence.shift).tolist()
        weights = _sigmoid(scores.aspects[first:last, label])
        start, end = evidence_span(
            text, sentence.span, list(zip(starts, ends, strict=True)), weights.tolist()
        )
        sign = label % len(SIGNS)
        term = None
        if terms is not None:
            span = terms.nearest(tokens, first + int(weights.argmax()), sign, (start, end), sentence.shift)
            term = None if span is None else text[slice(*span)]
        return Opinion.model_construct(
            aspect=self.aspects[label // len(SIGNS)],
            polarity=SIGNS[sign],
            quote=text[start:end],
            part="title" if sentence.in_title else "text",
            start=start,
            end=end,
            probability=1 / (1 + float(np.exp(-logit))),
            term=term,
        )


def term_opinions(scores: TokenScores) -> list[TermOpinions]:
    """The terms of each text, and which opinions it implies."""
    terms = _terms(scores)
    found: list[list[tuple[int, int, str]]] = [[] for _ in range(len(scores.first) - 1)]
    owners = np.searchsorted(scores.first, terms.first, side="right") - 1
    for i, owner in enumerate(owners.tolist()):
        start, end = terms.characters(i)
        found[owner].append((start, end, POLARITIES[terms.kinds[i]]))
    implied = scores.implied >= np.log(_IMPLIED / (1 - _IMPLIED))
    return [
        TermOpinions(tuple(some), tuple(POLARITIES[kind] for kind in np.flatnonzero(row)))
        for some, row in zip(found, implied, strict=True)
    ]
