"""A few telling quotes out of many: the surest ones, of different reviews, and not the same words twice."""

from __future__ import annotations

import re
from collections.abc import Iterable
from heapq import heappush, heapreplace

from shelfwise.schema import Opinion, Quote, Review

KEPT = 8
"""Quotes kept of a product: more than are shown, since some of them will be too alike."""
KEPT_IN_ALL = 32
"""Quotes kept of all products together."""
ALIKE = 0.5
"""Two quotes that share more than this part of their words say the same (Jaccard)."""
SHORTEST, LONGEST = 20, 200
"""Characters of a quote that is preferred: long enough to tell something, short enough to be read."""

_WORDS = re.compile(r"\w+")


Said = tuple[float, int, str, str, str | None, str, int, float, bool]
"""A quote while it is kept, a plain tuple for speed: rank (higher is better), minus the review's place in
the file (so the earlier of equals is better, and nothing further is compared), text, review, product, part,
start, probability, whether it is constructed."""
Pool = list[Said]
"""A heap of a few quotes, the worst one first."""


def offer_opinion(pool: Pool, opinion: Opinion, review: Review, *, product: str | None, order: int) -> None:
    """Keep an opinion's quote where it is better than the worst one kept; `order` counts the reviews."""
    text, probability = opinion.quote, opinion.probability
    rank = probability + 1 if SHORTEST <= len(text) <= LONGEST else probability
    if len(pool) == KEPT and rank <= pool[0][0]:
        return
    offer(
        pool,
        (
            rank,
            -order,
            text,
            review.id,
            product,
            opinion.part,
            opinion.start,
            probability,
            review.constructed,
        ),
    )


def offer(pool: Pool, said: Said, *, most: int = KEPT) -> None:
    """Keep `said` where it is better than the worst one kept, and its text is not kept yet."""
    full, text = len(pool) == most, said[2]
    if full and said < pool[0]:
        return
    for kept in pool:
        if kept[2] == text:
            return
    if full:
        heapreplace(pool, said)
    else:
        heappush(pool, said)


def choose(pool: Pool, most: int) -> tuple[Quote, ...]:
    """Return the best `most` quotes of a pool, best first, without those that are much like a better one."""
    if len(pool) == 1:  # as of most aspects of most products
        return (_quote(pool[0]),)
    chosen: list[tuple[Said, frozenset[str]]] = []
    for said in sorted(pool, reverse=True):
        words = frozenset(_WORDS.findall(said[2].casefold()))
        if not _alike(words, (other for _, other in chosen)):
            chosen.append((said, words))
        if len(chosen) == most:
            break
    return tuple(_quote(said) for said, _ in chosen)


def _alike(words: frozenset[str], others: Iterable[frozenset[str]]) -> bool:
    return any(len(words & other) > ALIKE * len(words | other) for other in others)


def _quote(said: Said) -> Quote:
    _, _, text, review, product, part, start, probability, constructed = said
    return Quote(
        review=review,
        product=product,
        text=text,
        part="title" if part == "title" else "text",
        start=start,
        end=start + len(text),
        probability=probability,
        constructed=constructed,
    )
