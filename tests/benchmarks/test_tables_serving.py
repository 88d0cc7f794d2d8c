"""The tables on speed in use: a row where its numbers are, and none where they are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tables

TURN = {
    "per_second": 900.0,
    "p50_ms": 4.0,
    "p99_ms": 8.0,
    "compared": {"per_second": 1200.0, "p99_ms": 6.0},
    **{"ratio": 0.75, "ratio_low": 0.7, "ratio_high": 0.8},
}
FILTERED = {
    **{"scan_p50_ms": 5.0, "search_p50_ms": 6.0, "search_p99_ms": 9.0, "p50_over_scan": 1.2},
    "recall@10": {"vector": 1.0, "hybrid": 0.998},
}
NEAREST = {
    **{"recall@10": 0.98, "faiss_recall@10": 0.981, "p50_ms": 1.5, "p99_ms": 3.0, "faiss_p50_ms": 3.0},
    "p50_over_faiss": 0.5,
    "enough": {"faiss_recall@10": 0.951, "faiss_p50_ms": 1.0, "p50_over_faiss": 1.5},
}
SHARES = ("1%", "10%", "50%", "100%")


def write(folder: Path, name: str, values: dict[str, Any]) -> None:
    (folder / f"{name}.json").write_text(json.dumps(values))


def test_peers_that_were_not_measured_have_no_row(tmp_path: Path) -> None:
    assert "Not measured yet" in tables.render("serving", tmp_path)
    write(tmp_path, "serve", {"callers": 16, "pictures": {"body": TURN, "form": TURN}})
    table = tables.render("serving", tmp_path)
    assert table.count("\n") == 2 + 2
    assert "| 900 a second, p99 8.0 ms |" in table
    assert "reads the same: 1,200; 0.75 of it (0.70 to 0.80)" in table
    texts = {precision: {"bare": TURN, "litserve": TURN} for precision in ("fp32", "int8")}
    peer = {"versions": {"litserve": "0.2.1"}}
    write(tmp_path, "serve_texts", {"callers": 16, "tokens": 64, "litserve": peer, **texts})
    table = tables.render("serving", tmp_path)
    assert table.count("\n") == 2 + 6
    assert "LitServe 0.2.1 on the same files" in table


def test_mixed_load_has_a_row_with_and_without_growth(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        **{"requests": 24000, "rate": 40.0, "faults": 0, "memory": {"highest_mb": 512.3, "growth": 0.012}},
        "all_good": {"p50_ms": 9.0, "p99_ms": 80.0, "refused": 3},
    }
    write(tmp_path, "serve_mixed", values)
    values["memory"]["growth"] = None
    write(tmp_path, "serve_mixed_twice", values)
    once, twice = tables.render("serving", tmp_path).splitlines()[2:]
    assert "24,000 mixed requests, 40 a second, 5%" in once
    assert "memory 512 MB, +1.2% | answers from 500 on but 503: 0, and 503: 3" in once
    assert "(twice the load)" in twice
    assert "memory" not in twice


def test_search_has_a_row_for_each_filter(tmp_path: Path) -> None:
    write(tmp_path, "search", {"products": 100_000, "filters": dict.fromkeys(SHARES, FILTERED)})
    table = tables.render("search", tmp_path)
    assert table.count("\n") == 2 + len(SHARES)
    assert "100,000 products by words and vector, of which a filter leaves 10%" in table
    assert "recall@10 0.998 | a bare numpy scan of the vectors: 5.0 ms; 1.20 times that" in table
    million = {
        "products": 1_000_000,
        "build": {"put_cpu_s": 100.0, "publish_cpu_s": 200.0, "peak_gib": 2.5},
        "faiss": {"build": {"cpu_s": 900.0}},
        "filters": dict.fromkeys(SHARES, NEAREST),
    }
    write(tmp_path, "search_million", million)
    table = tables.render("search", tmp_path)
    assert table.count("\n") == 2 + 2 * len(SHARES) + 1
    assert (
        "faiss HNSW at recall 0.981: 3.00 ms; 0.50 times that; at recall 0.951: 1.00 ms; 1.50 times" in table
    )
    assert "peak memory 2.5 GiB | faiss HNSW: 900 CPU-seconds" in table


def test_pictures_in_8_bits_are_among_the_speeds(tmp_path: Path) -> None:
    one = {"p50_us": 500.0, "p99_us": 900.0}
    write(
        tmp_path,
        "int8",
        {
            "single": {
                **dict.fromkeys(("shelfwise_int8", "predict_int8", "eager_fp32"), one),
                "int8_over_eager": 3.0,
            },
            "batch": {
                "per_second": {"shelfwise_int8": 4000.0, "eager_fp32": 1000.0},
                "int8_over_eager": 4.0,
            },
            "test": {"int8": {"accuracy": 0.93}, "fp32": {"accuracy": 0.931}},
        },
    )
    table = tables.render("speed", tmp_path)
    assert table.count("\n") == 2 + 2
    assert "500 us, p99 900 us" in table
    assert "test accuracy 93.00%" in table
