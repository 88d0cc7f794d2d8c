"""Evaluate a products bundle: every target from every subset of the modalities, and words that find pictures.

N products, K classes of a target, L levels, E dimensions of the shared space.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64, Shaped
from numpy import ndarray

from shelfwise.data.families import normalise_title
from shelfwise.data.product_input import ProductInput, input_of, text_input
from shelfwise.data.product_labels import labels_of
from shelfwise.data.product_rows import ProductRows
from shelfwise.data.taxonomy import Taxonomy
from shelfwise.evaluate.headlines import headline_samples
from shelfwise.metrics.bootstrap import Sampled, mean_of
from shelfwise.metrics.hierarchy import nodes_of, sampled_hierarchy
from shelfwise.metrics.longtail import sampled_longtail
from shelfwise.metrics.retrieval import (
    first_relevant_rank,
    precision_at_k,
    reciprocal_rank,
    relevance,
    top_rows,
)
from shelfwise.predict.products import ProductPredictor

CHUNK = 256
HEADLINES = ("accuracy", "macro_f1", "ece", "nll")
NAMED_ROWS = 10
"""Classes with so many products are asked for by name."""
_LEAST = 1e-12


@dataclass(frozen=True)
class Asked:
    """What a bundle says of products, from each subset of the modalities."""

    probabilities: dict[str, dict[str, Float[ndarray, "N _"]]]
    """By subset, such as `picture+text`, and target."""
    vectors: dict[str, Float[ndarray, "N E"]]
    """By subset."""


def evaluate_products(
    predictor: ProductPredictor,
    rows: ProductRows,
    *,
    part: str,
    source: str,
    seed: int = 0,
    watch: Callable[[str, float], None] = lambda *_: None,
) -> dict[str, Any]:
    """Return everything that `metrics.json` holds of products (docs/metrics.md, Products).

    Products with every modality of a subset are measured on it; a target's macro-F1 is over classes with
    a row. Intervals resample families."""
    reading = predictor.bundle.reading
    asked = ask_subsets(predictor, rows, watch)
    families = np.array(rows.families)
    found: dict[str, Any] = {
        "bundle": predictor.bundle.label,
        "part": part,
        "data": {
            "source": source,
            "rows": len(rows),
            "families": len(set(rows.families)),
            "pictures": int(rows.counts.sum()),
            "without_picture": int((rows.counts == 0).sum()),
            "without_title": sum(not title for title in rows.titles),
        },
        "targets": {},
    }
    samples: dict[tuple[str, str], dict[str, Sampled]] = {}
    for name, target in reading.targets.items():
        if target.several:
            continue
        tree = Taxonomy(target.levels, target.paths, dict(target.strays))
        truth = labels_of(predictor.bundle.config.asked[name], rows, tree)
        counts = np.array(target.counts)
        by_subset: dict[str, dict[str, Any]] = {}
        for subset, said in asked.probabilities.items():
            some = (truth[:, -1] >= 0) & has_all(rows, subset)
            scores = _samples(said[name][some], truth[some], tree, counts, families[some], seed)
            samples[name, subset] = scores
            by_subset[subset] = {key: value.interval().as_json() for key, value in scores.items()}
            by_subset[subset]["rows"] = int(some.sum())
        found["targets"][name] = by_subset
    found["fusion"] = _against_single(samples, reading.targets, reading.modalities)
    if asked.vectors:
        found["retrieval"] = _retrieval(predictor, rows, asked, seed)
    return found


def ask_subsets(
    predictor: ProductPredictor, rows: ProductRows, watch: Callable[[str, float], None] = lambda *_: None
) -> Asked:
    """What the bundle says from every subset; each tower reads a product once."""
    config, reading = predictor.bundle.config, predictor.bundle.reading
    modalities = reading.modalities
    subsets = [some for size in range(1, len(modalities) + 1) for some in combinations(modalities, size)]
    probabilities: dict[str, dict[str, list[ndarray]]] = {}
    vectors: dict[str, list[ndarray]] = {}
    for start in range(0, len(rows), CHUNK):
        watch("asking the bundle", start / len(rows))
        places = np.arange(start, min(start + CHUNK, len(rows)))
        known = predictor.encode(input_of(rows, places, config.title, config.table, reading.scales))
        for subset in subsets:
            scores = predictor.scores(known, subset)
            for name, values in scores.probabilities.items():
                probabilities.setdefault("+".join(subset), {}).setdefault(name, []).append(values)
            if scores.vectors is not None:
                vectors.setdefault("+".join(subset), []).append(scores.vectors)
    return Asked(
        {
            subset: {name: np.concatenate(parts) for name, parts in named.items()}
            for subset, named in probabilities.items()
        },
        {subset: np.concatenate(parts) for subset, parts in vectors.items()},
    )


def has_all(rows: ProductRows, subset: str) -> Bool[ndarray, "N"]:
    """Which products have every modality of a subset, such as `picture+text`; all count as having a table."""
    asked = subset.split("+")
    there = np.ones(len(rows), bool)
    if "picture" in asked:
        there &= rows.counts > 0
    if "text" in asked:
        there &= np.array([bool(title) for title in rows.titles], bool)
    return there


def title_ranks(rows: ProductRows, asked: Asked) -> tuple[Int64[ndarray, "T"], Int64[ndarray, "T"]]:
    """Products with picture and title, and where the first picture with the same title stands for each.

    From 1, among all products with a picture, the nearest first. ValueError without a shared space."""
    if not asked.vectors:
        raise ValueError("these answers have no vectors")
    pictured = np.flatnonzero(rows.counts > 0)
    titled = np.flatnonzero(has_all(rows, "picture+text"))
    _, groups = np.unique([normalise_title(title) for title in rows.titles], return_inverse=True)
    pool = asked.vectors["picture"][pictured]
    return titled, first_relevant_rank(asked.vectors["text"][titled], pool, groups[titled], groups[pictured])


def _samples(
    probabilities: Float[ndarray, "M K"],
    truth: Int64[ndarray, "M L"],
    tree: Taxonomy,
    counts: Int64[ndarray, "K"],
    families: Shaped[ndarray, "M"],
    seed: int,
) -> dict[str, Sampled]:
    """Every figure of one target from one subset."""
    logits = np.log(probabilities.astype(np.float64).clip(min=_LEAST))
    labels, decided = truth[:, -1], probabilities.argmax(axis=1)
    headlines = headline_samples(logits, labels, groups=families, seed=seed)
    found = {name: headlines[name] for name in HEADLINES}
    found |= sampled_longtail(decided, labels, counts, groups=families, seed=seed)
    if len(tree.levels) > 1:
        said = nodes_of(decided, tree.ancestors)
        found |= sampled_hierarchy(said, truth, tree.levels, groups=families, seed=seed)
    return found


def _against_single(
    samples: dict[tuple[str, str], dict[str, Sampled]],
    targets: dict[str, Any],
    modalities: tuple[str, ...],
) -> dict[str, Any]:
    """Whether all modalities together are at least as good as the best one, target by target."""
    whole = "+".join(modalities)
    found = {}
    for name in targets:
        if (name, whole) not in samples:
            continue
        best = max(modalities, key=lambda one: samples[name, one]["accuracy"].value)
        together, alone = samples[name, whole]["accuracy"], samples[name, best]["accuracy"]
        same_rows = together.drawn.shape == alone.drawn.shape
        difference = (together - alone).interval().as_json() if same_rows else None
        found[name] = {"best_single": best, "difference": difference}
    return found


def _retrieval(predictor: ProductPredictor, rows: ProductRows, asked: Asked, seed: int) -> dict[str, Any]:
    """Titles that look for their pictures, and names of classes that look for theirs."""
    pictured = np.flatnonzero(rows.counts > 0)
    titled, ranks = title_ranks(rows, asked)
    if not len(titled):
        return {}
    families = np.array(rows.families)[titled]
    titles = {
        "recall@1": mean_of(ranks == 1, seed=seed, groups=families),
        "recall@10": mean_of((ranks > 0) & (ranks <= 10), seed=seed, groups=families),
        "mrr": mean_of(reciprocal_rank(ranks), seed=seed, groups=families),
    }
    return {
        "title_to_picture": {name: value.interval().as_json() for name, value in titles.items()}
        | {"pool": len(pictured)},
        "name_to_picture": names_to_pictures(predictor, rows, pictured, asked.vectors["picture"][pictured]),
    }


def names_to_pictures(
    predictor: ProductPredictor,
    rows: ProductRows,
    pictured: Int64[ndarray, "M"],
    pool: Float[ndarray, "M E"],
) -> dict[str, Any]:
    """Precision of the main target's class names as queries, over classes with `NAMED_ROWS` pictures or more.

    `pictured` are the rows that the vectors in `pool` are of. Empty where there is no such class."""
    name, target = next(iter(predictor.bundle.reading.targets.items()))
    if target.several:
        return {}
    tree = Taxonomy(target.levels, target.paths, dict(target.strays))
    truth = labels_of(predictor.bundle.config.asked[name], rows, tree)[pictured, -1]
    # One leaf name may stand under two parents: who asks by name means either.
    names = sorted({path[-1] for path in tree.paths})
    number = np.array([names.index(path[-1]) for path in tree.paths])
    groups = np.where(truth >= 0, number[truth], -1)
    counts = np.bincount(groups[groups >= 0], minlength=len(names))
    queries = np.flatnonzero(counts >= NAMED_ROWS)
    if not len(queries) or len(pool) < NAMED_ROWS:
        return {}
    vectors = embed_texts(predictor, [names[k] for k in queries])
    relevant = relevance(top_rows(vectors, pool, 10), queries, groups)
    return {
        "precision@1": float(precision_at_k(relevant, 1).mean()),
        "precision@10": float(precision_at_k(relevant, 10).mean()),
        "classes": len(queries),
        "pool": len(pool),
    }


def embed_texts(predictor: ProductPredictor, texts: list[str]) -> Float[ndarray, "N E"]:
    """Unit vectors of texts alone."""
    config = predictor.bundle.config
    words, pieces = text_input(texts, config.title)
    fields = len(config.table.fields)
    pixels = np.zeros(
        (0, config.preprocess.height, config.preprocess.width, config.preprocess.channels), np.uint8
    )
    nothing = np.zeros((len(texts), fields), np.int64)
    owner = np.zeros(0, np.int64)
    given = ProductInput(pixels, owner, words, pieces, nothing, nothing.astype(np.float32))
    vectors = predictor.scores(predictor.encode(given), ["text"]).vectors
    assert vectors is not None
    return vectors
