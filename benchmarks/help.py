"""How long does `shelfwise --help` take? Median of 20 processes, after two to warm up.

    python benchmarks/help.py

A Python that starts and stops is timed beside it: the part that no program can do without.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

import record

RUNS = 20


def seconds(command: list[str]) -> float:
    """Wall time of one process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def summary(times: list[float]) -> dict[str, float]:
    """Median, fastest and slowest."""
    return {"median": statistics.median(times), "min": min(times), "max": max(times)}


def main() -> None:
    """Time both in turn, print and keep."""
    ours = [str(Path(sys.executable).parent / "shelfwise"), "--help"]
    bare = [sys.executable, "-c", "pass"]
    turns = [(seconds(ours), seconds(bare)) for _ in range(RUNS + 2)][2:]
    help_times, bare_times = (list(times) for times in zip(*turns, strict=True))
    values = {"runs": RUNS, "seconds": summary(help_times), "python_alone_seconds": summary(bare_times)}
    record.write("help", values)
    ours_s, bare_s = statistics.median(help_times), statistics.median(bare_times)
    print(f"shelfwise --help: {ours_s:.3f} s; python alone: {bare_s:.3f} s")


if __name__ == "__main__":
    main()
