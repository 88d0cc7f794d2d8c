"""The words of a text as search compares them, and where they stand in it."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache

from shelfwise.schema.search import Span

SHORTEST_PLURAL = 4
LONGEST = 64
"""Characters of a word that count."""
_IRREGULAR = {
    **{f"{stem}ves": f"{stem}f" for stem in ("scar", "shel", "lea", "hal", "loa", "cal", "wol", "hoo", "el")},
    **{"knives": "knife", "lives": "life", "wives": "wife", "thieves": "thief", "selves": "self"},
    **{"men": "man", "women": "woman", "children": "child", "feet": "foot", "teeth": "tooth"},
    **{"potatoes": "potato", "tomatoes": "tomato", "heroes": "hero", "quizzes": "quiz", "mice": "mouse"},
}
_SINGULAR = frozenset(
    {
        *("canvas", "lens", "atlas", "christmas", "gas", "this", "his", "paris"),
        *("tennis", "iris", "axis", "chassis", "trellis", "mantis"),
    }
)
"""Words that end in s all the same."""
_PLURAL_US = frozenset(["menus", "gurus", "tutus", "emus", "gnus"])


def terms_of(text: str) -> list[str]:
    """The text's words in the form that is compared: case, accents and the plural left aside."""
    return [term_of(found[1]) for found in _word().finditer(text)]


def spans_of(text: str, terms: frozenset[str]) -> Iterator[Span]:
    """Where the text has any of the terms."""
    for found in _word().finditer(text):
        if term_of(found[1]) in terms:
            yield Span(start=found.start(1), end=found.end(1))


@lru_cache(maxsize=1 << 17)
def term_of(word: str) -> str:
    """One word as it is compared: `Schürzen` is `schurzen`, `Dresses` is `dress`.

    It is a key, not a word: whatever would be one with its plural loses the same ending."""
    plain = unicodedata.normalize("NFKD", word.casefold())
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return _singular(letters[:LONGEST])


@cache
def _word() -> re.Pattern[str]:
    """Letters and digits with the marks that belong to them; the s of a possessive is no word."""
    marks = (chr(code) for code in range(0x300, sys.maxunicode + 1) if _is_mark(code))
    return re.compile(f"([^\\W_](?:[^\\W_]|[{_ranges(marks)}])*)(?:['’\u02bc][sS](?![^\\W_]))?")


def _is_mark(code: int) -> bool:
    # Beyond the planes of scripts there are variation selectors alone.
    return code < 0x20000 and unicodedata.category(chr(code))[0] == "M"


def _ranges(characters: Iterator[str]) -> str:
    """The inside of a class of characters, given in order."""
    found: list[list[int]] = []
    for code in map(ord, characters):
        if found and code == found[-1][1] + 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)


def _singular(word: str) -> str:
    """One form for an English word and its plural."""
    word = _IRREGULAR.get(word, word)
    if _ends_as_plural(word):
        word = word[:-1]
        word = _IRREGULAR.get(word, word)
    if word.endswith("ie"):
        return f"{word[:-2]}y"
    return word[:-1] if word.endswith(("se", "xe", "ze", "che", "she")) and len(word) > 2 else word


def _ends_as_plural(word: str) -> bool:
    if len(word) < SHORTEST_PLURAL or not word.endswith("s") or word in _SINGULAR:
        return False
    return not word.endswith(("ss", "sis")) and (not word.endswith("us") or word in _PLURAL_US)
