"""Vector search among a million products, filtered: against faiss HNSW at equal recall; the build's memory.

    python benchmarks/search_million.py [--products 1000000] [--queries 200] [--minilm] [--noise]
    python benchmarks/search_million.py --minilm --work FOLDER --prepare    # builds both, to measure later
    python benchmarks/search_million.py --minilm --work FOLDER

The index is built in a process of its own, whose peak memory is taken. Then, on one core and in turn, our
search and faiss HNSW (needs `pip install faiss-cpu`) under random filters of 1, 10, 50 and 100%: faiss gets
the filter as a ready bitmap and the smallest `efSearch` whose recall@10 reaches ours, else the largest; and,
beside that, the smallest that has .95. Ours gets the filter as text and evaluates it each time. Asked for:
p50 at most 3 times faiss's (aim 1.2), recall@10 at least .95 (.98), peak at most 6 GiB (3). `--noise` takes
Gaussian noise for vectors. Writes results/bench/search_million.json (or -noise).
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before numpy starts threads

import argparse
import contextlib
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import in_turn
import numpy as np
import record
from title_vectors import DIMENSION, base_vectors, batches, gaussian, jittered, titles

from shelfwise.schema.search import SearchRequest
from shelfwise.search.index import OpenedIndex
from shelfwise.search.lance_table import StoredProduct
from shelfwise.search.recall import exact_nearest
from shelfwise.search.view_build import EXACT_BELOW
from shelfwise.search.writer import open_writer

SHARES = (0.01, 0.1, 0.5, 1.0)
TOP = 10
LINKS, EFFORT = 32, 100
"""faiss: M and efConstruction."""
WIDTHS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096)
"""faiss: efSearch."""
ENOUGH = 0.95
"""faiss is asked at this recall, too: its graph may find fewer than ours, however long it looks."""


def build(folder: Path, given: argparse.Namespace) -> None:
    """Write the index, batch by batch; what it took is printed as JSON."""
    rng = np.random.default_rng(given.seed)
    texts, source = titles()
    base, made_by = (None, "Gaussian noise") if given.noise else base_vectors(texts, minilm=given.minilm)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    with open_writer(folder, label="benchmark@0", dimension=DIMENSION) as writer:
        for some in batches(given.products):
            rows = rng.integers(0, len(texts), len(some))
            vectors = gaussian(len(some), rng) if base is None else jittered(base, rows, rng)
            cuts = rng.random(len(some))
            writer.put(
                [stored(n, texts[row], cut) for n, row, cut in zip(some, rows, cuts, strict=True)], vectors
            )
        put = time.process_time()
        facts = writer.publish(exact_below=min(EXACT_BELOW, given.products))
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    values = {
        "titles": source,
        "vectors": made_by,
        "put_cpu_s": put - began,
        "publish_cpu_s": time.process_time() - put,
        "peak_gib": used / 2**20,
        "peak_before_gib": before / 2**20,
        "reach": facts.reach,
        "recall_at_build": facts.recall,
    }
    print(json.dumps(values))


def stored(number: int, title: str, cut: float) -> StoredProduct:
    """A product with the number that filters cut at."""
    content = hashlib.blake2b(f"{number}".encode(), digest_size=16).digest()
    fields = json.dumps({"cut": round(float(cut), 7), "price": float(5 + number % 195)})
    return StoredProduct(f"p{number:07}", content, None, title, None, fields)


class Faiss:
    """HNSW over the same vectors in the same order, from its file where that is there."""

    def __init__(self, vectors: np.ndarray, path: Path) -> None:
        import faiss

        faiss.omp_set_num_threads(1)
        self.faiss = faiss
        took = path.with_suffix(".json")
        if took.exists():
            self.index = faiss.read_index(str(path))
            self.build = json.loads(took.read_text(encoding="utf-8"))
            assert self.index.ntotal == len(vectors), path
            return
        began = time.process_time()
        self.index = faiss.IndexHNSWFlat(DIMENSION, LINKS, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = EFFORT
        for some in batches(len(vectors), 65_536):
            self.index.add(np.ascontiguousarray(vectors[some.start : some.stop]))
        self.build = {"cpu_s": time.process_time() - began}
        faiss.write_index(self.index, str(path))
        took.write_text(json.dumps(self.build), encoding="utf-8")

    def search(self, query: np.ndarray, width: int, bitmap: np.ndarray | None) -> np.ndarray:
        """Rows of the ten nearest."""
        chosen = None
        if bitmap is not None:
            chosen = self.faiss.IDSelectorBitmap(self.index.ntotal, self.faiss.swig_ptr(bitmap))
        asked = self.faiss.SearchParametersHNSW(efSearch=width, sel=chosen)
        return np.asarray(self.index.search(query[None], TOP, params=asked)[1][0])

    def width_for(
        self, queries: np.ndarray, truth: np.ndarray, bitmap: np.ndarray | None, wanted: float
    ) -> int:
        """The smallest efSearch that has the wanted recall, else the largest."""
        for width in WIDTHS:
            if hits([self.search(q, width, bitmap) for q in queries], truth) >= wanted:
                return width
        return WIDTHS[-1]


def hits(found: list[np.ndarray], truth: np.ndarray) -> float:
    """Recall@10."""
    return sum(len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True)) / truth.size


def measured(
    index: OpenedIndex, peer: Faiss, queries: np.ndarray, share: float, rounds: int
) -> dict[str, Any]:
    """One filter's figures."""
    filter_ = None if share == 1 else f"cut < {share}"
    some = index.selection(filter_)
    vectors = index.view.vectors
    truth = exact_nearest(vectors, queries, some)
    request = SearchRequest(filter=filter_, limit=TOP, window=TOP)

    def ours(query: np.ndarray) -> np.ndarray:
        index._selection.cache_clear()  # the filter is read and evaluated for every query
        kept = index.selection(request.filter)
        return index.view.nearest.nearest(query, kept, TOP).rows

    def page(query: np.ndarray) -> object:
        index._selection.cache_clear()
        return index.search(request, query)

    recall = hits([ours(query) for query in queries], truth)
    bitmap = None if some.mask is None else np.packbits(some.mask, bitorder="little")
    width, enough = (peer.width_for(queries, truth, bitmap, wanted) for wanted in (recall, ENOUGH))
    theirs, fewer = (
        hits([peer.search(query, one, bitmap) for query in queries], truth) for one in (width, enough)
    )
    taken = in_turn.latencies(
        {
            "faiss": in_turn.Side(lambda query: peer.search(query, width, bitmap), list(queries)),
            "faiss_enough": in_turn.Side(lambda query: peer.search(query, enough, bitmap), list(queries)),
            "ours": in_turn.Side(ours, list(queries)),
            "page": in_turn.Side(page, list(queries)),
        },
        rounds,
    )
    p50 = {name: 1e3 * float(np.median(times)) for name, times in taken.items()}
    return {
        "recall@10": recall,
        "faiss_recall@10": theirs,
        "efSearch": width,
        "p50_ms": p50["ours"],
        "page_p50_ms": p50["page"],
        "faiss_p50_ms": p50["faiss"],
        "p50_over_faiss": p50["ours"] / p50["faiss"],
        "enough": {
            "faiss_recall@10": fewer,
            "efSearch": enough,
            "faiss_p50_ms": p50["faiss_enough"],
            "p50_over_faiss": p50["ours"] / p50["faiss_enough"],
        },
        "p99_ms": 1e3 * float(np.quantile(taken["ours"], 0.99)),
    }


