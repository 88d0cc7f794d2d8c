"""What answers cost: latency, throughput and memory, measured on this machine."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from shelfwise.predict import Predictor

BATCH = 256


def measure_speed(
    predictor: Predictor, images: UInt8[ndarray, "N H W C"], *, threads: int = 1, budget_s: float = 2.0
) -> dict[str, Any]:
    """Return percentiles of single predictions in ms, and items/s in batches, both warmed.

    One prepared picture in, calibrated probabilities out. Each of the two takes at most `budget_s`."""
    one, many = images[:1], np.resize(images, (BATCH, *images.shape[1:]))
    single = _timed(predictor, one, warm=20, most=1000, budget_s=budget_s)
    batch = _timed(predictor, many, warm=1, most=50, budget_s=budget_s)
    p50, p95, p99 = np.percentile(single, [50, 95, 99]) * 1000
    return {
        "threads": threads,
        "single": {"p50_ms": float(p50), "p95_ms": float(p95), "p99_ms": float(p99), "calls": len(single)},
        "batch": {"size": BATCH, "items_per_s": float(BATCH / np.median(batch)), "calls": len(batch)},
    }


def peak_memory_mb() -> float | None:
    """Return the largest resident set of this process so far, in MiB; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def forget_peak_memory() -> bool:
    """Let `peak_memory_mb` count from now on, where the system allows it (Linux); whether it did."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _timed(predictor: Predictor, pixels: ndarray, *, warm: int, most: int, budget_s: float) -> list[float]:
    """Return the seconds of each call, at least three of them."""
    for _ in range(warm):
        predictor.probabilities(pixels)
    taken: list[float] = []
    end = time.perf_counter() + budget_s
    while len(taken) < 3 or (len(taken) < most and time.perf_counter() < end):
        start = time.perf_counter()
        predictor.probabilities(pixels)
        taken.append(time.perf_counter() - start)
    return taken
