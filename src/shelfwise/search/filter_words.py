"""The words of a filter: names, numbers, texts, operators; each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from shelfwise.errors import FilterError
from shelfwise.search.filter_tree import KEYWORDS

Kind = Literal["name", "keyword", "number", "text", "sign", "end"]
LONGEST = 10_000
"""Characters of a filter."""
_TYPOGRAPHIC = "“”„‟‘’‚‛«»‹›"
_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_NAME = re.compile(r"[^\W\d]\w*")
_SIGN = re.compile(r"<=|>=|!=|[=<>(),]")
_QUOTED = re.compile(r"`((?:[^`]|``)+)`")


@dataclass(frozen=True)
class Word:
    """One word; `value` is a number, or the text without quotes and escapes."""

    kind: Kind
    value: str | float
    at: int

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else f"'{self.value}'"


def words_of(text: str) -> Iterator[Word]:
    """The words in order, an `end` last; FilterError for what is none."""
    if len(text) > LONGEST:
        raise FilterError(f"it has {len(text):,} characters; at most {LONGEST:,} are read", LONGEST)
    at = 0
    while at < len(text):
        if space := _SPACE.match(text, at):
            at = space.end()
            continue
        word, at = _word(text, at)
        yield word
    yield Word("end", "", len(text))


def _word(text: str, at: int) -> tuple[Word, int]:
    """The word that begins at `at`, and where it ends."""
    first = text[at]
    if first in "\"'":
        value, end = _text(text, at)
        return Word("text", value, at), end
    if found := _NUMBER.match(text, at):
        if text[found.end() : found.end() + 1].isidentifier():
            raise FilterError(f"'{first}...' is neither a number nor a name; put texts into quotes", at)
        return Word("number", _number(found.group(), at), at), found.end()
    if found := _NAME.match(text, at):
        lower = found.group().lower()
        kind: Kind = "keyword" if lower in KEYWORDS else "name"
        return Word(kind, lower if kind == "keyword" else found.group(), at), found.end()
    if found := _SIGN.match(text, at):
        return Word("sign", found.group(), at), found.end()
    if found := _QUOTED.match(text, at):
        return Word("name", found.group(1).replace("``", "`"), at), found.end()
    raise FilterError(_why_not(first), at)


def _text(text: str, start: int) -> tuple[str, int]:
    """The quoted text from `start` on, and where it ends."""
    quote, at = text[start], start + 1
    parts: list[str] = []
    while at < len(text):
        if text[at] == quote:
            return "".join(parts), at + 1
        if text[at] == "\\":
            at += 1
            if text[at : at + 1] not in (quote, "\\"):
                raise FilterError(f"after a backslash comes {quote} or another backslash", at)
        parts.append(text[at])
        at += 1
    raise FilterError(f"the quote {quote} is not closed", start)


def _number(text: str, at: int) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise FilterError(f"{text} is too large a number", at)
    return value


def _why_not(first: str) -> str:
    if first in _TYPOGRAPHIC:
        return f"{first} is a typographic quote; use \" or '"
    if first == "`":
        return "the backquote ` is not closed"
    hints = {"&": "and", "|": "or", "!": "not", ";": "and"}
    hint = f"; did you mean '{hints[first]}'?" if first in hints else ""
    return f"'{first}' is not understood{hint}"
