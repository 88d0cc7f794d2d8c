"""What a tagger says of the tokens of many texts in a row, and the aspect terms in it.

T tokens of all texts, N texts, A aspect labels (each shop aspect praised, then blamed), M terms.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64
from numpy import ndarray
from tokenizers import Encoding

POLARITIES = ("POS", "NEG", "NEU")
"""Of terms and of implied opinions. Tag 2p + 1 begins a term of polarity p, tag 2p + 2 goes on with it."""


class TermOpinions(NamedTuple):
    """What a text judges, in the form of DMASTE (ACL 2023)."""

    terms: tuple[tuple[int, int, str], ...]
    """First and last (excluded) character of each aspect term, and its polarity."""
    implied: tuple[str, ...]
    """Polarities of opinions whose aspect no word names."""


@dataclass(frozen=True)
class TokenPlaces:
    """Where the tokens of some texts are."""

    first: Int64[ndarray, "N1"]
    """Each text's first token, and at last the number of all tokens."""
    starts: Int64[ndarray, "T"]
    ends: Int64[ndarray, "T"]
    """Characters of each token in its own text."""


@dataclass(frozen=True)
class TokenScores:
    """What a tagger says."""

    places: TokenPlaces
    aspects: Float[ndarray, "T A"]
    """Logits."""
    tags: Int64[ndarray, "T"]
    """The most probable tags."""
    implied: Float[ndarray, "N 3"]
    """Logits."""


def first_tokens(encodings: Sequence[Encoding]) -> Int64[ndarray, "N1"]:
    """Each text's first token among all, and at last the number of all tokens."""
    first = np.zeros(len(encodings) + 1, np.int64)
    np.cumsum([len(encoding) for encoding in encodings], out=first[1:])
    return first


def token_places(encodings: Sequence[Encoding]) -> TokenPlaces:
    """Where all tokens are."""
    first = first_tokens(encodings)
    numbers = chain.from_iterable(chain.from_iterable(encoding.offsets for encoding in encodings))
    places = np.fromiter(numbers, np.int64, 2 * int(first[-1])).reshape(-1, 2)
    return TokenPlaces(first, places[:, 0].copy(), places[:, 1].copy())


class Terms:
    """The aspect terms of all texts.

    A term goes on over inside tags of any polarity and keeps its first; a lone inside tag begins one."""

    def __init__(self, scores: TokenScores) -> None:
        tags, places = scores.tags, scores.places
        inside = tags > 0
        begins = inside & ((tags % 2 == 1) | ~_shifted(inside))
        firsts = places.first[:-1]
        begins[firsts[firsts < len(tags)]] |= inside[firsts[firsts < len(tags)]]
        first = np.flatnonzero(begins)
        stops = np.append(np.flatnonzero(begins | ~inside), len(tags))
        last = stops[np.searchsorted(stops, first, side="right")]
        self.first: list[int] = first.tolist()
        self.kinds: list[int] = ((tags[first] - 1) // 2).tolist()
        self.starts: list[int] = places.starts[first].tolist()
        self.ends: list[int] = places.ends[last - 1].tolist()

    def nearest(self, first: int, last: int, kind: int, token: int) -> list[tuple[int, int]]:
        """Characters of the terms of one polarity in tokens `first` to `last`, by distance from `token`."""
        low, high = bisect_left(self.first, first), bisect_left(self.first, last)
        found = [i for i in range(low, high) if self.kinds[i] == kind]
        found.sort(key=lambda i: abs(self.first[i] - token))
        return [(self.starts[i], self.ends[i]) for i in found]


def term_opinions(scores: TokenScores) -> list[TermOpinions]:
    """The terms of each text, and the opinions that it implies."""
    terms, first = Terms(scores), scores.places.first
    found: list[list[tuple[int, int, str]]] = [[] for _ in first[:-1]]
    owners = np.searchsorted(first, np.array(terms.first, np.int64), side="right") - 1
    for owner, start, end, kind in zip(owners.tolist(), terms.starts, terms.ends, terms.kinds, strict=True):
        found[owner].append((start, end, POLARITIES[kind]))
    return [
        TermOpinions(tuple(some), tuple(POLARITIES[kind] for kind in np.flatnonzero(logits >= 0)))
        for some, logits in zip(found, scores.implied, strict=True)
    ]


def _shifted(flags: Bool[ndarray, "T"]) -> Bool[ndarray, "T"]:
    """Each token's flag of the token before."""
    return np.concatenate([np.zeros(1, bool), flags])[:-1]
