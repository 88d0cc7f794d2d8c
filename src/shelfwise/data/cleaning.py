"""Repairs of a review's text before anything reads it: pure functions, one for each key of `CleanConfig`.

Case, quotes and negation stay. `data.cleaning_impact` says what the repairs did to a whole file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from shelfwise.config import CleanConfig
from shelfwise.data.text import clean_text

LINK = "[link]"
"""What stands in the place of a web address."""

_ADDRESS = re.compile(r"(?:https?://|\bwww\.)\S*[\w/]", re.I)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_STRANGE = re.compile(
    "[^\x00-\x7f\U00010000-\U0010ffff]{2}"
    "|[^\x00-\x7f\xa1-\xa8\xaa-\xac\xae-\xc1\xc4-\xff\u2010-\u2026\u20ac\u2122\U0001f300-\U0001faff]"
)
"""What ftfy might mend: a wrongly decoded letter shows as two strange ones, or as a Ã before a space."""
_RUN = re.compile(r"(.)\1\1\1")
_LONG_RUN = re.compile(r"([^\s\d])\1{3,}")
_ROUNDS = 16


def clean(text: str, config: CleanConfig) -> str:
    """The text after every repair that is switched on; cleaning it again changes nothing. Never raises.

    One repair can make work for an earlier one (an entity that stood for half of a broken letter), so the
    repairs go round until nothing changes, which an ordinary text does at once."""
    for _ in range(_ROUNDS):
        before = text
        for name, repair in REPAIRS.items():
            if getattr(config, name):
                text = repair(text)
        if text == before:
            break
    return text


def mend_encoding(text: str) -> str:
    """The text with letters that were decoded wrongly mended (`cafÃ©` is `café`), in Unicode's form NFC.

    Control characters go, and so do halves of letters; curly quotes stay."""
    if not text.isascii() and _STRANGE.search(text):  # a tenth of the time that ftfy takes to find nothing
        return _mender()(text)
    return text if text.isprintable() else _CONTROL.sub("", text)


def strip_markup(text: str) -> str:
    """The text without HTML, its entities resolved; only a text that has some is put on one line.

    See `data.text.clean_text` for what is taken for HTML."""
    if "<" not in text and "&" not in text:
        return text
    plain, found = clean_text(text)
    return plain if found else text


def replace_urls(text: str) -> str:
    """The text with `[link]` for each address that starts with http://, https:// or www."""
    if "://" not in text and "www." not in text.lower():
        return text
    return _ADDRESS.sub(LINK, text)


def shorten_repeats(text: str) -> str:
    """The text with runs of one letter or one mark cut to three: `soooooo!!!!!` is `sooo!!!`.

    Digits stay as they are: 10000 is a number."""
    if not _RUN.search(text):  # five times as fast as the search below, and hardly any text has a run
        return text
    return _LONG_RUN.sub(r"\1\1\1", text)


def squeeze_whitespace(text: str) -> str:
    """The text with one space between words and none at the ends."""
    if text.isprintable() and "  " not in text and text[:1] != " " and text[-1:] != " ":
        return text
    return " ".join(text.split())


REPAIRS: dict[str, Callable[[str], str]] = {
    "encoding": mend_encoding,
    "markup": strip_markup,
    "urls": replace_urls,
    "repeats": shorten_repeats,
    "whitespace": squeeze_whitespace,
}
"""Key of `CleanConfig` to its repair, in the order in which they are applied."""


@cache
def _mender() -> Callable[[str], str]:
    """ftfy, imported when the first text needs it: that takes longer than to clean a thousand reviews."""
    from ftfy import TextFixerConfig, fix_text

    settings = TextFixerConfig(unescape_html=False, uncurl_quotes=False, explain=False)
    return lambda text: fix_text(text, settings)
