"""Which words to quote: from a tagger's scores of tokens to the clauses that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import isfinite

from shelfwise.reviews.sentences import Span, clauses_within, trimmed

SHARE = 0.6
"""Part of a sentence's score that its evidence holds at least."""


def evidence_span(
    text: str,
    sentence: Span,
    tokens: Sequence[Span],
    scores: Sequence[float],
    *,
    share: float = SHARE,
) -> Span:
    """The shortest run of clauses of `sentence` that holds `share` of the scores; verbatim, never empty.

    `tokens` are offsets into `text`, `scores[i]` that of `tokens[i]` for one aspect and polarity; negative
    and undefined scores and tokens outside the sentence count nothing. Without any score it is the whole
    sentence. ValueError where the lengths differ or the sentence is no piece of the text."""
    start, end = sentence
    if len(tokens) != len(scores):
        raise ValueError(f"{len(tokens)} tokens have {len(scores)} scores")
    if not 0 <= start < end <= len(text):
        raise ValueError(f"sentence {start} to {end} is no piece of {len(text)} characters")
    clauses = clauses_within(text, start, end) or [sentence]
    sums = list(accumulate(_masses(clauses, tokens, scores), initial=0.0))
    wanted = share * sums[-1]
    if wanted <= 0:
        return trimmed(text, (clauses[0][0], clauses[-1][1]))
    best = (0, len(clauses) - 1)
    first = 0
    for last in range(len(clauses)):
        while first < last and sums[last + 1] - sums[first + 1] >= wanted:
            first += 1
        if sums[last + 1] - sums[first] >= wanted and _length(clauses, first, last) < _length(clauses, *best):
            best = (first, last)
    return trimmed(text, (clauses[best[0]][0], clauses[best[1]][1]))


def _masses(clauses: list[Span], tokens: Sequence[Span], scores: Sequence[float]) -> list[float]:
    """The score of each clause: a token counts for the clause that its middle is in."""
    masses = [0.0] * len(clauses)
    at = 0
    for (start, end), score in sorted(
        zip(tokens, scores, strict=True), key=lambda pair: pair[0][0] + pair[0][1]
    ):
        middle = (start + end) / 2
        while at < len(clauses) and clauses[at][1] <= middle:
            at += 1
        if at < len(clauses) and clauses[at][0] <= middle and isfinite(score):
            masses[at] += max(float(score), 0.0)
    return masses


def _length(clauses: list[Span], first: int, last: int) -> int:
    return clauses[last][1] - clauses[first][0]
