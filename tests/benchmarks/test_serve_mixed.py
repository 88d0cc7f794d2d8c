"""Mixed load: the same seed sends the same, growth is told from noise, and a short run fills the record."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serve_requests
import tables
from serve_caller import Seen
from serve_mixed import figures, growth, measure, percentiles
from serve_requests import HOSTILE, MIX, Wanted, bomb, good_requests, hostile_requests, plan

WHOLE = {"products": True, "pictures": True, "vectors": True, "search": True}


@pytest.fixture(scope="module")
def good() -> dict[str, list[Wanted]]:
    return good_requests(**WHOLE, seed=0)


def test_a_seed_tells_what_is_sent_and_when(good: dict[str, list[Wanted]]) -> None:
    def planned(seed: int) -> list[Any]:
        return list(plan(good, hostile_requests(0.01), rate=100, seconds=60, seed=seed))

    one = planned(0)
    assert one == planned(0)
    assert one != planned(1)
    assert good == good_requests(**WHOLE, seed=0)
    assert all(0 < a.at < b.at < 60 for a, b in pairwise(one))
    assert len(one) == pytest.approx(6000, rel=0.05)
    kinds = Counter(each.request.kind for each in one if not each.request.hostile)
    assert sum(each.request.hostile for each in one) / len(one) == pytest.approx(HOSTILE, abs=0.01)
    for kind, share in MIX.items():
        assert kinds[kind] / kinds.total() == pytest.approx(share, abs=0.02)


def test_what_the_server_cannot_answer_is_not_asked() -> None:
    some = good_requests(products=False, pictures=False, vectors=False, search=False, seed=0)
    assert set(some) == {"rerank"}
    assert {each.request.kind for each in plan(some, [], rate=9, seconds=1, seed=1)} <= {"rerank"}


def test_requests_are_whole_but_for_the_one_that_is_not(good: dict[str, list[Wanted]]) -> None:
    for request in [one for some in good.values() for one in some] + hostile_requests(0.01):
        head, _, body = request.data.partition(b"\r\n\r\n")
        promised = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
        assert (promised == len(body)) != request.hangs_up
    assert len({request.kind for request in hostile_requests(0.01)}) == 8
    assert len(bomb(20_000)) < 100_000


def test_growth_is_of_medians_and_leaves_out_the_first_minute() -> None:
    times = np.arange(0, 600, 5.0)
    steady = [(at, 50.0 if at < 60 else 100.0) for at in times]
    assert growth(steady, settle_s=60) == 0
    spiked = [*steady[:-1], (599.0, 900.0)]
    assert growth(spiked, settle_s=60) == 0
    leaking = [(at, 100 + at / 10) for at in times]
    assert growth(leaking, settle_s=60) == pytest.approx(0.46, abs=0.05)
    assert growth([(0.0, 1.0)], settle_s=0) is None


def test_figures_count_faults_and_judge() -> None:
    seen = Seen()
    for status, hostile in (("200", False), ("503", False), ("422", True), ("left", True)):
        seen.add(Wanted("classify", b"", hostile), status, 0.002)
    memory = [(float(at), 100.0) for at in range(20)]
    found = figures(seen, memory, seconds=20)
    assert found["checks"] == {
        **{"no_fault": True, "memory_stays": True, "good_answered": True, "hostile_refused": True}
    }
    assert found["all_good"] == {"p50_ms": 2.0, "p99_ms": 2.0, "refused": 1}
    assert found["requests"] == 4
    seen.add(Wanted("classify", b""), "500", 0.1)
    seen.add(Wanted("bomb", b"", hostile=True), "200", 0.1)
    found = figures(seen, [(float(at), 100.0 + at) for at in range(20)], seconds=20)
    assert found["faults"] == 1
    assert set(found["checks"].values()) == {False}
    assert percentiles([]) == {"p50_ms": None, "p99_ms": None}


def test_a_short_run_fills_the_record(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve_requests, "HOSTILE", 0.3)  # every kind comes
    values = measure({"pictures": tiny_bundle}, None, rate=40, seconds=3, seed=0, every_s=0.2)
    checks = values["checks"]
    assert checks.pop("memory_stays") in (True, False)  # of three seconds, it says little
    assert set(checks.values()) == {True}, values
    assert set(values["good"]) == {"classify", "analyze", "embeddings", "rerank"}
    assert set(values["statuses"]["good"]) == {"200"}
    assert len(values["hostile"]) == 8
    assert values["hostile"]["half sent"].keys() == {"left"}
    assert values["hostile"]["too large a body"].keys() <= {"413", "closed"}
    assert values["requests"] == sum(sum(some.values()) for some in values["statuses"].values())
    (tmp_path / "serve_mixed.json").write_text(json.dumps(values, allow_nan=False))
    assert tables.render("serving", tmp_path).count("\n") == 2 + 1
