"""Columns of labels that form a path, such as department > class > type: found in their values alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

Column = Sequence[str | None]
FIRM = 0.85
"""Least determination of a path's levels: labels have slips, so it is never asked to be 1."""
ROWS = 20
"""Rows that must speak of two columns before anything is concluded."""


def determination(fine: Column, coarse: Column) -> float:
    """How well a row's `coarse` value is told by other rows with its `fine` one: 1 always, 0 no better than
    its commonest value.

    Goodman and Kruskal's lambda (JASA 49, 1954, section 5.1), left one out, so that rare values that agree
    by chance prove nothing; 0 where fewer than 20 rows have company. Both columns speak of the same rows."""
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for one, other in zip(fine, coarse, strict=True):
        if one is not None and other is not None:
            groups[one][other] += 1
    groups = {name: counts for name, counts in groups.items() if counts.total() > 1}
    whole = sum(groups.values(), Counter[str]())
    rows = whole.total()
    if rows < ROWS or len(whole) < 2:
        return 0.0
    guessed = max(whole.values())
    right = sum(_right(counts) for counts in groups.values())
    return max(0.0, (right - guessed) / (rows - guessed))


def longest_path(columns: Mapping[str, Column], *, firm: float = FIRM) -> tuple[str, ...]:
    """The columns of the longest path, coarse to fine; empty where no column tells another.

    Each level has more values than the one before and determines it, and not the other way round: that
    would be the same label under two names. Of equally long paths the one with the most values."""
    values = {name: len(set(cells) - {None}) for name, cells in columns.items()}
    best: dict[str, tuple[str, ...]] = {}
    for fine in sorted(columns, key=values.__getitem__):
        above = [
            path
            for coarse, path in best.items()
            if values[coarse] < values[fine] and _lies_above(columns[coarse], columns[fine], firm)
        ]
        best[fine] = (*max(above, key=len, default=()), fine)
    found = max(best.values(), key=lambda path: (len(path), values[path[-1]]), default=())
    return found if len(found) > 1 else ()


def _lies_above(coarse: Column, fine: Column, firm: float) -> bool:
    return determination(fine, coarse) >= firm > determination(coarse, fine)


def _right(counts: Counter[str]) -> float:
    """Rows whose value is the commonest among the others of their group; a tie is half right."""
    right = 0.0
    for value, count in counts.items():
        others = max((n for other, n in counts.items() if other != value), default=0)
        right += count * (1.0 if count - 1 > others else 0.5 if count - 1 == others else 0.0)
    return right
