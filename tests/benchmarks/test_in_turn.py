"""Peers in turn: every side does all of its work in every round, and ratios are medians of rounds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from in_turn import WARM, Side, in_milliseconds, latencies, rates, ratio, summary, times_as_fast

BENCHMARKS = Path(__file__).resolve().parent.parent.parent / "benchmarks"


def test_every_side_has_its_turn_in_every_round() -> None:
    seen: list[str] = []
    sides = {"ours": Side(seen.append, ["a", "b"]), "theirs": Side(seen.append, ["c", "d", "e"])}
    taken = latencies(sides, rounds=2)
    assert seen == ["a", "b", "c", "d", "e"] * 3  # once to warm up
    assert {name: times.shape for name, times in taken.items()} == {"ours": (2, 2), "theirs": (2, 3)}
    assert all((times >= 0).all() for times in taken.values())
    assert WARM >= 3


def test_a_busy_round_does_not_bend_the_ratio() -> None:
    assert ratio([10, 10, 1], [5, 5, 5]) == 2
    ours, theirs = np.full((3, 4), 0.001), np.full((3, 4), 0.003)
    theirs[2] *= 100
    assert times_as_fast(ours, theirs) == 3
    assert in_milliseconds(ours) == {"p50_ms": 1, "p95_ms": 1}


def test_rates_are_items_a_second() -> None:
    calls: list[str] = []
    measured = rates({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, items=7, rounds=2)
    assert calls == ["a", "b", "a", "b"]
    assert all(rate > 0 for rounds in measured.values() for rate in rounds)
    assert summary({"a": [1.0, 9.0, 2.04]}) == {"per_second": {"a": 2.0}, "rounds": {"a": [1.0, 9.0, 2.0]}}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are chosen so on Linux alone")
def test_a_process_and_its_children_stay_on_one_core() -> None:
    code = (
        "import os, subprocess, sys; from in_turn import stay_on_one_core; core = stay_on_one_core();"
        "child = 'import os; print(os.sched_getaffinity(0), os.environ[\"OMP_NUM_THREADS\"])';"
        "print(core, subprocess.run([sys.executable, '-c', child], capture_output=True, text=True).stdout)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(BENCHMARKS)},
        capture_output=True,
        text=True,
        check=True,
    )
    core = max(os.sched_getaffinity(0))
    assert done.stdout.split() == [str(core), f"{{{core}}}", "1"]
