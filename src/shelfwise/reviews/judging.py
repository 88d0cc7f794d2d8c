"""From the lexicon's words in one clause to judgements: what is praised or blamed, and by which words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from shelfwise.reviews.aspects import ASPECTS
from shelfwise.reviews.targets import Targets
from shelfwise.reviews.words import Hit, Lexicon

_NEGATION_REACH = 4
"""Words between a negator and what it negates, intensifiers not counted."""
_BODILY = ("fit", "quality")
"""Aspects whose words are said of bodies too: "i am short", "i'm thin"."""
_THAN_REACH = 6
"""Tokens from a comparative to its "than"."""


class Judgement(NamedTuple):
    """Praise (`sign` 1) or blame (-1) by tokens `first` to `last` (excluded)."""

    aspect: str | None
    """None where the product as a whole is judged."""
    sign: int
    first: int
    last: int
    term: tuple[int, int] | None
    """Tokens of the thing that is named."""
    how: str
    """A key of `Lexicon.confidence`."""


class Clause:
    """The words of one clause with the phrases found in them; read once, from left to right."""

    def __init__(self, lexicon: Lexicon, words: list[str], start: int, end: int) -> None:
        self._lexicon, self._sets = lexicon, lexicon.sets
        self._words, self._start, self._end = words, start, end
        self._hits = lexicon.hits(words, start, end)
        self._targets = Targets(words, start, self._hits, lexicon.sets)
        self._negator = -1
        """Where the last negator ends; -1 for none."""
        self._negated_to = -1
        """Where the last negated phrase ends: "not itchy or stiff" negates both."""
        self._wish = False
        """What follows is missing."""
        self._doubt = False
        """What follows is not said of the product."""

    def judgements(self) -> list[Judgement]:
        """All judgements of the clause, the weak ones only of aspects that nothing else is said of."""
        found: list[Judgement] = []
        if not any(hit.entry.judges for hit in self._hits):
            return found
        for hit in self._hits:
            found.extend(self._read(hit))
        said = {one.aspect for one in found if one.how != "weak"}
        return [one for one in found if one.how != "weak" or one.aspect not in said]

    def _read(self, hit: Hit) -> Iterator[Judgement]:
        entry = hit.entry
        if entry.cue == "negator":
            self._negator = hit.last
        elif entry.cue == "wish":
            self._wish = True
        elif entry.cue == "doubt":
            self._doubt = True
        if not entry.judges or (self._doubt and not self._wish) or self._is_adverb(hit):
            return
        if entry.cue == "size":
            yield from self._size(hit)
        elif entry.cue == "comparative":
            yield from self._comparative(hit)
        if entry.opinions:
            yield from self._opinions(hit)
        if entry.general:
            yield from self._general(hit)

    def _opinions(self, hit: Hit) -> Iterator[Judgement]:
        """What the phrase judges by itself: "gorgeous", "itchy", "runs small"."""
        target = self._targets.of(hit)
        kind = "" if target is None else target.entry.term or ""
        shifting = self._lexicon.shifted.get(kind)
        shifted = shifting is not None and " ".join(self._words[hit.first : hit.last]) in shifting
        how = "weak" if hit.entry.weak else "word"
        for named, sign in hit.entry.opinions:
            aspect = kind if shifted else named
            if aspect not in _BODILY or not self._is_of_buyer(hit.first):
                whole = aspect == "product"
                yield self._judgement(None if whole else aspect, self._signed(sign, hit), hit, target, how)

    def _general(self, hit: Hit) -> Iterator[Judgement]:
        """What praise or blame in general is said of; a pronoun or nothing is the product as a whole."""
        if (
            self._words[hit.first] in ("like", "liked")
            and self._before(hit.first) not in self._sets["likers"]
        ):
            return
        sign = self._signed(hit.entry.general, hit)
        found = self._targets.objects(hit) if hit.entry.cue == "verb" else self._targets.praised(hit)
        named = [target for target in found if target.entry.term != "pronoun"]
        for target in named:
            aspect = target.entry.term if target.entry.term in ASPECTS else None
            tokens = (target.first, target.last)
            yield Judgement(aspect, sign, hit.first, hit.last, tokens, "general")
        if not named:
            yield Judgement(None, sign, hit.first, hit.last, None, "general")

    def _size(self, hit: Hit) -> Iterator[Judgement]:
        """A size word is a complaint behind "too", "a bit" or a verb; before a noun it describes."""
        at = hit.first
        while at > self._start and self._words[at - 1] in self._sets["degrees"]:
            at -= 1
        degrees = self._words[at : hit.first]
        enough = self._words[hit.last : hit.last + 1] == ["enough"]
        too = not self._sets["too"].isdisjoint(degrees)
        predicate = self._before(at) in self._sets["copulas"] and self._ends_phrase(hit.last)
        complains = too or self._wish or predicate or not self._sets["diminutives"].isdisjoint(degrees)
        if (complains or enough) and not self._is_of_buyer(hit.first):
            sign = 1 if enough else -1
            if self._is_negated(hit):
                sign = -sign
            if self._wish and not too:
                sign = -1
            yield self._judgement("fit", sign, hit, self._targets.of(hit), "size")

    def _comparative(self, hit: Hit) -> Iterator[Judgement]:
        """ "Longer than pictured", "could be longer", "a bit longer" complain; "a longer top" does not."""
        ahead = self._words[hit.last : min(hit.last + _THAN_REACH, self._end)]
        behind = self._words[max(self._start, hit.first - 3) : hit.first]
        wanted = self._wish or not self._sets["conditionals"].isdisjoint(behind[-2:])
        diminished = self._ends_phrase(hit.last) and not self._sets["diminutives"].isdisjoint(behind)
        if wanted or diminished or "than" in ahead:
            yield self._judgement("fit", -1, hit, self._targets.of(hit), "size")

    def _judgement(self, aspect: str | None, sign: int, hit: Hit, target: Hit | None, how: str) -> Judgement:
        """A judgement whose term is in the phrase itself ("fits perfectly"), else the target."""
        term = None if target is None else (target.first, target.last)
        for at in range(hit.first, hit.last):
            node = self._lexicon.root.get(self._words[at])
            named = node is not None and node.entry is not None and node.entry.term in ASPECTS
            if named and self._words[at] not in self._sets["unnamed"]:
                term = (at, at + 1)
                break
        return Judgement(aspect, sign, hit.first, hit.last, term, how)

    def _signed(self, sign: int, hit: Hit) -> int:
        """The sign after wishes, negation and "too"."""
        if self._wish:
            return -1
        if self._is_negated(hit):
            return -sign
        return -1 if self._before(hit.first) in self._sets["too"] else sign

    def _is_negated(self, hit: Hit) -> bool:
        """Whether a negator bears on the phrase: directly, through "or", or as in "too tight to be soft"."""
        words = self._words
        joined = words[self._negated_to : hit.first] if 0 <= self._negated_to <= hit.first else []
        between = words[self._negator : hit.first] if 0 <= self._negator <= hit.first else None
        if len(joined) <= 3 and ("or" in joined or "nor" in joined):
            negated = True
        elif words[max(self._start, hit.first - 2) : hit.first] == ["to", "be"]:
            negated = "too" in words[self._start : hit.first] or self._reaches(between, hit)
        else:
            negated = self._reaches(between, hit)
        if negated:
            self._negated_to = hit.last
        return negated

    def _reaches(self, between: list[str] | None, hit: Hit) -> bool:
        """Whether the words between the negator and the phrase let the negation through."""
        if between is None or self._negator < self._negated_to <= hit.first:
            return False
        barred = not self._sets["barriers"].isdisjoint(between)
        return not barred and sum(word not in self._sets["light"] for word in between) <= _NEGATION_REACH

    def _is_of_buyer(self, at: int) -> bool:
        """Whether the words from token `at` on are said of the buyer: "i'm a bit short"."""
        while at > self._start and (
            self._words[at - 1] in self._sets["light"] or self._words[at - 1] == "on"
        ):
            at -= 1
        return self._before(at) in self._sets["speakers"]

    def _is_adverb(self, hit: Hit) -> bool:
        """Whether the phrase only says how much: "pretty soft"."""
        if self._words[hit.first] != "pretty":
            return False
        return any(other.first == hit.last and other.entry.judges for other in self._hits)

    def _ends_phrase(self, at: int) -> bool:
        """Whether no noun follows: a stop, a sign or the clause's end."""
        return at >= self._end or self._words[at] in self._sets["stops"] or self._words[at] == "enough"

    def _before(self, at: int) -> str:
        return self._words[at - 1] if at > self._start else ""
