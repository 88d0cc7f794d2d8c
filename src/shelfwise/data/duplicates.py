"""Near-identical pictures among thousands, without comparing every pair.

Hashes that differ in at most D of 256 bits agree in full on one of D + 1 bands of bits, so only pictures
that share a band are compared: exact, and memory is bounded by the block size. (fiftyone-brain#224: all
pairs at once is where other tools stop.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Bool, Int64, UInt8, UInt64
from numpy import ndarray

from shelfwise.data.hashing import difference_hashes, thumbnail_difference, thumbnails

MAX_DISTANCE = 6
MAX_PIXEL_DIFFERENCE = 6.0
_BITS = 256
_PAIRS = 1 << 20
"""Candidate pairs looked at together; 32 MB of hashes a side."""
_CONFIRM = 1 << 10
"""Thumbnail pairs compared together; 12 MB a side as floats."""


def near_duplicates(
    images_a: UInt8[ndarray, "N H W C"],
    images_b: UInt8[ndarray, "M H2 W2 C2"],
    *,
    max_distance: int = MAX_DISTANCE,
    max_pixel_difference: float = MAX_PIXEL_DIFFERENCE,
) -> Int64[ndarray, "P 2"]:
    """Rows (a, b) of pictures that are near-identical between two sets, sorted.

    Near-identical: at most `max_distance` of the 256 hash bits differ, and the 32x32 pictures differ by at
    most `max_pixel_difference` (of 255) on average over what is not background; see `data.hashing`."""
    pairs = near_hashes(difference_hashes(images_a), difference_hashes(images_b), max_distance)
    return _confirmed(
        pairs,
        lambda rows: thumbnails(images_a[rows]),
        lambda rows: thumbnails(images_b[rows]),
        max_pixel_difference,
    )


def near_pairs(
    hashes: UInt64[ndarray, "N 4"],
    small: UInt8[ndarray, "N 32 32 3"],
    *,
    max_distance: int = MAX_DISTANCE,
    max_pixel_difference: float = MAX_PIXEL_DIFFERENCE,
) -> Int64[ndarray, "P 2"]:
    """Rows (i, j), i < j, of near-identical pictures within one set, sorted; see `near_duplicates`."""
    pairs = near_hashes(hashes, None, max_distance)
    return _confirmed(pairs, small.__getitem__, small.__getitem__, max_pixel_difference)


def near_hashes(
    a: UInt64[ndarray, "N 4"], b: UInt64[ndarray, "M 4"] | None, max_distance: int
) -> Int64[ndarray, "P 2"]:
    """Rows (i, j) whose hashes differ in at most `max_distance` bits, sorted.

    With `b` None, pairs within `a`, i < j."""
    if not 0 <= max_distance < _BITS // 2:
        raise ValueError(f"max_distance {max_distance} is not in 0..{_BITS // 2 - 1}")
    other = a if b is None else b
    found = [np.empty((0, 2), dtype=np.int64)]
    for mask in _bands(max_distance + 1):
        keys_a, keys_b = _mix(a & mask), _mix(other & mask)
        for pairs in _same_key(keys_a, keys_b, within=b is None):
            distance = np.bitwise_count(a[pairs[:, 0]] ^ other[pairs[:, 1]]).sum(axis=1, dtype=np.int64)
            found.append(pairs[distance <= max_distance])
    return np.unique(np.concatenate(found), axis=0)


def _bands(count: int) -> Iterator[UInt64[ndarray, "4"]]:
    """Masks that divide the bits into `count` bands.

    Band k takes the bits k, k + count, k + 2 count ...: neighbouring bits agree too often (a blank top
    would put half of a catalogue into one bucket)."""
    for band in range(count):
        bits = np.zeros(_BITS, dtype=np.uint8)
        bits[band::count] = 1
        yield np.packbits(bits).view(np.uint64)


def _mix(words: UInt64[ndarray, "N 4"]) -> Int64[ndarray, "N"]:
    """A 64-bit number per row, equal for equal rows; rows that collide are sorted out by their distance."""
    mixed = np.zeros(len(words), dtype=np.uint64)
    for column in words.T:
        mixed = (mixed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed.view(np.int64)


def _same_key(
    keys_a: Int64[ndarray, "N"], keys_b: Int64[ndarray, "M"], *, within: bool
) -> Iterator[Int64[ndarray, "P 2"]]:
    """All (row of a, row of b) with the same key, about `_PAIRS` at a time; `within`: only row a < row b."""
    order = np.argsort(keys_b, kind="stable")
    ranked = keys_b[order]
    if within:
        rows = order
        low = np.arange(1, len(order) + 1)
        high = np.searchsorted(ranked, ranked, side="right")
    else:
        rows = np.arange(len(keys_a))
        low = np.searchsorted(ranked, keys_a, side="left")
        high = np.searchsorted(ranked, keys_a, side="right")
    some = high > low
    rows, low, high = rows[some], low[some], high[some]
    ends = np.cumsum(high - low)
    start = 0
    while start < len(rows):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _PAIRS, side="right")))
        counts = (high - low)[start:stop]
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        right = order[np.repeat(low[start:stop], counts) + offsets]
        yield np.stack([np.repeat(rows[start:stop], counts), right], axis=1)
        start = stop


def _confirmed(
    pairs: Int64[ndarray, "P 2"],
    small_a: Callable[[Int64[ndarray, "Q"]], UInt8[ndarray, "Q 32 32 3"]],
    small_b: Callable[[Int64[ndarray, "Q"]], UInt8[ndarray, "Q 32 32 3"]],
    max_pixel_difference: float,
) -> Int64[ndarray, "R 2"]:
    """The pairs whose thumbnails, fetched by row, differ by at most `max_pixel_difference`."""
    keep: Bool[ndarray, "P"] = np.zeros(len(pairs), dtype=bool)
    for start in range(0, len(pairs), _CONFIRM):
        left, right = pairs[start : start + _CONFIRM].T
        difference = thumbnail_difference(small_a(left), small_b(right))
        keep[start : start + _CONFIRM] = difference <= max_pixel_difference
    return np.asarray(pairs[keep])
