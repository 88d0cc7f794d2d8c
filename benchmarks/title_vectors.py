"""Vectors for the search benchmarks: real titles by MiniLM, jittered to any number; or Gaussian noise.

`titles()` are those of SHELFWISE_DATA/catalogue-60x80, else drawn from a small vocabulary. `base_vectors`
embeds each once and keeps the result; without the extra `text` a title is the sum of its words' random
vectors.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float32
from numpy import ndarray

from shelfwise.search.words import terms_of

DIMENSION = 384
JITTER = 0.35
"""Length of the noise that is added to a title's unit vector: cosine about 0.94 to it."""
ADJECTIVES = (
    "red",
    "blue",
    "black",
    "white",
    "green",
    "slim",
    "casual",
    "formal",
    "printed",
    "striped",
    "cotton",
)
THINGS = (
    "shirt",
    "shoe",
    "watch",
    "bag",
    "jeans",
    "dress",
    "sandal",
    "belt",
    "cap",
    "sock",
    "scarf",
    "kurta",
)
MAKERS = ("Alder", "Birch", "Cedar", "Dogwood", "Elder", "Fir", "Gorse", "Hazel", "Ivy", "Juniper", "Larch")
KEPT = Path(__file__).resolve().parent.parent / "results" / "search"


def titles(most: int = 40_000) -> tuple[list[str], str]:
    """Distinct titles, and where they are from."""
    root = os.environ.get("SHELFWISE_DATA")
    table = None if root is None else Path(root) / "catalogue-60x80" / "products.parquet"
    if table is not None and table.exists():
        column = pl.read_parquet(table, columns=["productDisplayName"])["productDisplayName"]
        return column.drop_nulls().unique(maintain_order=True).to_list()[:most], "catalogue-60x80"
    rng = np.random.default_rng(0)
    drawn = {
        " ".join([rng.choice(MAKERS), *rng.choice(ADJECTIVES, 2, replace=False), rng.choice(THINGS), str(n)])
        for n in rng.integers(0, 5_000, most)
    }
    return sorted(drawn), "drawn"


def base_vectors(texts: list[str], *, minilm: bool) -> tuple[Float32[ndarray, "T 384"], str]:
    """A unit vector for each title, and what made them."""
    if not minilm:
        return _by_words(texts), "sums of random word vectors"
    from shelfwise.enrich.embed import embed_texts
    from shelfwise.store import ArtifactStore

    store, name = ArtifactStore(KEPT), f"titles-{len(texts)}"
    if name not in store:
        embed_texts(texts, encoder="minilm", store=store, name=name, precision="int8", normalize=True)
    return np.asarray(store.map_array(name), np.float32), "MiniLM, int8"


def jittered(
    base: Float32[ndarray, "T 384"], rows: ndarray, rng: np.random.Generator
) -> Float32[ndarray, "N 384"]:
    """The titles' vectors with noise, at unit length."""
    noise = rng.standard_normal((len(rows), DIMENSION), np.float32)
    noise *= np.float32(JITTER) / np.linalg.norm(noise, axis=1, keepdims=True)
    return unit(base[rows] + noise)


def gaussian(count: int, rng: np.random.Generator) -> Float32[ndarray, "N 384"]:
    """Unit vectors without any structure: the hardest case of all, and no shop's."""
    return unit(rng.standard_normal((count, DIMENSION), np.float32))


def batches(total: int, size: int = 4_096) -> Iterator[range]:
    """Ranges that cover `total` rows."""
    for start in range(0, total, size):
        yield range(start, min(total, start + size))


def unit(vectors: Float32[ndarray, "N D"]) -> Float32[ndarray, "N D"]:
    """Each row at length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _by_words(texts: list[str]) -> Float32[ndarray, "T 384"]:
    rng = np.random.default_rng(1)
    known: dict[str, ndarray] = {}
    sums = np.zeros((len(texts), DIMENSION), np.float32)
    for row, text in enumerate(texts):
        for term in terms_of(text) or [""]:
            if term not in known:
                known[term] = rng.standard_normal(DIMENSION).astype(np.float32)
            sums[row] += known[term]
    return unit(sums)
