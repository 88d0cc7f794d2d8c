"""The lexicon's words, found in a text in one pass: the phrases of `lexicon.toml` in a trie over tokens.

A trie over tokens, not one regular expression: it costs a dictionary look-up per word however many phrases
there are, and intensifiers may stand inside a phrase ("runs a little bit small")."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any, Literal, NamedTuple

from shelfwise.reviews.aspects import ASPECTS

Cue = Literal["", "negator", "affirmative", "wish", "doubt", "verb", "size", "comparative", "neutral"]
_TOKEN = re.compile(r"[^\W_]+(?:(?:['’]|&#0?39;)[^\W_]+)*|[,;:.!?()&]")
_APOSTROPHES = re.compile(r"’|&#0?39;")
_CLASS = re.compile(r"\{(\w+)\}")


class Tokens(NamedTuple):
    """Words and signs of a text, lower case, with where they stand in it."""

    words: list[str]
    starts: list[int]
    ends: list[int]


@dataclass(frozen=True, slots=True)
class Entry:
    """What a phrase can be; several at once ("beautiful": look, and praise of what it stands by)."""

    term: str | None = None
    """The aspect that it names, `product` for the thing as a whole, `pronoun`."""
    opinions: tuple[tuple[str, int], ...] = ()
    """Aspects that it judges by itself, with 1 for praise and -1 for blame."""
    weak: bool = False
    """Its opinions count only where nothing else is said of the aspect."""
    general: int = 0
    """Praise or blame of what it stands by."""
    cue: Cue = ""
    judges: bool = field(init=False)
    """Whether it can praise or blame."""

    def __post_init__(self) -> None:
        judges = bool(self.opinions) or self.general != 0 or self.cue in ("size", "comparative")
        object.__setattr__(self, "judges", judges)


class Hit(NamedTuple):
    """A phrase found: tokens `first` to `last` (excluded)."""

    first: int
    last: int
    entry: Entry


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    entry: Entry | None = None


@dataclass(frozen=True)
class Lexicon:
    """All phrases, and the small sets of words that rules ask for by name."""

    root: dict[str, _Node]
    sets: dict[str, frozenset[str]]
    shifted: dict[str, frozenset[str]]
    """Words that judge the aspect of the thing they are said of, whatever they judge alone."""
    confidence: dict[str, float]
    """About how often an opinion found in this way is right, by `Judgement.how`."""

    def hits(self, words: list[str], start: int, end: int) -> list[Hit]:
        """The longest phrases in tokens `start` to `end`, from left to right, none overlapping."""
        found = []
        at = start
        root = self.root
        while at < end:
            node = root.get(words[at])
            hit = None if node is None else self._longest(node, words, at, end)
            if hit is None:
                at += 1
            else:
                found.append(hit)
                at = hit.last
        return found

    def _longest(self, node: _Node, words: list[str], first: int, end: int) -> Hit | None:
        best = None if node.entry is None else Hit(first, first + 1, node.entry)
        if not node.children:
            return best
        inside = self.sets["inside"] if words[first] not in self.sets["inside"] else frozenset()
        at = first + 1
        while at < end and node.children:
            child = node.children.get(words[at])
            if child is None and words[at] not in inside:
                break
            at += 1
            if child is not None:
                node = child
                if node.entry is not None:
                    best = Hit(first, at, node.entry)
        return best


def tokens(text: str) -> Tokens:
    """The words and signs of `text`; typographic apostrophes become plain ones."""
    lower = text.lower()
    if len(lower) != len(text):  # some capitals are two characters when lower case
        lower = "".join(small if len(small := sign.lower()) == 1 else sign for sign in text)
    spans = [match.span() for match in _TOKEN.finditer(lower)]
    words = [lower[start:end] for start, end in spans]
    if "’" in text or "&#" in text:
        words = [_APOSTROPHES.sub("'", word) for word in words]
    return Tokens(words, [start for start, _ in spans], [end for _, end in spans])


@cache
def lexicon() -> Lexicon:
    """The lexicon that comes with the package, read once."""
    room = files("shelfwise.reviews")
    data: dict[str, Any] = {}
    for name in ("grammar.toml", "lexicon.toml"):
        data |= tomllib.loads((room / name).read_text(encoding="utf-8"))
    sets = {name: frozenset(words) for name, words in data["scope"].items()}
    sets["light"] = sets["inside"] | sets["around"]
    sets["degrees"] = sets["inside"] | sets["parts_of_degrees"]
    entries: dict[tuple[str, ...], Entry] = {}
    for phrase, sense in _phrases(data):
        for words in _spelled(phrase, data["classes"], sets["inside"]):
            known = entries.get(words, Entry())
            opinions = known.opinions + sense.get("opinions", ())
            entries[words] = replace(known, **{**sense, "opinions": opinions})
    root: dict[str, _Node] = {}
    for words, entry in entries.items():
        node = root.setdefault(words[0], _Node())
        for word in words[1:]:
            node = node.children.setdefault(word, _Node())
        node.entry = entry
    shifted = {aspect: frozenset(words) for aspect, words in data["shifted"].items()}
    return Lexicon(root, sets, shifted, data["confidence"])


def _phrases(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every phrase of the files with the fields of `Entry` that its list gives it."""
    for phrases, sense in _lists(data):
        for phrase in phrases:
            yield phrase, sense


def _lists(data: dict[str, Any]) -> Iterator[tuple[list[str], dict[str, Any]]]:
    targets = data["targets"]
    for cue, phrases in data["cues"].items():
        yield phrases, {"cue": cue}
    yield targets["products"], {"term": "product"}
    yield targets["pronouns"], {"term": "pronoun"}
    for name, sign in (("positive", 1), ("negative", -1)):
        yield targets[name], {"general": sign}
        yield targets[f"verbs_{name}"], {"general": sign, "cue": "verb"}
        yield targets[f"whole_{name}"], {"opinions": (("product", sign),)}
        for aspect in ASPECTS:
            yield data[aspect][name], {"opinions": ((aspect, sign),)}
            yield data[aspect].get(f"weak_{name}", []), {"opinions": ((aspect, sign),), "weak": True}
    for aspect in ASPECTS:
        yield data[aspect]["terms"], {"term": aspect}


def _spelled(phrase: str, classes: dict[str, list[str]], inside: frozenset[str]) -> Iterator[tuple[str, ...]]:
    """The token sequences of a phrase, classes spelled out; intensifiers in its middle are left out."""
    names = _CLASS.findall(phrase)
    for choice in product(*(classes[name] for name in names)):
        words = tokens(phrase.format(**dict(zip(names, choice, strict=True)))).words
        if words[0] not in inside:
            words = [words[0], *(word for word in words[1:-1] if word not in inside), *words[1:][-1:]]
        yield tuple(words)
