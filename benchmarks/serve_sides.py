"""The sides of the serving benchmarks: servers on one core, each in its own turn, and the ratio of two."""

from __future__ import annotations

import http.client
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

CORES = os.sched_getaffinity(0)
SERVER_CORE, LOAD_CORE = min(CORES), max(CORES)
CALLERS = 16
ROUNDS = 5
PIN = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); os.execvp(sys.argv[2], sys.argv[2:])"
"""A process is pinned before it starts, so that all its threads and children are."""
Run = Callable[[int, float], dict[str, float]]
"""With so many callers for so many seconds: `per_second`, and what else was measured."""


@dataclass(frozen=True)
class Server:
    """A server with all of its processes."""

    process: subprocess.Popen[Any]
    port: int
    seconds: float
    """From the command to the first answer."""

    def resident_mb(self) -> float:
        """Its memory and its children's, in millions of bytes."""
        first = psutil.Process(self.process.pid)
        return sum(one.memory_info().rss for one in (first, *first.children(recursive=True))) / 1e6

    def in_its_turn(self, run: Run) -> Run:
        """`run`, with the server stopped at all other times: some poll their queues while nobody asks."""
        self.signal(signal.SIGSTOP)

        def turn(callers: int, seconds: float) -> dict[str, float]:
            self.signal(signal.SIGCONT)
            try:
                return run(callers, seconds)
            finally:
                self.signal(signal.SIGSTOP)

        return turn

    def signal(self, number: signal.Signals) -> None:
        """To all of its processes."""
        os.killpg(self.process.pid, number)


@contextmanager
def shelfwise_server(bundles: dict[str, Path], *options: str) -> Iterator[Server]:
    """`shelfwise serve` on named bundles, ready, and killed in the end."""
    command = [sys.executable, "-c", "from shelfwise.cli import main; main()", "serve", "--port", "0"]
    command += [part for name, path in bundles.items() for part in ("--bundle", f"{name}={path}")]
    with started([*command, "--threads", "1", *options], "/health/ready") as server:
        yield server


@contextmanager
def started(command: Sequence[str], path: str, port: int | None = None) -> Iterator[Server]:
    """A server that answers at `path`; one without a `port` tells it in its first line."""
    began = time.perf_counter()
    told = subprocess.PIPE if port is None else subprocess.DEVNULL
    process = pinned(command, stdout=told, stderr=subprocess.DEVNULL, text=True)
    try:
        if port is None:
            assert process.stdout is not None
            line = process.stdout.readline()
            if "127.0.0.1:" not in line:
                sys.exit(f"it does not start: {' '.join(command)}")
            port = int(line.split("127.0.0.1:")[1].split(",")[0])
        wait_until_ready(port, path, process)
        yield Server(process, port, time.perf_counter() - began)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def pinned(command: Sequence[str], **how: Any) -> subprocess.Popen[Any]:
    """A process and all that it starts, on the server's core alone and in a group of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    whole = [sys.executable, "-c", PIN, str(SERVER_CORE), *command]
    return subprocess.Popen(whole, env=environment, start_new_session=True, **how)


def wait_until_ready(port: int, path: str, process: subprocess.Popen[Any], seconds: float = 120) -> None:
    """Return at the first 200; ends this process where none comes in time."""
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.02)
    sys.exit(f"nothing answers at port {port}")


def in_turn(ours: Run, theirs: Run, seconds: float, rounds: int = ROUNDS) -> dict[str, Any]:
    """Both sides, round by round, the first side changing; the ratio of medians and the ratios of rounds."""
    for side in (ours, theirs):
        side(CALLERS, min(1.0, seconds))
    here, there = [], []
    for number in range(rounds):
        for kept, side in ((here, ours), (there, theirs))[:: -1 if number % 2 else 1]:
            kept.append(side(CALLERS, seconds))
    return compared(here, there)


def compared(here: list[dict[str, float]], there: list[dict[str, float]]) -> dict[str, Any]:
    """Medians of our rounds, theirs under `compared`, and the ratio of rates with its lowest and highest."""
    ratios = [one["per_second"] / other["per_second"] for one, other in zip(here, there, strict=True)]
    ours, theirs = (
        {name: statistics.median(found[name] for found in side) for name in side[0]} for side in (here, there)
    )
    return {
        **ours,
        "compared": theirs,
        "ratio": ours["per_second"] / theirs["per_second"],
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
    }
