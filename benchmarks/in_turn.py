"""Peers in turn on one core: the seconds of each side, round by round, and ratios as medians of rounds."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

WARM = 20
"""Calls of each side before anything is timed."""


@dataclass(frozen=True)
class Side:
    """What is called, and with what, one after the other."""

    call: Callable[[Any], object]
    inputs: Sequence[Any]


def stay_on_one_core(core: int | None = None) -> int:
    """Keep this process and all that it starts on one core, the last allowed one unless told; returns it.

    Call it before torch and tokenizers start threads of their own."""
    os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    chosen = max(os.sched_getaffinity(0)) if core is None else core
    os.sched_setaffinity(0, {chosen})
    return chosen


def latencies(sides: Mapping[str, Side], rounds: int) -> dict[str, Float[ndarray, "rounds calls"]]:
    """Return the seconds of every call; in each round every side has its turn with all of its inputs."""
    taken = {name: np.empty((rounds, len(side.inputs))) for name, side in sides.items()}
    for side in sides.values():
        for given in side.inputs[:WARM]:
            side.call(given)
    for i in range(rounds):
        for name, side in sides.items():
            for j, given in enumerate(side.inputs):
                began = time.perf_counter()
                side.call(given)
                taken[name][i, j] = time.perf_counter() - began
    return taken


def rates(sides: Mapping[str, Callable[[], object]], items: int, rounds: int) -> dict[str, list[float]]:
    """Return the items per second of each side and round; every side does the same `items` in one call."""
    measured: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, call in sides.items():
            began = time.perf_counter()
            call()
            measured[name].append(items / (time.perf_counter() - began))
    return measured


def in_milliseconds(taken: Float[ndarray, "rounds calls"]) -> dict[str, float]:
    """Return the median and the 95th percentile over all calls."""
    p50, p95 = np.percentile(taken, [50, 95]) * 1000
    return {"p50_ms": round(float(p50), 3), "p95_ms": round(float(p95), 3)}


def times_as_fast(ours: Float[ndarray, "rounds calls"], theirs: Float[ndarray, "rounds calls"]) -> float:
    """Return how often our median call fits into theirs: the median of the rounds."""
    return round(float(np.median(np.median(theirs, axis=1) / np.median(ours, axis=1))), 2)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return our rate over theirs: the median of the rounds."""
    return round(statistics.median(a / b for a, b in zip(ours, theirs, strict=True)), 3)


def summary(measured: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return the median rate of each side, and all rounds."""
    return {
        "per_second": {name: round(statistics.median(values), 1) for name, values in measured.items()},
        "rounds": {name: [round(value, 1) for value in values] for name, values in measured.items()},
    }
