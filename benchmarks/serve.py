"""How much of a bare model does a server deliver, and how much of an empty route?

    python benchmarks/serve.py --pictures BUNDLE [--texts BUNDLE] [--seconds 8]

The server has one core to itself, the load generator the other; both sides of every ratio are measured in
turn, several rounds, in the same minutes, and ratios are of medians.

    pictures   one small PNG a request, 16 callers: requests a second of POST /v1/classify over those of an
               empty FastAPI route that reads the same upload
    texts      one text of 64 tokens a request, 16 callers: requests a second of POST /v1/embeddings over what
               the bare predictor does in batches on the same core
    start      from the command to the first answer of /health/ready, and the resident memory then

Writes results/bench/serve.json.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import record
from serve_load import Load, picture, texts

SERVER_CORE, LOAD_CORE = 0, 1
CALLERS = 16
ROUNDS = 5
EMPTY = """
import sys, uvicorn
from fastapi import FastAPI, Request
app = FastAPI()
@app.post("/empty")
async def empty(request: Request):
    return {"bytes": len(await request.body())}
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
"""


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--seconds", type=float, default=8.0, help="of one side of one round")
    options = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    values: dict[str, Any] = {"callers": CALLERS, "rounds": ROUNDS, "seconds": options.seconds}
    bundles = [f"pictures={options.pictures}"] + ([f"texts={options.texts}"] if options.texts else [])
    with served(bundles) as (port, started):
        values["start"] = started
        with empty_route() as other:
            values["pictures"] = pictures(port, other, options.seconds)
        if options.texts:
            values["texts"] = embedded(port, options.texts, options.seconds)
    record.write("serve", values)
    print(json.dumps(values, indent=2))


@contextmanager
def served(bundles: list[str]) -> Iterator[tuple[int, dict[str, float]]]:
    """A server on its core; its port, how long it took to be ready, and its memory then."""
    command = [sys.executable, "-c", "from shelfwise.cli import main; main()", "serve", "--port", "0"]
    command += [part for bundle in bundles for part in ("--bundle", bundle)] + ["--threads", "1"]
    began = time.perf_counter()
    process = pinned(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        port = int(line.split("127.0.0.1:")[1].split(",")[0])
        ready(port, "/health/ready")
        seconds = time.perf_counter() - began
        memory = psutil.Process(process.pid).memory_info().rss / 1e6
        yield port, {"seconds": seconds, "resident_mb": memory}
    finally:
        process.kill()
        process.communicate()


@contextmanager
def empty_route() -> Iterator[int]:
    """A FastAPI route that reads its upload and does nothing, on the server's core; its port."""
    port = 8977
    process = pinned([sys.executable, "-c", EMPTY, str(port)])
    try:
        ready(port, "/openapi.json")
        yield port
    finally:
        process.kill()
        process.wait()


def pinned(command: list[str], **how: Any) -> subprocess.Popen[Any]:
    """A process on the server's core alone."""
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, **how)
    os.sched_setaffinity(process.pid, {SERVER_CORE})
    return process


def ready(port: int, path: str) -> None:
    """Wait until a server answers."""
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.02)
    sys.exit(f"nothing answers at port {port}")


def pictures(port: int, empty: int, seconds: float) -> dict[str, Any]:
    """Our route and the empty one in turn."""
    body = picture()
    ours = Load(port, "/v1/classify", body, "image/png")
    theirs = Load(empty, "/empty", body, "image/png")
    return {"upload_bytes": len(body), **in_turn(ours.run, theirs.run, seconds)}


def embedded(port: int, bundle: Path, seconds: float) -> dict[str, Any]:
    """Our route, and the bare predictor on the server's core, in turn."""
    bodies = [json.dumps({"input": text, "model": "texts"}).encode() for text in texts(64, 256)]
    load = Load(port, "/v1/embeddings", bodies, "application/json")
    bare = [sys.executable, str(Path(__file__).with_name("serve_bare.py")), str(bundle), str(seconds)]

    def run_bare(_callers: int, _seconds: float) -> dict[str, float]:
        done = pinned(bare, stdout=subprocess.PIPE, text=True)
        told, _ = done.communicate()
        return {"per_second": float(told)}

    return in_turn(load.run, run_bare, seconds)


def in_turn(
    ours: Callable[[int, float], dict[str, float]],
    theirs: Callable[[int, float], dict[str, float]],
    seconds: float,
) -> dict[str, Any]:
    """Both sides, round by round; the ratio of their medians and the ratios of the rounds."""
    rounds: list[tuple[dict[str, float], dict[str, float]]] = []
    ours(CALLERS, 1.0)
    for number in range(ROUNDS):
        if number % 2:
            there = theirs(CALLERS, seconds)
            here = ours(CALLERS, seconds)
        else:
            here = ours(CALLERS, seconds)
            there = theirs(CALLERS, seconds)
        rounds.append((here, there))
    here_rate = statistics.median(here["per_second"] for here, _ in rounds)
    there_rate = statistics.median(there["per_second"] for _, there in rounds)
    ratios = [here["per_second"] / there["per_second"] for here, there in rounds]
    names = [name for name in rounds[0][0] if name != "per_second"]
    return {
        "per_second": here_rate,
        "compared": there_rate,
        "ratio": here_rate / there_rate,
        "ratio_low": float(np.min(ratios)),
        "ratio_high": float(np.max(ratios)),
        **{name: statistics.median(here[name] for here, _ in rounds) for name in names},
    }


if __name__ == "__main__":
    main()
