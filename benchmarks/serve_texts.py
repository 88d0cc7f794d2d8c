"""Embeddings of texts over HTTP, against the bare predictor and LitServe on the same core; for `serve.py`."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import serve_load
from serve_sides import CALLERS, Run, Server, in_turn, pinned, shelfwise_server, started

from shelfwise.bundle import ProductsBundle

HERE = Path(__file__).resolve().parent
TOKENS = 64
LITSERVE_PORT = 8978
SETTINGS = ((32, 0.005), (16, 0.005), (8, 0.001))
"""LitServe: `max_batch_size`, and `batch_timeout` in seconds. The best one is compared."""
TUNING_S = 3.0
ALIKE = 1e-3
"""By how much the two may differ in any number of a unit vector."""
VERSIONS = """
import importlib.metadata, json
names = ("litserve", "onnxruntime", "tokenizers", "numpy", "fastapi", "uvicorn")
print(json.dumps({name: importlib.metadata.version(name) for name in names}))
"""


def texts(path: Path, litserve: str | None, seconds: float, rounds: int) -> dict[str, Any]:
    """Both precisions, each against whoever is there to be compared with."""
    bundle = ProductsBundle.open(path)
    max_tokens = bundle.reading.max_tokens
    if max_tokens < TOKENS:
        sys.exit(
            f"'{path}' reads {max_tokens} tokens of a title, not {TOKENS}: see benchmarks/serve_bundle.py"
        )
    rows, source = bundle.meta.info["rows"]["train"], bundle.meta.source
    found: dict[str, Any] = {
        "tokens": TOKENS,
        "weights": f"{bundle.label}, learned from {rows:,} products of {source}",
    }
    best = None
    if litserve is not None:
        tuned = {setting: tried(litserve, path, max_tokens, setting, seconds) for setting in SETTINGS}
        best = max(tuned, key=lambda setting: tuned[setting])
        found["litserve"] = {
            "versions": json.loads(subprocess.check_output([litserve, "-c", VERSIONS], text=True)),
            "settings": {"max_batch_size": best[0], "batch_timeout": best[1], "fast_queue": True},
            "tried_per_second": {f"{size}, {wait} s": rate for (size, wait), rate in tuned.items()},
        }
    for precision in ("fp32", "int8"):
        with shelfwise_server({"texts": path}, *(["--fp32"] if precision == "fp32" else [])) as server:
            said = embedded(server.port, "/v1/embeddings")["data"][0]["embedding"]
            ours = server.in_its_turn(load(server.port, "/v1/embeddings"))
            found[precision] = {"bare": in_turn(ours, bare(path, precision), seconds, rounds)}
            if litserve is None or best is None:
                continue
            with litserve_server(litserve, path, max_tokens, best) as other:
                if precision == "fp32":
                    same_answer(said, embedded(other.port, "/predict")["embedding"])
                theirs = other.in_its_turn(load(other.port, "/predict"))
                found[precision]["litserve"] = in_turn(ours, theirs, seconds, rounds)
    return found


def load(port: int, path: str) -> Run:
    """Callers with a text a request."""
    bodies = [json.dumps({"input": text}).encode() for text in serve_load.texts(TOKENS, 256)]
    return serve_load.Load(port, path, bodies, "application/json").run


def bare(path: Path, precision: str) -> Run:
    """What the predictor does without a server, in batches."""
    command = [sys.executable, str(HERE / "serve_bare.py"), str(path), precision]

    def run(_callers: int, seconds: float) -> dict[str, float]:
        done = pinned([*command, str(seconds)], stdout=subprocess.PIPE, text=True)
        told, _ = done.communicate()
        return {"per_second": float(told)}

    return run


@contextmanager
def litserve_server(python: str, path: Path, max_tokens: int, setting: tuple[int, float]) -> Iterator[Server]:
    """LitServe on the server's core with all of its processes."""
    told = [str(path), str(LITSERVE_PORT), str(max_tokens), *map(str, setting)]
    command = [python, str(HERE / "serve_litserve.py"), *told]
    with started(command, "/health", LITSERVE_PORT) as server:
        yield server


def tried(python: str, path: Path, max_tokens: int, setting: tuple[int, float], seconds: float) -> float:
    """LitServe's requests a second with one setting."""
    with litserve_server(python, path, max_tokens, setting) as server:
        run = load(server.port, "/predict")
        run(CALLERS, min(1.0, seconds))
        return run(CALLERS, min(TUNING_S, seconds))["per_second"]


def embedded(port: int, path: str) -> Any:
    """One answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = json.dumps({"input": "blue running shoe"})
    connection.request("POST", path, body, {"content-type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def same_answer(ours: list[float], theirs: list[float]) -> None:
    """End the process where the two do not do the same work."""
    difference = float(np.abs(np.subtract(ours, theirs)).max())
    if difference > ALIKE:
        sys.exit(f"LitServe's vectors differ from ours by {difference:.2g}: they are not of one model")


if __name__ == "__main__":
    sys.exit("run: python benchmarks/serve.py --texts BUNDLE")
