"""Make glibc keep freed memory, so that each step's large activations cause no page faults; give it back."""

from __future__ import annotations

import ctypes
import gc
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> bool:
    """Ask the C library to reuse large blocks instead of giving them back; whether it understood.

    Saved a tenth of a training step on the CPU. The process's memory then never shrinks, which a
    training process does not need; one that trains again and again calls `give_back_memory` in between.
    Elsewhere than on glibc nothing happens."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    wishes = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 256 << 20))
    return all(mallopt(option, value) == 1 for option, value in wishes)


def give_back_memory() -> bool:
    """Give the system what is free by now; whether the C library understood.

    Else a second training of other shapes fits badly into what the first one left, and the process grows."""
    gc.collect()
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0) in (0, 1))
    except (OSError, AttributeError):
        return False
