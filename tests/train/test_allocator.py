"""Memory that trainings keep between steps is given back between trainings."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import numpy as np
from shelfwise.train.allocator import give_back_memory, keep_freed_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 >> 20

understood = keep_freed_memory()
blocks = [np.ones(125_000) for _ in range(200)]
keeps_the_heap_open = np.ones(1000)
del blocks
kept = resident()
print(understood, give_back_memory(), kept - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of glibc alone")
def test_freed_memory_is_kept_until_it_is_given_back() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    understood, gave, megabytes = told.stdout.split()
    assert (understood, gave) == ("True", "True")
    assert int(megabytes) > 150
