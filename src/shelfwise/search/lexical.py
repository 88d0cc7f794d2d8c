"""BM25 over the words of titles, fields and descriptions, in arrays; filters apply before anything is scored.

N products, T terms, P postings (a term in a product). Robertson and Zaragoza 2009, The Probabilistic
Relevance Framework, section 3; parts of a product are weighed by their term counts (BM25F's simple form,
section 3.6).
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64
from numpy import ndarray

from shelfwise.search.ranking import NOTHING, Ranked, best
from shelfwise.search.selection import Selection
from shelfwise.search.words import terms_of

K1, B = 1.2, 0.75
TITLE_WEIGHT = 3
"""A word of the title counts so often; of a field or the description once."""


@dataclass(frozen=True, eq=False)
class Postings:
    """For each term the products that have it, and what it adds to their BM25."""

    terms: Sequence[str]
    starts: Int64[ndarray, "T_plus_1"]
    rows: Int32[ndarray, "P"]
    """Ascending within a term."""
    impacts: Float32[ndarray, "P"]
    size: int
    """N."""

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {term: number for number, term in enumerate(self.terms)}

    def known(self, text: str) -> list[str]:
        """The text's terms that any product has, each once."""
        return [term for term in dict.fromkeys(terms_of(text)) if term in self._numbers]

    def matches(self, terms: Iterable[str], some: Selection, k: int) -> tuple[Ranked, Bool[ndarray, "N"]]:
        """The `k` best of some products that have any of the terms, and a mask of all that have."""
        scores = self._scores(terms, some)
        found = scores > 0
        if not found.any():
            return NOTHING, found
        rows = np.flatnonzero(found)
        return best(scores[rows], k, rows), found

    def impact(self, term: str, row: int) -> float:
        """What the term adds to one product's score; 0 where it has it not."""
        start, stop = self._range(term)
        place = start + int(np.searchsorted(self.rows[start:stop], row))
        return float(self.impacts[place]) if place < stop and self.rows[place] == row else 0.0

    def _scores(self, terms: Iterable[str], some: Selection) -> Float64[ndarray, "N"]:
        """BM25 of each product; 0 for those that the filter excludes."""
        ranges = [self._range(term) for term in terms]
        rows = np.concatenate([np.zeros(0, np.int32), *(self.rows[start:stop] for start, stop in ranges)])
        parts = np.concatenate([np.zeros(0, np.float32), *(self.impacts[a:b] for a, b in ranges)])
        if some.mask is not None:
            kept = some.mask[rows]
            rows, parts = rows[kept], parts[kept]
        # Sums in double precision, term by term: the same whatever the filter, so ties stay ties.
        return np.bincount(rows, weights=parts, minlength=self.size).astype(np.float64, copy=False)

    def _range(self, term: str) -> tuple[int, int]:
        number = self._numbers[term]
        return int(self.starts[number]), int(self.starts[number + 1])


class PostingsBuilder:
    """Takes products one by one and makes the postings."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._terms, self._rows, self._counts = array("i"), array("i"), array("i")
        self._lengths = array("i")

    def add(self, title: str | None, others: Iterable[str]) -> None:
        """The next product's title, and the other texts that it may be found by."""
        counts: Counter[str] = Counter()
        for term in terms_of(title or ""):
            counts[term] += TITLE_WEIGHT
        for text in others:
            counts.update(terms_of(text))
        row = len(self._lengths)
        for term, count in counts.items():
            self._terms.append(self._numbers.setdefault(term, len(self._numbers)))
            self._rows.append(row)
            self._counts.append(count)
        self._lengths.append(counts.total())

    def postings(self, place: Int64[ndarray, "N"] | None = None) -> Postings:
        """The postings; with `place` the i-th product stands at `place[i]`."""
        size = len(self._lengths)
        place = np.arange(size) if place is None else place
        terms, rows, counts = (
            np.array(values, np.int32) for values in (self._terms, self._rows, self._counts)
        )
        frequency = np.bincount(terms, minlength=len(self._numbers)) if len(terms) else np.zeros(0, np.int64)
        lengths = np.array(self._lengths, np.float64)
        relative = 1 - B + B * lengths / max(1e-9, lengths.mean() if size else 1.0)
        idf = np.log1p((size - frequency + 0.5) / (frequency + 0.5))
        impacts = idf[terms] * counts * (K1 + 1) / (counts + K1 * relative[rows])
        moved = place[rows]
        order = np.argsort(terms.astype(np.int64) * max(1, size) + moved, kind="stable")
        return Postings(
            tuple(self._numbers),
            np.concatenate([np.zeros(1, np.int64), np.cumsum(frequency)]),
            moved[order].astype(np.int32),
            impacts[order].astype(np.float32),
            size,
        )
