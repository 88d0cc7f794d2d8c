"""Dot products of 8-bit vectors list by list: by compiled code where numba is installed, else by numpy.

N vectors, which stand list after list; D dimensions, L lists, M rows scanned.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Int8, Int16, Int32, Int64
from numpy import ndarray

from shelfwise.search.selection import Selection

LEVELS = 2_047
"""Steps of a query's largest number to either side: sums stay within 32 bits to 8,000 dimensions."""
_NO_MASK = np.zeros(0, bool)


def scan_lists(
    codes: Int8[ndarray, "N D"],
    starts: Int64[ndarray, "L_plus_1"],
    order: Int64[ndarray, "L"],
    some: Selection,
    query: Int16[ndarray, "D"],
    reach: int,
) -> tuple[Int64[ndarray, "M"], Int32[ndarray, "M"]]:
    """Rows of some products and their dot products, list by list in `order`, until there are `reach`."""
    kernel = _compiled()
    if kernel is None:
        return _lists_by_numpy(codes, starts, order, some, query, reach)
    room = min(len(codes), reach + int(np.diff(starts).max(initial=0)))
    rows, dots = np.empty(room, np.int64), np.empty(room, np.int32)
    mask = _NO_MASK if some.mask is None else some.mask
    found = kernel.scan_lists(codes, starts, order, mask, some.mask is not None, query, reach, rows, dots)
    return rows[:found], dots[:found]


def scan_rows(
    codes: Int8[ndarray, "N D"], rows: Int64[ndarray, "M"], query: Int16[ndarray, "D"]
) -> Int32[ndarray, "M"]:
    """Dot products of these rows."""
    kernel = _compiled()
    if kernel is None:
        return _dots_by_numpy(codes[rows], query)
    dots = np.empty(len(rows), np.int32)
    kernel.scan_rows(codes, rows, query, dots)
    return dots


@cache
def _compiled() -> Any:
    """The compiled kernels; None without numba."""
    try:
        from shelfwise.search import scan_numba
    except ImportError:
        return None
    return scan_numba


def _lists_by_numpy(
    codes: Int8[ndarray, "N D"],
    starts: Int64[ndarray, "L_plus_1"],
    order: Int64[ndarray, "L"],
    some: Selection,
    query: Int16[ndarray, "D"],
    reach: int,
) -> tuple[Int64[ndarray, "M"], Int32[ndarray, "M"]]:
    rows, dots, found = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)], 0
    for number in order.tolist():
        start, stop = int(starts[number]), int(starts[number + 1])
        here = np.arange(start, stop)
        if some.mask is not None:
            here = here[some.mask[start:stop]]
        rows.append(here)
        dots.append(_dots_by_numpy(codes[here], query))
        found += len(here)
        if found >= reach:
            break
    return np.concatenate(rows), np.concatenate(dots)


def _dots_by_numpy(codes: Int8[ndarray, "M D"], query: Int16[ndarray, "D"]) -> Int32[ndarray, "M"]:
    """Exact in single precision up to 2**24, and beyond it in double, which BLAS has too."""
    return (codes.astype(np.float64) @ query.astype(np.float64)).astype(np.int32)
