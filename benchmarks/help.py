"""How long do `shelfwise --help` and `shelfwise analyze` take? Median of 20 processes, after two to warm up.

    python benchmarks/help.py

`analyze` is asked of a picture, a title and a file of four reviews, of the package's own bundles. A Python
that starts and stops is timed beside both: the part that no program can do without.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import record

RUNS = 20
REVIEWS = """Review Text,Rating
"Lovely colour and so comfortable, I wear them every day.",5
"They run small and the sole came apart after a week.",1
"Good value, and they came two days early.",4
"Nothing special, but they look fine with jeans.",3
"""


def seconds(command: list[str]) -> tuple[float, float]:
    """Wall time and CPU time of one process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def summary(times: list[float]) -> dict[str, float]:
    """Median, fastest and slowest."""
    return {"median": statistics.median(times), "min": min(times), "max": max(times)}


def main() -> None:
    """Time all in turn, print and keep."""
    shelfwise = str(Path(sys.executable).parent / "shelfwise")
    picture = record.ROOT / "examples" / "pictures" / "sneaker.png"
    with tempfile.TemporaryDirectory() as folder:
        reviews = Path(folder) / "reviews.csv"
        reviews.write_text(REVIEWS, encoding="utf-8")
        commands = {
            "help": [shelfwise, "--help"],
            "analyze": [
                shelfwise,
                "analyze",
                str(picture),
                "--title",
                "Black sneaker",
                "--reviews",
                str(reviews),
            ],
            "python_alone": [sys.executable, "-c", "pass"],
        }
        turns = [{name: seconds(one) for name, one in commands.items()} for _ in range(RUNS + 2)][2:]
    values = {
        name: {
            "seconds": summary([turn[name][0] for turn in turns]),
            "cpu_seconds": summary([turn[name][1] for turn in turns]),
        }
        for name in commands
    }
    record.write("help", {"runs": RUNS, **values})
    for name, found in values.items():
        print(f"{name}: {found['seconds']['median']:.3f} s, of it CPU {found['cpu_seconds']['median']:.3f} s")


if __name__ == "__main__":
    main()
