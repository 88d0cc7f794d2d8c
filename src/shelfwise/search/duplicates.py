"""Products that are listed twice: exactly, by a digest of all they say, or nearly, by their vectors.

Nearness is not an equality (a near b, b near c, a far from c), so a product is compared with the first of a
group only, as `data.families` does for pictures: all of a group lie within the bound of its first. Vectors
are compared block by block: memory is two blocks and a row number a product (fiftyone-brain#224: all pairs at
once is where other tools stop). Near-identical picture files are found by `data.duplicates`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int64, UInt64
from numpy import ndarray

from shelfwise.search.lists import Lists
from shelfwise.search.view import View

NEAR = 0.98
"""Cosine from which two products are near duplicates."""
BLOCK = 2_048
NEIGHBOURS = 8
"""Where there are lists, products of so many nearest lists are compared, besides those of the same one."""


@dataclass(frozen=True)
class Duplicate:
    """A product that repeats an earlier one, the first of its group."""

    kind: Literal["exact", "near"]
    row: int
    first: int
    cosine: float


def duplicates(view: View, near: float = NEAR) -> Iterator[Duplicate]:
    """Exact ones first, then near ones among what is left; each product once, in the order of rows."""
    firsts = exact_firsts(view.contents)
    yield from (
        Duplicate("exact", row, int(first), 1.0) for row, first in enumerate(firsts.tolist()) if first != row
    )
    rows = np.flatnonzero(firsts == np.arange(len(firsts)))
    yield from near_duplicates(view.vectors, rows, near, _parts(view, rows))


def exact_firsts(contents: UInt64[ndarray, "N 2"]) -> Int64[ndarray, "N"]:
    """For each row the first one with the same digest."""
    keys = np.ascontiguousarray(contents).view(np.dtype([("a", np.uint64), ("b", np.uint64)])).reshape(-1)
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    return np.asarray(first[group], np.int64)


Parts = list[tuple[Int64[ndarray, "_"], list[int]]]
"""Rows that are looked at together, and the earlier parts that they are compared with."""


def near_duplicates(
    vectors: Float32[ndarray, "N D"], rows: Int64[ndarray, "M"], near: float, parts: Parts | None = None
) -> Iterator[Duplicate]:
    """Rows whose cosine to an earlier first is `near` or more, with the nearest such first."""
    firsts: list[Int64[ndarray, "_"]] = []
    for part, earlier in _blocks(rows) if parts is None else parts:
        block = np.asarray(vectors[part])
        cosine, first = np.full(len(part), -1.0, np.float32), np.full(len(part), -1)
        for number in earlier:
            _improve(block @ np.asarray(vectors[firsts[number]]).T, firsts[number], cosine, first)
        for place in np.flatnonzero(cosine < near).tolist():
            # It is a first, unless an earlier first of this part is near; so it is for those that follow.
            if cosine[place] < near and place + 1 < len(part):
                later = block[place + 1 :] @ block[place]
                found, to = cosine[place + 1 :], first[place + 1 :]
                better = (later > found) & (later >= near)
                found[better], to[better] = later[better], part[place]
        kept = cosine < near
        firsts.append(part[kept])
        for place in np.flatnonzero(~kept).tolist():
            yield Duplicate("near", int(part[place]), int(first[place]), float(cosine[place]))


def _improve(
    cosines: Float32[ndarray, "B F"],
    rows: Int64[ndarray, "F"],
    best: Float32[ndarray, "B"],
    first: Int64[ndarray, "B"],
) -> None:
    """Take down where a row of the block has a nearer first."""
    if cosines.shape[1] == 0:
        return
    place = cosines.argmax(axis=1)
    found = cosines[np.arange(len(cosines)), place]
    better = found > best
    best[better], first[better] = found[better], rows[place[better]]


def _blocks(rows: Int64[ndarray, "M"]) -> Iterator[tuple[Int64[ndarray, "_"], list[int]]]:
    """Every row is compared with every earlier first."""
    for number, start in enumerate(range(0, len(rows), BLOCK)):
        yield rows[start : start + BLOCK], list(range(number))


def _parts(view: View, rows: Int64[ndarray, "M"]) -> Parts | None:
    """Where there are lists, the rows of each, and the nearest ones before it; None compares all."""
    lists = view.nearest
    if not isinstance(lists, Lists):
        return None
    bounds = np.searchsorted(rows, lists.starts)
    likeness = lists.centroids @ lists.centroids.T
    parts: Parts = []
    for number in range(len(lists.centroids)):
        nearest = np.argsort(-likeness[number])[: NEIGHBOURS + 1]
        part = rows[bounds[number] : bounds[number + 1]]
        parts.append((part, sorted(int(other) for other in nearest if other < number)))
    return parts
