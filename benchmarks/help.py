"""How long does `shelfwise --help` take? Median of 20 processes, after two to warm up.

    python benchmarks/help.py

A Python that starts and stops is timed beside it: the part that no program can do without.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import record

RUNS = 20


def seconds(command: list[str]) -> tuple[float, float]:
    """Wall time and CPU time of one process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def summary(times: list[float]) -> dict[str, float]:
    """Median, fastest and slowest."""
    return {"median": statistics.median(times), "min": min(times), "max": max(times)}


def main() -> None:
    """Time both in turn, print and keep."""
    ours = [str(Path(sys.executable).parent / "shelfwise"), "--help"]
    bare = [sys.executable, "-c", "pass"]
    turns = [(*seconds(ours), *seconds(bare)) for _ in range(RUNS + 2)][2:]
    names = ("seconds", "cpu_seconds", "python_alone_seconds", "python_alone_cpu_seconds")
    values = {name: summary(list(times)) for name, times in zip(names, zip(*turns, strict=True), strict=True)}
    record.write("help", {"runs": RUNS, **values})
    wall, cpu, alone = (values[name]["median"] for name in names[:3])
    print(f"shelfwise --help: {wall:.3f} s, of it CPU {cpu:.3f} s; python alone: {alone:.3f} s")


if __name__ == "__main__":
    main()
