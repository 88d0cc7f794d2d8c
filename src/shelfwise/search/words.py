"""The words of a text as search compares them, and where they stand in it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from shelfwise.data.class_words import WORD
from shelfwise.schema.search import Span

SHORTEST_PLURAL = 4
LONGEST = 64
"""Characters of a word that count."""


def terms_of(text: str) -> list[str]:
    """The text's words in the form that is compared: case, accents and the plural left aside."""
    return [term_of(word) for word in WORD.findall(text)]


def spans_of(text: str, terms: frozenset[str]) -> Iterator[Span]:
    """Where the text has any of the terms."""
    for found in WORD.finditer(text):
        if term_of(found.group()) in terms:
            yield Span(start=found.start(), end=found.end())


@lru_cache(maxsize=1 << 17)
def term_of(word: str) -> str:
    """One word as it is compared: `Schürzen` is `schurzen`, `Dresses` is `dress`."""
    plain = unicodedata.normalize("NFKD", word.casefold())
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return _singular(letters[:LONGEST])


def _singular(word: str) -> str:
    """Without an English plural's ending; what is no plural loses nothing that its own plural keeps."""
    if len(word) < SHORTEST_PLURAL or not word.endswith("s"):
        return word
    if word.endswith(("sses", "xes", "zes", "ches", "shes")):
        return word[:-2]
    if word.endswith("ies") and len(word) > SHORTEST_PLURAL:
        return f"{word[:-3]}y"
    return word if word.endswith(("ss", "us", "is")) else word[:-1]
