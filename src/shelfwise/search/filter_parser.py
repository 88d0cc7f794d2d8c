"""Text to a filter's tree, by recursive descent.

    filter   = both {"or" both}
    both     = one {"and" one}
    one      = "not" one | "(" filter ")" | "exists" "(" name ")"
             | name ("=" | "!=" | "<" | "<=" | ">" | ">=") literal
             | name ["not"] "in" "(" literal {"," literal} ")"
    name     = word | "`" any "`"
    literal  = number | "\\"" any "\\"" | "'" any "'" | "true" | "false"

Nothing of the text is ever pasted into another language: the tree is evaluated on columns.
"""

from __future__ import annotations

from typing import cast, get_args

from shelfwise.errors import FilterError
from shelfwise.search.filter_tree import Among, And, Compare, Exists, Filter, Not, Operator, Or, Scalar
from shelfwise.search.filter_words import Word, words_of

DEEPEST = 50
"""Parentheses and nots within each other."""
MOST_VALUES = 1_000
"""In one `in (...)`."""


def parse(text: str) -> Filter:
    """The tree of a filter; FilterError says where the text is wrong, and what was expected."""
    reading = _Reading(list(words_of(text)))
    tree = reading.filter(0)
    if reading.next.kind != "end":
        raise FilterError(f"expected 'and', 'or' or the end, not {reading.next}", reading.next.at)
    return tree


class _Reading:
    """Where in the words we are."""

    def __init__(self, words: list[Word]) -> None:
        self._words = words
        self._place = 0

    @property
    def next(self) -> Word:
        return self._words[self._place]

    def filter(self, depth: int) -> Filter:
        if depth > DEEPEST:
            raise FilterError(f"more than {DEEPEST} parentheses within each other", self.next.at)
        parts = [self._both(depth)]
        while self._took("keyword", "or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _both(self, depth: int) -> Filter:
        parts = [self._one(depth)]
        while self._took("keyword", "and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self, depth: int) -> Filter:
        if self._took("keyword", "not"):
            if depth > DEEPEST:
                raise FilterError(f"more than {DEEPEST} times 'not'", self.next.at)
            return Not(self._one(depth + 1))
        if self._took("sign", "("):
            inner = self.filter(depth + 1)
            self._need("sign", ")")
            return inner
        if self._took("keyword", "exists"):
            self._need("sign", "(")
            name = self._name()
            self._need("sign", ")")
            return Exists(str(name.value), name.at)
        return self._condition(self._name())

    def _condition(self, name: Word) -> Filter:
        field, word = str(name.value), self.next
        if word.kind == "sign" and word.value in get_args(Operator):
            self._place += 1
            return Compare(field, cast(Operator, word.value), self._literal(), name.at)
        turned = self._took("keyword", "not")
        if self._took("keyword", "in"):
            among = Among(field, self._literals(), name.at)
            return Not(among) if turned else among
        raise FilterError(f"after '{field}' expected one of = != < <= > >= in, not {self.next}", self.next.at)

    def _literals(self) -> tuple[Scalar, ...]:
        self._need("sign", "(")
        values = [self._literal()]
        while self._took("sign", ","):
            if len(values) == MOST_VALUES:
                raise FilterError(f"more than {MOST_VALUES:,} values", self.next.at)
            values.append(self._literal())
        self._need("sign", ")")
        return tuple(values)

    def _literal(self) -> Scalar:
        word = self.next
        if word.kind in ("number", "text") or word.value in ("true", "false"):
            self._place += 1
            return word.value
        hint = f'; texts stand in quotes: "{word.value}"' if word.kind == "name" else ""
        raise FilterError(f"expected a number or a text in quotes, not {word}{hint}", word.at)

    def _name(self) -> Word:
        word = self.next
        if word.kind != "name":
            raise FilterError(f"expected a field, 'not', 'exists' or '(', not {word}", word.at)
        self._place += 1
        return word

    def _took(self, kind: str, value: str) -> bool:
        """Go on if this is what comes."""
        found = self.next.kind == kind and self.next.value == value
        self._place += found
        return found

    def _need(self, kind: str, value: str) -> None:
        if not self._took(kind, value):
            raise FilterError(f"expected '{value}', not {self.next}", self.next.at)
