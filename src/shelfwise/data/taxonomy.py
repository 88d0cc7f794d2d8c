"""A tree of classes learned from labelled rows: labels of every level to numbers, and back.

K: leaf classes, L: levels, coarsest first, N: rows. A node is a prefix of a path, such as
("Apparel", "Topwear"), and its number counts the nodes of its own level. A single-valued attribute is a
tree of one level. -1 stands for a label that is missing, or was never seen.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64
from numpy import ndarray

from shelfwise.errors import DataError

Path = tuple[str, ...]
Row = tuple[str | None, ...]
STRAY = 0.02


def distinct_names(paths: Sequence[Path]) -> tuple[str, ...]:
    """Each class's own name; where two share one, the end of the path that is its own: `Men > Other`."""
    return tuple(" > ".join(end) for end in distinct_ends(paths))


def distinct_ends(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The shortest end of each path that no other path has."""
    ends = [[path[-size:] for size in range(1, len(path) + 1)] for path in paths]
    seen = Counter(end for those in ends for end in those)
    return tuple(next((end for end in those if seen[end] == 1), those[-1]) for those in ends)


@dataclass(frozen=True)
class Taxonomy:
    """The leaf classes of a hierarchical target: sorted paths from the coarsest level to the leaf."""

    levels: tuple[str, ...]
    paths: tuple[Path, ...]
    strays: dict[Path, int] = field(default_factory=dict, hash=False)
    """Paths taken for slips, with their rows; `encode` reads them as their leaf's only path."""

    def __post_init__(self) -> None:
        if any(len(path) != len(self.levels) for path in (*self.paths, *self.strays)):
            raise ValueError(f"a path has one name for each of {self.levels}")
        if list(self.paths) != sorted(set(self.paths)):
            raise ValueError("paths are sorted and differ")

    @classmethod
    def of(cls, rows: Iterable[Row], levels: Sequence[str], *, stray: float = STRAY) -> Taxonomy:
        """The classes that occur in `rows`; DataError if no row has a label of every level.

        A leaf name under several parents is several classes, unless one parent holds all but a share
        `stray` of the name's rows: the others are then slips, no classes, and are counted in `strays`.
        Only leaf names tell slips; an odd path with a leaf of its own is a class like any other.
        Rows with a missing level add no class: a node without a known leaf could not be predicted."""
        if not 0 <= stray < 0.5:
            raise ValueError(f"stray is a share below a half, not {stray}")
        by_leaf: dict[str, Counter[Path]] = defaultdict(Counter)
        for row in rows:
            path = tuple(name for name in _of_length(row, len(levels)) if name is not None)
            if len(path) == len(levels):
                by_leaf[path[-1]][path] += 1
        if not by_leaf:
            raise DataError(f"no row has a label of every level of {' > '.join(levels)}")
        paths: list[Path] = []
        strays: dict[Path, int] = {}
        for counts in by_leaf.values():
            (main, most), *others = counts.most_common()
            if counts.total() - most <= stray * counts.total():
                paths.append(main)
                strays.update(others)
            else:
                paths.extend(counts)
        return cls(tuple(levels), tuple(sorted(paths)), dict(sorted(strays.items())))

    def __len__(self) -> int:
        """The number of leaf classes."""
        return len(self.paths)

    def nodes(self, level: int) -> tuple[Path, ...]:
        """The nodes of a level, 0 the coarsest, in order; those of the last level are the paths."""
        return tuple(dict.fromkeys(path[: level + 1] for path in self.paths))

    def parents(self, level: int) -> Bool[ndarray, "nodes K"]:
        """Which leaves lie under which node of a level; each leaf under exactly one."""
        return np.asarray(np.arange(len(self.nodes(level)))[:, None] == self.ancestors[:, level])

    @cached_property
    def ancestors(self) -> Int64[ndarray, "K L"]:
        """Number of each leaf's node at every level; the last column counts from 0 to K - 1."""
        numbers = [[self._numbers[path[: level + 1]] for level in range(len(path))] for path in self.paths]
        return np.array(numbers, dtype=np.int64).reshape(len(self.paths), len(self.levels))

    def encode(self, row: Row) -> tuple[int, tuple[int, ...]]:
        """The number of the leaf, and of the node at every level; -1 from where the row knows no more.

        A missing upper label is filled in where the lower ones leave no choice. A name never seen where
        the row has it counts as missing, so that the row still knows the node above it."""
        node = self._deepest_node(self._home.get(row, row))
        known = tuple(self._numbers[node[: level + 1]] for level in range(len(node)))
        numbers = known + (-1,) * (len(self.levels) - len(known))
        return numbers[-1], numbers

    def encode_rows(self, rows: Iterable[Row]) -> Int64[ndarray, "N L"]:
        """Node numbers of many rows; the last column holds the leaves."""
        seen: dict[Row, tuple[int, ...]] = {}  # a catalogue repeats few rows many times
        numbers = [seen[row] if row in seen else seen.setdefault(row, self.encode(row)[1]) for row in rows]
        return np.array(numbers, dtype=np.int64).reshape(-1, len(self.levels))

    def encode_sets(self, rows: Sequence[Iterable[str] | None]) -> Int64[ndarray, "N K"]:
        """1 where a row of a multi-valued attribute has the value, else 0; all -1 for a missing row (None).

        For trees of one level. Values that were never seen are left out."""
        if len(self.levels) != 1:
            raise ValueError(f"sets of values have one level, not {self.levels}")
        encoded = np.zeros((len(rows), len(self)), dtype=np.int64)
        for place, values in enumerate(rows):
            if values is None:
                encoded[place] = -1
            else:
                known = [self._numbers[value,] for value in values if (value,) in self._numbers]
                encoded[place, known] = 1
        return encoded

    def as_json(self) -> dict[str, Any]:
        """The same as plain lists, for `from_json`."""
        strays = [[list(path), count] for path, count in self.strays.items()]
        return {"levels": list(self.levels), "paths": [list(path) for path in self.paths], "strays": strays}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Taxonomy:
        """The taxonomy that `as_json` wrote."""
        strays = {tuple(path): count for path, count in value["strays"]}
        return cls(tuple(value["levels"]), tuple(tuple(path) for path in value["paths"]), strays)

    def _deepest_node(self, row: Row) -> Path:
        """The deepest node that every reading of the row lies under; () if it knows nothing."""
        row = _of_length(row, len(self.levels))
        for depth in range(len(row), 0, -1):
            name = row[depth - 1]
            if name is None:
                continue
            fits = [node for node in self._named.get((depth, name), ()) if _agree(row, node)]
            if fits:
                return _common_prefix(fits)
        return ()

    @cached_property
    def _numbers(self) -> dict[Path, int]:
        """Node to its number within its level."""
        levels = range(len(self.levels))
        return {node: number for level in levels for number, node in enumerate(self.nodes(level))}

    @cached_property
    def _named(self) -> dict[tuple[int, str], list[Path]]:
        """The nodes of a depth (1 the coarsest) that bear a name."""
        named: dict[tuple[int, str], list[Path]] = defaultdict(list)
        for node in self._numbers:
            named[len(node), node[-1]].append(node)
        return dict(named)

    @cached_property
    def _home(self) -> dict[Row, Path]:
        """Stray to the path it is counted to."""
        by_leaf = {path[-1]: path for path in self.paths}
        return {stray: by_leaf[stray[-1]] for stray in self.strays}


def balanced_rows(labels: Int64[ndarray, "N"], power: float) -> Float[ndarray, "N"]:
    """Chance of each row to be drawn, in proportion to its class's count ** -power; they sum to 1.

    0 draws rows evenly, 1 draws classes evenly, 0.5 lies between (square-root sampling, arXiv:1910.09217,
    section 3). A row of -1, whose class is missing, gets the mean of the others."""
    known = labels >= 0
    chances = np.ones(len(labels))
    if known.any():
        counts = np.bincount(labels[known])
        chances[known] = counts[labels[known]].astype(np.float64) ** -power
        chances[~known] = chances[known].mean()
    return np.asarray(chances / chances.sum()) if len(chances) else chances


def _of_length(row: Row, levels: int) -> Row:
    if len(row) != levels:
        raise ValueError(f"a row has {levels} labels, not {row}")
    return row


def _agree(row: Row, node: Path) -> bool:
    """Whether the row says nothing against the node."""
    return all(name is None or name == own for name, own in zip(row, node, strict=False))


def _common_prefix(nodes: Sequence[Path]) -> Path:
    """The longest beginning that all share; in sorted order the first and the last differ most."""
    first, last = min(nodes), max(nodes)
    same = [a == b for a, b in zip(first, last, strict=False)]
    return first[: same.index(False) if False in same else len(same)]
