"""The words that classes are named by, and where titles say them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

WORD = re.compile(r"[^\W_]+")
"""A word of a title, as the bag of words takes it in."""


def class_words(names: Iterable[str]) -> frozenset[str]:
    """Every word of the names, in lower case, with its singular and plural."""
    words = {word for name in names for word in WORD.findall(name.casefold())}
    return frozenset(words.union(*map(_numbers, words)))


def without_words(title: str, words: Collection[str]) -> str:
    """The title without these words; what stood between words is a space."""
    return " ".join(word for word in WORD.findall(title) if word.casefold() not in words)


def words_among(
    titles: Sequence[str], words: Sequence[Collection[str]], length: int
) -> Bool[ndarray, "N L T"]:
    """Which of each title's first L words are among each of T collections."""
    found = np.zeros((len(titles), length, len(words)), bool)
    for row, title in enumerate(titles):
        for place, word in enumerate(WORD.findall(title.casefold())[:length]):
            for one, some in enumerate(words):
                found[row, place, one] = word in some
    return found


def _numbers(word: str) -> set[str]:
    """How else the word may end, by the rules of English; what is no word does no harm."""
    if word.endswith(("sses", "xes", "zes", "ches", "shes")):
        return {word[:-2]}
    if word.endswith("ies"):
        return {word[:-1], f"{word[:-3]}y"}
    if word.endswith("ves"):
        return {word[:-1], f"{word[:-3]}f"}
    if word.endswith("s") and not word.endswith("ss"):
        return {word[:-1]}
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return {f"{word}es"}
    return {f"{word[:-1]}ies" if word.endswith("y") and word[-2:-1] not in set("aeiou") else f"{word}s"}
