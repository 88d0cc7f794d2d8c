"""Hybrid filtered search at 100,000 products: how does it compare with a bare numpy scan of the same vectors?

    python benchmarks/search.py [--products 100000] [--queries 200] [--rounds 3] [--minilm] [--lance]

On one core, in turn: `vectors @ query` with its ten best, and `Index.search` by words and vector under a
filter that leaves 1, 10, 50 or 100%; a filter is never asked twice, so none is remembered. Asked for: p50 at
most 3 times the scan's (aim 1.2), p99 at most twice its own p50 (1.5), recall@10 at least .98 (.995) against
an exact ranking under the same filter. With `--lance`, LanceDB's full text beside ours. Writes
results/bench/search.json.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before numpy starts threads

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import in_turn
import numpy as np
import record
from title_vectors import DIMENSION, base_vectors, batches, jittered, titles, unit

from shelfwise.schema.search import SearchRequest
from shelfwise.search.index import OpenedIndex
from shelfwise.search.lance_table import StoredProduct
from shelfwise.search.selection import Selection
from shelfwise.search.writer import open_writer

SHARES = (0.01, 0.1, 0.5, 1.0)
BRANDS = tuple(f"Brand {letter}" for letter in "ABCDEFGHIJKLMNOP")
TOP = 10


@dataclass(frozen=True)
class Asked:
    """One query: its words, its vector, and a filter of one share."""

    request: SearchRequest
    vector: np.ndarray


def build(folder: Path, count: int, minilm: bool, seed: int) -> tuple[list[str], np.ndarray, dict[str, Any]]:
    """Write the index; the titles and vectors of its products, and how it went."""
    texts, source = titles()
    base, made_by = base_vectors(texts, minilm=minilm)
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(texts), count)
    shares = rng.random(count)
    began = time.perf_counter()
    parts = []
    with open_writer(folder, label="benchmark@0", dimension=DIMENSION) as writer:
        for some in batches(count):
            parts.append(jittered(base, rows[some.start : some.stop], rng))
            writer.put([stored(n, texts[rows[n]], float(shares[n])) for n in some], parts[-1])
        put = time.perf_counter()
        facts = writer.publish()
    done = time.perf_counter()
    facts_of = {"titles": source, "vectors": made_by, "put_s": put - began, "publish_s": done - put}
    return [texts[row] for row in rows], np.concatenate(parts), {**facts_of, "exact": facts.exact}


def stored(number: int, title: str, share: float) -> StoredProduct:
    """A product with a brand, a price and the number that filters cut at."""
    fields = {"brand": BRANDS[number % len(BRANDS)], "price": float(5 + number % 195), "share": share}
    content = hashlib.blake2b(f"{number}".encode(), digest_size=16).digest()
    return StoredProduct(f"p{number:07}", content, None, title, None, json.dumps(fields))


def questions(said: list[str], vectors: np.ndarray, share: float, count: int, seed: int) -> list[Asked]:
    """Words of a product's title with a vector near its own, each with a filter of its own."""
    rng = np.random.default_rng(seed)
    found = []
    for row in rng.integers(0, len(said), count).tolist():
        words = rng.permutation(said[row].split())[:3]
        vector = unit((vectors[row] + 0.3 * unit(rng.standard_normal((1, DIMENSION), np.float32))[0])[None])[
            0
        ]
        edge = share * (1 + 0.01 * rng.random())
        filter_ = None if share == 1 else f"share < {edge:.9f} and price > 0 and exists(brand)"
        found.append(Asked(SearchRequest(words=" ".join(words), filter=filter_, limit=TOP), vector))
    return found


def exact_ranking(index: OpenedIndex, vectors: np.ndarray, asked: Asked) -> list[str]:
    """The same definition, from every score in full: no partition, no window of our own making."""
    some, request = index.selection(asked.request.filter), asked.request
    near = some.rows[np.argsort(-(vectors[some.rows] @ asked.vector), kind="stable")][: request.window]
    terms = index.view.postings.known(request.words or "")
    said, _ = index.view.postings.matches(terms, some, len(vectors))
    scores: dict[int, float] = {}
    for ranking, weight in ((near, request.alpha), (said.rows[: request.window], 1 - request.alpha)):
        for rank, row in enumerate(ranking.tolist(), 1):
            scores[row] = scores.get(row, 0.0) + weight / (request.rrf_k + rank)
    best = sorted(scores, key=lambda row: (-scores[row], row))[:TOP]
    return [index.view.products.id_of(row) for row in best]


