"""What a judgement is said of: the noun behind an adjective, its subject, or the objects of a verb."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

from shelfwise.reviews.words import Hit

_NOUN_REACH = 4
"""Tokens from an adjective to the noun behind it."""
_SUBJECT_REACH = 9
"""Tokens from an adjective back to its subject, and from a verb to its object."""
_LIST_REACH = 4
"""Tokens from one thing of a list to the next: "the fit, the lovely color"."""


class Targets:
    """The nouns and pronouns of one clause, from left to right."""

    def __init__(
        self, words: list[str], start: int, hits: list[Hit], sets: Mapping[str, frozenset[str]]
    ) -> None:
        self._words, self._start, self._sets = words, start, sets
        self._hits = [hit for hit in hits if hit.entry.term is not None]
        self._firsts = [hit.first for hit in self._hits]

    def of(self, hit: Hit) -> Hit | None:
        """The noun that an adjective is said of; None where it is a pronoun or not named."""
        found = self.praised(hit)
        return found[0] if found and found[0].entry.term != "pronoun" else None

    def praised(self, hit: Hit) -> list[Hit]:
        """What an adjective is said of, with the other things of a list; empty where nothing is named.

        The noun right behind it ("great fabric") goes before the subject ("the fabric is great")."""
        at = bisect_left(self._firsts, hit.last)
        if at < len(self._hits):
            target = self._hits[at]
            between = self._words[hit.last : target.first]
            near = len(between) <= _NOUN_REACH and self._sets["stops"].isdisjoint(between)
            if near and target.entry.term != "pronoun":
                return self._with_following(at)
        for at in range(bisect_left(self._firsts, hit.first) - 1, -1, -1):
            target = self._hits[at]
            if target.last > hit.first:
                continue
            if hit.first - target.last > _SUBJECT_REACH:
                break
            if not self._is_aside(target):
                return self._with_preceding(at)
        return []

    def objects(self, hit: Hit) -> list[Hit]:
        """What a verb such as "love" takes: the first thing behind it and the rest of its list."""
        for at in range(bisect_left(self._firsts, hit.last), len(self._hits)):
            target = self._hits[at]
            between = self._words[hit.last : target.first]
            if len(between) > _SUBJECT_REACH:
                break
            if target.entry.term != "pronoun" or not ("how" in between or "way" in between):
                return self._with_following(at)
        return []

    def _with_following(self, at: int) -> list[Hit]:
        """The thing and those joined to it behind: "the fit, the color and the feel"."""
        found = [self._hits[at]]
        for target in self._hits[at + 1 :]:
            between = self._words[found[-1].last : target.first]
            joined = not self._sets["coordinators"].isdisjoint(between[:2])
            if len(between) > _LIST_REACH or not joined or target.entry.term == "pronoun":
                break
            found.append(target)
        return found

    def _with_preceding(self, at: int) -> list[Hit]:
        """The thing and those joined to it before: "fit, color and quality are great"."""
        found = [self._hits[at]]
        for target in reversed(self._hits[:at]):
            between = self._words[target.last : found[-1].first]
            if len(between) >= _LIST_REACH or self._sets["coordinators"].isdisjoint(between):
                break
            found.append(target)
        return found

    def _is_aside(self, target: Hit) -> bool:
        """Whether the thing only says where or of what: "the fit of the dress", "tight in the chest"."""
        at = target.first
        if at > self._start and self._words[at - 1] in self._sets["determiners"]:
            at -= 1
        return at > self._start and self._words[at - 1] in self._sets["prepositions"]
