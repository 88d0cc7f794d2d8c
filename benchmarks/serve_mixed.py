"""Does the server stay fast, right and small under ten minutes of mixed load, a part of it hostile?

    python benchmarks/serve_mixed.py [--minutes 10] [--rate 40] [--pictures BUNDLE] [--products BUNDLE]
                                     [--reviews BUNDLE] [--index FOLDER] [--seed 0] [--name serve_mixed]

Requests arrive at random times, `--rate` a second whether or not the server keeps up, and a time is counted
from when a request was due. 5% are hostile: damaged and disguised pictures, bombs, broken JSON, a wrong
content type, too large bodies, callers that leave halfway. The server has one core, the load generator the
other. Its memory is read every 5 s; growth is the median of the last tenth of the readings over that of the
first, after the first minute.

Asked for: no status from 500 on but 503, memory growth below 5%, good requests answered with 200 or 503, no
hostile one with 200, and a server that is ready in the end. What is missed is recorded, and the run goes on.
Without any bundle those of the package are served. For twice the load: the same with twice the rate and
`--name serve_mixed_twice`. Writes results/bench/NAME.json.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import record
from serve_caller import Caller, Seen
from serve_requests import Planned, good_requests, hostile_requests, plan
from serve_sides import LOAD_CORE, Server, shelfwise_server

from shelfwise.bundle import default_bundle, open_bundle
from shelfwise.service.models import open_model

GROWTH = 0.05
SETTLE_S = 60.0
TASKS = ("pictures", "products", "reviews")


def main() -> None:
    """Serve, ask, judge and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=40.0, help="requests a second")
    for task in TASKS:
        parser.add_argument(f"--{task}", type=Path)
    parser.add_argument("--index", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="serve_mixed")
    parser.add_argument("--out", type=Path, default=record.FOLDER)
    given = parser.parse_args()
    bundles = {task: path for task in TASKS if (path := getattr(given, task)) is not None}
    if not bundles:
        bundles = {task: default_bundle(task) for task in ("pictures", "reviews")}
    os.sched_setaffinity(0, {LOAD_CORE})
    values = measure(bundles, given.index, rate=given.rate, seconds=60 * given.minutes, seed=given.seed)
    print(json.dumps(values, indent=2))
    print(f"written to {record.write(given.name, values, folder=given.out)}")


def measure(
    bundles: dict[str, Path],
    index: Path | None,
    *,
    rate: float,
    seconds: float,
    seed: int,
    every_s: float = 5.0,
) -> dict[str, Any]:
    """One run and its figures."""
    good = good_requests(
        products="products" in bundles,
        pictures="pictures" in bundles,
        vectors=_has_vectors(bundles),
        search=index is not None,
        seed=seed,
    )
    planned = list(plan(good, hostile_requests(), rate=rate, seconds=seconds, seed=seed))
    options = ("--index", str(index)) if index is not None else ()
    with shelfwise_server(bundles, *options) as server:
        seen, memory = asyncio.run(_asked(server, planned, every_s))
        values = {
            "rate": rate,
            "seconds": seconds,
            "seed": seed,
            "bundles": {task: open_bundle(path).label for task, path in bundles.items()},
            **figures(seen, memory, seconds=seconds, every_s=every_s),
        }
        ready = is_ready(server)
    values["checks"] |= {"ready_in_the_end": ready}
    return values


async def _asked(
    server: Server, planned: Sequence[Planned], every_s: float
) -> tuple[Seen, list[tuple[float, float]]]:
    """What came of the requests, and the server's memory (MB) at times (s)."""
    caller, memory = Caller(server.port), list[tuple[float, float]]()
    watching = asyncio.create_task(_watch(server.resident_mb, memory, every_s))
    try:
        await caller.send(planned)
    finally:
        watching.cancel()
    return caller.seen, memory


async def _watch(read: Callable[[], float], into: list[tuple[float, float]], every_s: float) -> None:
    began = time.perf_counter()
    while True:
        into.append((time.perf_counter() - began, read()))
        await asyncio.sleep(every_s)


def figures(
    seen: Seen, memory: Sequence[tuple[float, float]], *, seconds: float, every_s: float = 5.0
) -> dict[str, Any]:
    """Counts, times, memory, and whether what is asked for holds."""
    statuses = {name: _total(some) for name, some in (("good", seen.good), ("hostile", seen.hostile))}
    faults = sum(
        count
        for some in statuses.values()
        for status, count in some.items()
        if status.startswith("5") and status != "503"
    )
    grown = growth(memory, settle_s=min(SETTLE_S, seconds / 4))
    every = [time for times in seen.times.values() for time in times]
    return {
        "requests": sum(sum(some.values()) for some in statuses.values()),
        "statuses": statuses,
        "good": {
            kind: {"statuses": dict(found), **percentiles(seen.times.get(kind, []))}
            for kind, found in sorted(seen.good.items())
        },
        "hostile": {kind: dict(found) for kind, found in sorted(seen.hostile.items())},
        "all_good": {**percentiles(every), "refused": statuses["good"].get("503", 0)},
        "faults": faults,
        "memory": {
            "every_s": every_s,
            "first_mb": round(memory[0][1], 1),
            "highest_mb": round(max(mb for _, mb in memory), 1),
            "growth": grown,
            "mb": [round(mb, 1) for _, mb in memory],
        },
        "checks": {
            "no_fault": faults == 0,
            "memory_stays": None if grown is None else grown < GROWTH,
            "good_answered": set(statuses["good"]) <= {"200", "503"},
            "hostile_refused": statuses["hostile"].get("200", 0) == 0,
        },
    }


def growth(memory: Sequence[tuple[float, float]], *, settle_s: float) -> float | None:
    """The median of the last tenth of the readings over that of the first, less 1; None for fewer than two.

    Readings before `settle_s` are left out: a server takes what it needs in its first minute."""
    kept = [mb for at, mb in memory if at >= settle_s]
    if len(kept) < 2:
        return None
    tenth = max(1, len(kept) // 10)
    return float(np.median(kept[-tenth:]) / np.median(kept[:tenth]) - 1)


def percentiles(times: Sequence[float]) -> dict[str, float | None]:
    """Median and 99th percentile, in milliseconds; None where nothing was answered."""
    if not times:
        return {"p50_ms": None, "p99_ms": None}
    p50, p99 = np.percentile(times, [50, 99])
    return {"p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2)}


def is_ready(server: Server) -> bool:
    """Whether every bundle still answers a real question."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


def _total(some: dict[str, Counter[str]]) -> dict[str, int]:
    return dict(sorted(sum(some.values(), Counter()).items()))


def _has_vectors(bundles: dict[str, Path]) -> bool:
    """Whether the bundle that answers by default, that of products, then of pictures, embeds texts."""
    first = bundles.get("products") or bundles.get("pictures")
    return first is not None and open_model(first, threads=1).card().vectors is not None


if __name__ == "__main__":
    main()
