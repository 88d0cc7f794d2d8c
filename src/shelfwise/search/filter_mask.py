"""Which products fulfil a filter: a tree and columns in, one Boolean a product out.

A product without a value fulfils no comparison, and so every `not` of one; `a != b` is `not a = b`. Texts are
compared without regard to case; of a field with several texts any may be meant.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import reduce
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from shelfwise.errors import FilterError
from shelfwise.search.columns import Columns, NumberColumn, TextColumn, folded
from shelfwise.search.filter_tree import Among, And, Compare, Exists, Filter, Not, Or, Scalar, render_name

_LISTED = 20
"""Fields that an error names at most."""
_ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def mask_of(tree: Filter, columns: Columns, rows: int) -> Bool[ndarray, "N"]:
    """One Boolean for each of `rows` products; FilterError for a field or a value that does not fit."""
    match tree:
        case And(parts):
            return np.asarray(reduce(np.logical_and, (mask_of(part, columns, rows) for part in parts)))
        case Or(parts):
            return np.asarray(reduce(np.logical_or, (mask_of(part, columns, rows) for part in parts)))
        case Not(part):
            return ~mask_of(part, columns, rows)
        case Compare(_, "!=", value):
            return ~_among(tree, (value,), columns, rows)
        case Compare(_, "=", value):
            return _among(tree, (value,), columns, rows)
        case Compare():
            return _ordered(tree, columns)
        case Among(_, values):
            return _among(tree, values, columns, rows)
        case Exists():
            return _there(tree, columns, rows)


def _ordered(tree: Compare, columns: Columns) -> Bool[ndarray, "N"]:
    column = _column(tree, columns)
    if isinstance(column, TextColumn):
        name = render_name(tree.name)
        raise FilterError(f"{name} holds texts, which '{tree.operator}' does not order; use = or in", tree.at)
    return np.asarray(_ORDERS[tree.operator](column.numbers, _number(tree, tree.value)))


def _among(
    tree: Compare | Among, values: Sequence[Scalar], columns: Columns, rows: int
) -> Bool[ndarray, "N"]:
    """Whose value is one of these."""
    column = _column(tree, columns)
    if isinstance(column, NumberColumn):
        numbers = [_number(tree, value) for value in values]
        if len(numbers) == 1:
            return np.asarray(column.numbers == numbers[0])
        return np.isin(column.numbers, numbers)
    wanted = [code for value in values for code in column.codes_of.get(folded(_text(tree, value)), ())]
    if len(wanted) == 1:
        return _owners(column, column.codes == wanted[0], rows)
    chosen = np.zeros(len(column.values), bool)
    chosen[wanted] = True
    return _owners(column, chosen[column.codes], rows)


def _there(tree: Exists, columns: Columns, rows: int) -> Bool[ndarray, "N"]:
    column = _column(tree, columns)
    if isinstance(column, NumberColumn):
        return np.asarray(~np.isnan(column.numbers))
    return _owners(column, np.ones(len(column.owners), bool), rows)


def _owners(column: TextColumn, which: Bool[ndarray, "M"], rows: int) -> Bool[ndarray, "N"]:
    """The products that own any of these values."""
    if len(column.owners) == rows and not column.several:
        return np.asarray(which)  # everyone has one, in order
    mask = np.zeros(rows, bool)
    mask[column.owners[which]] = True
    return mask


def _column(tree: Compare | Among | Exists, columns: Columns) -> NumberColumn | TextColumn:
    found = columns.get(tree.name)
    if found is None:
        raise FilterError(unknown_field(tree.name, columns), tree.at)
    return found


def unknown_field(name: str, columns: Columns) -> str:
    """What to say of a field that there is not: the likeliest one, and those that there are."""
    lower = {known.lower(): known for known in columns}
    near = get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    hint = f"; did you mean {render_name(lower[near[0]])}?" if near else "."
    names = sorted(columns)
    listed = ", ".join(map(render_name, names[:_LISTED])) or "none"
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return f"no field '{name}'{hint} The fields are: {listed}{more}"


def _number(tree: Compare | Among, value: Scalar) -> float:
    if isinstance(value, str):
        raise FilterError(f"{render_name(tree.name)} holds numbers; write {value!r} as a number", tree.at)
    return value


def _text(tree: Compare | Among, value: Scalar) -> str:
    if isinstance(value, str):
        return value
    name = render_name(tree.name)
    raise FilterError(f'{name} holds texts; write {name} = "{value:g}"', tree.at)