def questions(index: OpenedIndex, count: int, seed: int) -> np.ndarray:
    """Vectors near products', and at none of them."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(index), count, replace=False))
    return jittered(np.asarray(index.view.vectors[rows]), np.arange(count), rng)


def main() -> None:
    """Build in a process of its own, measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minilm", action="store_true", help="vectors of real titles by MiniLM")
    parser.add_argument("--noise", action="store_true", help="Gaussian noise for vectors")
    parser.add_argument("--out", type=Path, default=record.FOLDER)
    parser.add_argument(
        "--work", type=Path, help="keep both indexes in this folder, and take them from there"
    )
    parser.add_argument("--prepare", action="store_true", help="build, and measure nothing yet")
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    core = in_turn.stay_on_one_core()
    if given.build is not None:
        build(given.build, given)
        return
    with contextlib.ExitStack() as stack:
        work = given.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work.mkdir(parents=True, exist_ok=True)
        built = work / "build.json"
        if not built.exists():
            built.write_text(built_apart(work / "index", given), encoding="utf-8")
        values: dict[str, Any] = {
            "products": given.products,
            "seed": given.seed,
            "core": core,
            "build": json.loads(built.read_text(encoding="utf-8")),
            "faiss": {"M": LINKS, "efConstruction": EFFORT},
            "filters": {},
        }
        print("build:", values["build"], flush=True)
        index = OpenedIndex.open(work / "index")
        peer = Faiss(index.view.vectors, work / "faiss.index")
        values["faiss"] |= {"build": peer.build}
        if given.prepare:
            return
        queries = questions(index, given.queries, given.seed + 1)
        for share in SHARES:
            found = measured(index, peer, queries, share, given.rounds)
            values["filters"][f"{share:.0%}"] = found
            print(f"filter {share:4.0%}:", found, flush=True)
    filtered = values["filters"].values()
    values["worst"] = {
        "p50_over_faiss": max(one["p50_over_faiss"] for one in filtered),
        "p50_over_faiss_at_0.95": max(one["enough"]["p50_over_faiss"] for one in filtered),
        "recall@10": min(one["recall@10"] for one in filtered),
        "peak_gib": values["build"]["peak_gib"],
    }
    path = record.write(f"search_million{'-noise' if given.noise else ''}", values, folder=given.out)
    print(f"worst: {values['worst']} -> {path}")


def built_apart(folder: Path, given: argparse.Namespace) -> str:
    """What the build in a process of its own says, as JSON."""
    if given.minilm:  # embedded before the build, whose memory it is not
        base_vectors(titles()[0], minilm=True)
    command = [sys.executable, __file__, *sys.argv[1:], "--build", str(folder)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
