"""The tree of a filter, and its text: `parse(render(tree)) == tree`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

Operator = Literal["=", "!=", "<", "<=", ">", ">="]
Scalar = str | float
KEYWORDS = frozenset({"and", "or", "not", "in", "exists", "true", "false"})
_BARE = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class Compare:
    """A field's value against a literal."""

    name: str
    operator: Operator
    value: Scalar
    at: int = field(default=0, compare=False)
    """Where in the text the field stands."""


@dataclass(frozen=True)
class Among:
    """A field's value is one of several."""

    name: str
    values: tuple[Scalar, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Exists:
    """A field has a value."""

    name: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Not:
    """What does not fulfil `part`."""

    part: Filter


@dataclass(frozen=True)
class And:
    """What fulfils every part; two or more."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True)
class Or:
    """What fulfils any part; two or more."""

    parts: tuple[Filter, ...]


Filter = Compare | Among | Exists | Not | And | Or


def render(tree: Filter) -> str:
    """The tree as text that `parse` reads back to the same tree."""
    match tree:
        case Compare(name, operator, value):
            return f"{render_name(name)} {operator} {render_value(value)}"
        case Among(name, values):
            return f"{render_name(name)} in ({', '.join(map(render_value, values))})"
        case Exists(name):
            return f"exists({render_name(name)})"
        case Not(part):
            return f"not {_inner(part)}"
        case And(parts):
            return " and ".join(map(_inner, parts))
        case Or(parts):
            return " or ".join(map(_inner, parts))


def render_name(name: str) -> str:
    """A field's name, in backquotes where it is no plain word."""
    if _BARE.fullmatch(name) and name.lower() not in KEYWORDS:
        return name
    return "`" + name.replace("`", "``") + "`"


def render_value(value: Scalar) -> str:
    """A literal; texts are always quoted."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(float(value))


def _inner(tree: Filter) -> str:
    """In parentheses where it would else be read with what stands beside it."""
    return f"({render(tree)})" if isinstance(tree, And | Or) else render(tree)