def recall(index: OpenedIndex, vectors: np.ndarray, asked: list[Asked]) -> dict[str, float]:
    """Of the vector side alone, and of the fused ranking."""
    by_vector = fused = wanted = 0
    for one in asked:
        some = index.selection(one.request.filter)
        near = some.rows[np.argsort(-(vectors[some.rows] @ one.vector), kind="stable")][:TOP]
        true = {index.view.products.id_of(row) for row in near.tolist()}
        alone = index.search(SearchRequest(filter=one.request.filter, limit=TOP), one.vector)
        by_vector += len(true & {hit.id for hit in alone.hits})
        page = index.search(one.request, one.vector)
        fused += len(set(exact_ranking(index, vectors, one)) & {hit.id for hit in page.hits})
        wanted += len(true)
    return {"vector": by_vector / wanted, "hybrid": fused / wanted}


def scan(vectors: np.ndarray) -> Callable[[Asked], np.ndarray]:
    """The bare scan: every cosine, and the ten best."""

    def call(asked: Asked) -> np.ndarray:
        scores = vectors @ asked.vector
        return np.argpartition(scores, len(scores) - TOP)[-TOP:]

    return call


def timed(index: OpenedIndex, vectors: np.ndarray, asked: list[Asked], rounds: int) -> dict[str, Any]:
    """Both sides in turn."""
    sides = {
        "scan": in_turn.Side(scan(vectors), asked),
        "search": in_turn.Side(lambda one: index.search(one.request, one.vector), asked),
    }
    # What is remembered of a filter is forgotten before each call, so that every one pays for its own.
    forget = index._selection.cache_clear
    sides["search"] = in_turn.Side(lambda one: (forget(), index.search(one.request, one.vector)), asked)
    taken = in_turn.latencies(sides, rounds)
    p50 = {name: float(np.median(times)) for name, times in taken.items()}
    p99 = float(np.quantile(taken["search"], 0.99))
    return {
        "scan_p50_ms": 1e3 * p50["scan"],
        "search_p50_ms": 1e3 * p50["search"],
        "search_p99_ms": 1e3 * p99,
        "p50_over_scan": p50["search"] / p50["scan"],
        "p99_over_p50": p99 / p50["search"],
    }


def words_alone(index: OpenedIndex, folder: Path, asked: list[Asked], rounds: int) -> dict[str, float]:
    """Our BM25 and LanceDB's full text, both under a filter that leaves half; p50 in ms."""
    import lancedb
    from lancedb.index import FTS

    table = lancedb.connect(folder).open_table("products")
    table.create_index("title", config=FTS())
    middle = f"p{len(index) // 2:07}"
    mask = np.zeros(len(index), bool)
    mask[: len(index) // 2] = True

    def ours(one: Asked) -> object:
        postings = index.view.postings
        return postings.matches(postings.known(one.request.words or ""), Selection(len(index), mask), TOP)

    def theirs(one: Asked) -> object:
        query = table.search(one.request.words, query_type="fts", fts_columns="title")
        return query.where(f"id < '{middle}'", prefilter=True).select(["id", "_score"]).limit(TOP).to_arrow()

    taken = in_turn.latencies(
        {"ours": in_turn.Side(ours, asked), "lancedb": in_turn.Side(theirs, asked)}, rounds
    )
    return {f"{name}_p50_ms": 1e3 * float(np.median(times)) for name, times in taken.items()}


def main() -> None:
    """Build, measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minilm", action="store_true", help="vectors of real titles by MiniLM")
    parser.add_argument("--lance", action="store_true", help="LanceDB's full text beside ours")
    parser.add_argument("--out", type=Path, default=record.FOLDER)
    given = parser.parse_args()
    core = in_turn.stay_on_one_core()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "index"
        said, vectors, made = build(folder, given.products, given.minilm, given.seed)
        began = time.perf_counter()
        index = OpenedIndex.open(folder)
        made["open_s"] = time.perf_counter() - began
        values: dict[str, Any] = {"products": given.products, "seed": given.seed, "core": core, "build": made}
        values["filters"] = {}
        for share in SHARES:
            asked = questions(said, vectors, share, given.queries, given.seed + 1)
            found = timed(index, vectors, asked, given.rounds) | {"recall@10": recall(index, vectors, asked)}
            values["filters"][f"{share:.0%}"] = found
            print(
                f"filter {share:4.0%}: " + ", ".join(f"{k} {v}" for k, v in shown(found).items()), flush=True
            )
        if given.lance:
            asked = questions(said, vectors, 1.0, given.queries, given.seed + 2)
            values["words"] = words_alone(index, folder, asked, given.rounds)
            print("words alone:", shown(values["words"]))
    filtered = values["filters"].values()
    values["worst"] = {
        "p50_over_scan": max(one["p50_over_scan"] for one in filtered),
        "p99_over_p50": max(one["p99_over_p50"] for one in filtered),
        "recall@10": min(min(one["recall@10"].values()) for one in filtered),
    }
    path = record.write("search", values, folder=given.out)
    print(f"worst: {shown(values['worst'])} -> {path}")


def shown(values: dict[str, Any]) -> dict[str, Any]:
    """Numbers in short."""
    return {k: shown(v) if isinstance(v, dict) else round(v, 3) for k, v in values.items()}


if __name__ == "__main__":
    main()
