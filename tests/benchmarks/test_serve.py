"""The serving benchmarks: both sides have their turns, and who has none is stopped."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import polars as pl
import psutil
import pytest
import serve
import serve_bundle
import serve_load
import serve_sides
import serve_texts
import tables

from shelfwise.config import ProductsConfig

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="cores are chosen so on Linux alone"
)
WAITS = (
    "import http.server, sys\n"
    "class Handler(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self): self.send_response(200); self.end_headers()\n"
    "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()\n"
)


def test_the_first_side_changes_from_round_to_round() -> None:
    seen: list[str] = []

    def side(name: str, rate: float) -> serve_sides.Run:
        def run(_callers: int, _seconds: float) -> dict[str, float]:
            seen.append(name)
            return {"per_second": rate, "p99_ms": 3.0}

        return run

    found = serve_sides.in_turn(side("ours", 50), side("theirs", 100), 1.0, rounds=2)
    assert seen == ["ours", "theirs", "ours", "theirs", "theirs", "ours"]  # once to warm up
    assert found["ratio"] == found["ratio_low"] == found["ratio_high"] == 0.5
    assert found["p99_ms"] == found["compared"]["p99_ms"] == 3


def test_a_ratio_is_of_medians_and_its_range_of_rounds() -> None:
    here = [{"per_second": rate} for rate in (10.0, 20.0, 90.0)]
    there = [{"per_second": rate} for rate in (10.0, 10.0, 30.0)]
    found = serve_sides.compared(here, there)
    assert (found["ratio"], found["ratio_low"], found["ratio_high"]) == (2.0, 1.0, 3.0)
    assert found["compared"] == {"per_second": 10.0}


def test_a_server_runs_in_its_turn_alone_and_on_one_core() -> None:
    with serve_sides.started([sys.executable, "-c", WAITS, "8979"], "/", 8979) as server:
        process = psutil.Process(server.process.pid)
        assert process.cpu_affinity() == [serve_sides.SERVER_CORE]
        assert server.resident_mb() > 1
        states: list[str] = []

        def run(_callers: int, _seconds: float) -> dict[str, float]:
            time.sleep(0.1)
            states.append(process.status())
            return {}

        turn = server.in_its_turn(run)
        assert stops(process)
        turn(1, 1.0)
        assert states != [psutil.STATUS_STOPPED]
        assert stops(process)
    assert not process.is_running()


def stops(process: psutil.Process) -> bool:
    """Whether it stands still, soon: a signal takes its time."""
    for _ in range(200):
        if process.status() == psutil.STATUS_STOPPED:
            return True
        time.sleep(0.02)
    return False


def test_what_does_not_start_is_told() -> None:
    with (
        pytest.raises(SystemExit, match="nothing answers"),
        serve_sides.started([sys.executable, "-c", ""], "/", 8979),
    ):
        pass


def test_both_ways_to_upload_are_compared(tiny_bundle: Path, tmp_path: Path) -> None:
    with serve_sides.shelfwise_server({"pictures": tiny_bundle}) as server:
        values = {
            **{"callers": serve_sides.CALLERS, "rounds": 1},
            "start": {"seconds": server.seconds, "resident_mb": server.resident_mb()},
            "pictures": serve.pictures(server, 0.1, 1),
        }
    assert set(values["pictures"]) == {"upload_bytes", "body", "form"}
    assert values["pictures"]["form"]["compared"]["per_second"] > 0
    (tmp_path / "serve.json").write_text(json.dumps(values, allow_nan=False))
    assert tables.render("serving", tmp_path).count("\n") == 2 + 3


def test_other_vectors_are_of_another_model() -> None:
    serve_texts.same_answer([0.6, 0.8], [0.6, 0.8004])
    with pytest.raises(SystemExit, match="not of one model"):
        serve_texts.same_answer([0.6, 0.8], [0.8, 0.6])


def test_a_bundle_that_cuts_the_texts_is_refused(tiny_products_bundle: Path) -> None:
    with pytest.raises(SystemExit, match=r"reads 0 tokens of a title, not 64: see .*serve_bundle"):
        serve_texts.texts(tiny_products_bundle, None, 0.1, 1)


def test_the_bundle_for_speed_is_of_the_shipped_network(tmp_path: Path) -> None:
    table = serve_bundle.draw(tmp_path, 12)
    rows = pl.read_csv(table)
    assert rows["title"].n_unique() == len(rows) == 12
    assert all((tmp_path / name).exists() for name in rows["image"])
    config = serve_bundle.speed_config(table)
    assert isinstance(config, ProductsConfig)
    assert (config.title.checkpoint, config.title.max_tokens) == ("minilm", 64)
    assert config.preprocess.height == 80


def test_a_form_has_the_picture_in_its_field() -> None:
    body, kind = serve_load.form(b"\x89PNG", "image")
    boundary = kind.partition("boundary=")[2]
    assert body.startswith(f"--{boundary}\r\n".encode())
    assert b'name="image"' in body
    assert body.endswith(f"\x89PNG\r\n--{boundary}--\r\n".encode("latin-1"))
