"""The compiled scan of 8-bit vectors: integer dot products of the rows that a mask lets through.

The first call compiles for a few seconds and leaves the result in numba's cache. `search.scan` does the same
in numpy. N vectors in lists one after the other, D dimensions, L lists.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

i32 = np.int32  # numba widens each operation to 64 bits; casting back halves the vectors


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as machine code; without the shape checks that the tests wrap around it."""
    machine_code: Callable[..., Any] = numba.njit(cache=True, nogil=True)(inspect.unwrap(function))
    return machine_code


@compiled  # pragma: no cover (machine code, which coverage cannot see)
def scan_lists(codes, starts, order, mask, masked, query, reach, rows, dots):  # type: ignore[no-untyped-def]
    """Fill `rows` and `dots`, list by list in the given order, until `reach` rows are there; how many are."""
    found = 0
    for place in range(len(order)):
        number = order[place]
        for row in range(starts[number], starts[number + 1]):
            if masked and not mask[row]:
                continue
            total = i32(0)
            for j in range(len(query)):
                total = i32(total + i32(i32(codes[row, j]) * i32(query[j])))
            rows[found] = row
            dots[found] = total
            found += 1
        if found >= reach:
            break
    return found


@compiled  # pragma: no cover (machine code, which coverage cannot see)
def scan_rows(codes, some, query, dots):  # type: ignore[no-untyped-def]
    """Fill `dots` with those of some rows."""
    for place in range(len(some)):
        row = some[place]
        total = i32(0)
        for j in range(len(query)):
            total = i32(total + i32(i32(codes[row, j]) * i32(query[j])))
        dots[place] = total
