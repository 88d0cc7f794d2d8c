"""Review files as published with DMASTE (ACL 2023, MIT): rated texts, and texts with opinion triplets.

    5 #### I love it .                                        a rated text
    The fit is perfect .####[([1], [3], 'POS')]####Shoes      tokens of aspect, of opinion, and its polarity

`[-1]` is an aspect that no word names. Tokens are joined by single spaces.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from shelfwise.errors import DataError

TermPolarity = Literal["POS", "NEG", "NEU"]
Span = tuple[int, int]
MARK = "####"


@dataclass(frozen=True)
class TermOpinion:
    """One opinion: characters of the aspect term (None where it is implied) and of the opinion words."""

    aspect: Span | None
    opinion: Span | None
    polarity: TermPolarity


@dataclass(frozen=True)
class TermReview:
    """A text and its opinions."""

    text: str
    opinions: tuple[TermOpinion, ...]


@dataclass(frozen=True)
class RatedText:
    """A text and its stars, 1 to 5."""

    text: str
    rating: int


def read_rated_texts(path: Path) -> list[RatedText]:
    """All lines of a rated file; DataError where one is damaged."""
    found = []
    for number, line in _lines(path):
        rating, mark, text = line.partition(MARK)
        try:
            stars = float(rating)
        except ValueError:
            stars = 0.0
        if not mark or stars not in (1, 2, 3, 4, 5):
            raise DataError(f"'{path}' line {number}: expected RATING #### TEXT with 1 to 5 stars")
        found.append(RatedText(text.strip(), int(stars)))
    return found


def read_term_reviews(path: Path) -> list[TermReview]:
    """All lines of a triplets file; DataError where one is damaged."""
    return [_term_review(line, f"'{path}' line {number}") for number, line in _lines(path)]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of every line that is not empty."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise DataError(f"'{path}' cannot be read: {why}") from None


def _term_review(line: str, where: str) -> TermReview:
    text, _, rest = line.partition(MARK)
    places = _places(text)
    try:
        triplets = ast.literal_eval(rest.partition(MARK)[0])
        opinions = tuple(_opinion(triplet, places) for triplet in triplets)
    except (ValueError, SyntaxError, TypeError, IndexError, MemoryError, RecursionError):
        raise DataError(
            f"{where}: expected TEXT####[([aspect], [opinion], 'POS'), ...]####CATEGORY"
        ) from None
    return TermReview(text, opinions)


def _opinion(triplet: Any, places: list[Span]) -> TermOpinion:
    aspect, opinion, polarity = triplet
    if polarity not in get_args(TermPolarity):
        raise ValueError(polarity)
    return TermOpinion(_characters(aspect, places), _characters(opinion, places), polarity)


def _characters(tokens: list[int], places: list[Span]) -> Span | None:
    """From the first to the last of some tokens; None for `[-1]`."""
    if tokens == [-1]:
        return None
    if min(tokens) < 0:
        raise IndexError(min(tokens))
    return places[min(tokens)][0], places[max(tokens)][1]


def _places(text: str) -> list[Span]:
    """Characters of each token."""
    found, start = [], 0
    for token in text.split(" "):
        found.append((start, start + len(token)))
        start += len(token) + 1
    return found
