"""What is odd about a review that is read all the same: flags that are reported, never a reason to drop it.

`empty_text`      neither headline nor text
`cut_text`        ends in the middle of a sentence at a length that files are cut at
`not_english`     few of its words are among the commonest English ones, or few of its letters are Latin
`duplicate_text`  the same text was seen before of the same product
`contradictory`   1 or 2 stars and recommended, or 4 or 5 stars and not recommended
"""

from __future__ import annotations

import hashlib
import re

from shelfwise.schema import Review

FLAGS = ("empty_text", "cut_text", "not_english", "duplicate_text", "contradictory")
CUTS = (255, 256, 500, 512, 1000, 1024, 2000, 4000, 5000)
"""Lengths that databases and exports cut texts at."""
NEAR = 4
LAST_LATIN = "\u024f"
"""The last letter of Unicode's extended Latin; scripts behind it may not put spaces between words."""
_FEW_WORDS = 5
_LEAST_COMMON = 0.12
_ENDS = (".", "!", "?", '"', "'", ")", "…", "*", ":")
_WORD = re.compile(r"[^\W\d_]+")
COMMON = frozenset(
    """
    a about all also am an and any are as at back be because been bit bought but by came can could
    did do does down even fit fits for from get go good got great had has have he her here him his
    how i if im in into is it its just know like little look looks love made make me more much my
    nice no not now of off on one only or other our out over perfect really right s see she size
    small so some still such t than that the their them then there these they this those though to
    too up use used ve very was way wear well were what when which while who will with work works
    would you your
    """.split()  # noqa: SIM905 - two hundred words read better than two hundred lines
)


class Flags:
    """Finds the flags of each review; remembers 8 bytes of every text it has seen."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def of(self, review: Review) -> tuple[str, ...]:
        """The review's flags, in the order of FLAGS."""
        text = review.text
        found = []
        if not text and not review.title:
            found.append("empty_text")
        if is_cut(text):
            found.append("cut_text")
        if not is_english(text):
            found.append("not_english")
        if text and self._known(review.product, text):
            found.append("duplicate_text")
        if contradicts(review):
            found.append("contradictory")
        return tuple(found)

    def _known(self, product: str | None, text: str) -> bool:
        key = hashlib.blake2b(f"{product}\x00{text}".encode("utf-8", "replace"), digest_size=8).digest()
        if key in self._seen:
            return True
        self._seen.add(key)
        return False


def is_cut(text: str) -> bool:
    """Whether the text stops without an end at one of the lengths that files are cut at.

    Cleaning may have shortened it a little, so a few characters less count too."""
    length = len(text)
    return any(cut - NEAR <= length <= cut for cut in CUTS) and not text.endswith(_ENDS)


def is_english(text: str) -> bool:
    """Whether a text of at least five words looks English; a shorter one is given the benefit of the doubt.

    Tells languages of other scripts and longer texts in the usual European ones; a Dutch or Scottish text, a
    list of product names or a text of typing errors may fool it."""
    start = text[:400].lower()
    if not start.isascii():
        letters = [letter for letter in start if letter.isalpha()]
        if len(letters) >= _FEW_WORDS and 2 * sum(map(LAST_LATIN.__lt__, letters)) > len(letters):
            return False
    words = _WORD.findall(start)
    if len(words) < _FEW_WORDS:
        return True
    return sum(word in COMMON for word in words) >= _LEAST_COMMON * len(words)


def contradicts(review: Review) -> bool:
    """Whether stars and recommendation say opposite things."""
    if review.rating is None or review.recommended is None:
        return False
    return review.recommended if review.rating <= 2 else not review.recommended and review.rating >= 4
