"""Evaluate a products bundle: every target from every subset of the modalities, and words that find pictures.

N products, K classes of a target, L levels, E dimensions of the shared space.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64, Shaped
from numpy import ndarray

from shelfwise.bundle.modalities import subset_key, subsets
from shelfwise.data.families import normalise_title
from shelfwise.data.product_input import input_of
from shelfwise.data.product_rows import ProductRows
from shelfwise.evaluate.product_details import describe_classes, product_cases, reliability_of
from shelfwise.evaluate.product_scores import (
    Truth,
    main_figure,
    main_target,
    sampled_main_figure,
    target_samples,
    truth_of,
    truths_of,
)
from shelfwise.evaluate.provenance import cost_of, provenance_of
from shelfwise.metrics.bootstrap import Sampled, mean_of
from shelfwise.metrics.retrieval import (
    first_relevant_rank,
    precision_at_k,
    reciprocal_rank,
    relevance,
    top_rows,
)
from shelfwise.predict.products import ProductPredictor

CHUNK = 256
FORMAT = 2
"""In 1 a product of a class that was not learned counted for nothing."""
NAMED_ROWS = 10
"""Classes with so many products are asked for by name."""


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

    Products with every modality of a subset are measured on it; a class that was not learned is told wrong.
    Macro-F1 is over classes with a row. Intervals resample families."""
    began = time.perf_counter()
    bundle = predictor.bundle
    asked, truths = ask_subsets(predictor, rows, watch), truths_of(bundle, rows)
    families = np.array(rows.families)
    watch("intervals", 0.0)
    targets = {
        name: {
            subset: _figures(said[name], truth, truth.known & has_all(rows, subset), families, seed)
            for subset, said in asked.probabilities.items()
        }
        for name, truth in truths.items()
    }
    main = main_target(truths)
    found: dict[str, Any] = {
        "format": FORMAT,
        "task": "products",
        "bundle": {"name": bundle.name, "version": bundle.version, "created": bundle.meta.created},
        "data": {"source": source, "part": part, **_described(rows)},
        "main": main,
        "modalities": list(bundle.reading.modalities),
        "about": {name: truth.as_json() for name, truth in truths.items()},
        "targets": targets,
        "fusion": _against_single(asked, truths, rows, bundle.reading.modalities, seed),
    }
    if asked.vectors:
        found["retrieval"] = _retrieval(predictor, rows, asked, seed)
    if main is not None and not truths[main].info.several:
        found |= _closely(asked, truths[main], main, rows)
    found |= cost_of(bundle.meta.info.get("training", {}), time.perf_counter() - began)
    return {**found, "provenance": provenance_of(bundle, seed)}


def fullest(by_subset: dict[str, dict[str, Any]]) -> str | None:
    """The largest subset that a target was measured on; None where no product has a label of it."""
    measured = [subset for subset, figures in by_subset.items() if figures["rows"]]
    return measured[-1] if measured else None


def ask_subsets(
    predictor: ProductPredictor, rows: ProductRows, watch: Callable[[str, float], None] = lambda *_: None
) -> Asked:
    """What the bundle says from every subset; each tower reads a product once."""
    config, reading = predictor.bundle.config, predictor.bundle.reading
    probabilities: dict[str, dict[str, list[ndarray]]] = {}
    vectors: dict[str, list[ndarray]] = {}
    for start in range(0, len(rows), CHUNK):
        watch("asking the bundle", start / len(rows))
        places = np.arange(start, min(start + CHUNK, len(rows)))
        given = input_of(rows, places, config.title, config.table, reading.scales, predictor.reader)
        known = predictor.encode(given)
        for subset in subsets(reading.modalities):
            scores = predictor.scores(known, subset)
            for name, values in scores.probabilities.items():
                probabilities.setdefault(subset_key(subset), {}).setdefault(name, []).append(values)
            if scores.vectors is not None:
                vectors.setdefault(subset_key(subset), []).append(scores.vectors)
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


def _figures(
    probabilities: Float[ndarray, "N K"],
    truth: Truth,
    measured: Bool[ndarray, "N"],
    families: Shaped[ndarray, "N"],
    seed: int,
) -> dict[str, Any]:
    """Every figure of one target from one subset, and of how many products; without `rows` no other."""
    if not measured.any():
        return {"rows": 0}
    scores = target_samples(probabilities, truth, measured, families, seed)
    return {
        **{key: value.interval().as_json() for key, value in scores.items()},
        **row_counts(truth, measured),
    }


def row_counts(truth: Truth, measured: Bool[ndarray, "N"]) -> dict[str, int]:
    """How many products are measured, and how many of these are of a class that was not learned."""
    return {"rows": int(measured.sum()), "not_learned": int((measured & truth.unlearned).sum())}


def _described(rows: ProductRows) -> dict[str, Any]:
    """How many products, and what they lack."""
    return {
        "rows": len(rows),
        "families": len(set(rows.families)),
        "pictures": int(rows.counts.sum()),
        "without_picture": int((rows.counts == 0).sum()),
        "without_title": sum(not title for title in rows.titles),
    }


def _against_single(
    asked: Asked,
    truths: dict[str, Truth],
    rows: ProductRows,
    modalities: tuple[str, ...],
    seed: int,
) -> dict[str, Any]:
    """Whether all modalities together are at least as good as the best one, on the products that have all."""
    whole, families = subset_key(modalities), np.array(rows.families)
    found = {}
    for name, truth in truths.items():
        measured = truth.known & has_all(rows, whole)
        if not measured.any():
            continue
        sampled = {
            subset: sampled_main_figure(asked.probabilities[subset][name], truth, measured, families, seed)
            for subset in (*modalities, whole)
        }
        best = max(modalities, key=lambda one: sampled[one].value)
        ahead = (sampled[whole] - sampled[best]).interval()
        found[name] = {
            "figure": main_figure(truth),
            "rows": int(measured.sum()),
            "best_single": best,
            "single": sampled[best].interval().as_json(),
            "together": sampled[whole].interval().as_json(),
            "difference": ahead.as_json(),
            "verdict": "better" if ahead.low > 0 else "worse" if ahead.high < 0 else "alike",
        }
    return found


def _closely(asked: Asked, truth: Truth, name: str, rows: ProductRows) -> dict[str, Any]:
    """`classes`, `reliability` and `cases` of the main target, from the fullest subset that there is.

    Nothing where no product is of a class that was learned."""
    measured = {subset: truth.known & has_all(rows, subset) for subset in asked.probabilities}
    there = [subset for subset, some in measured.items() if (some & ~truth.unlearned).any()]
    if not there:
        return {}
    said, some = asked.probabilities[there[-1]][name], measured[there[-1]]
    return {
        "classes": {"subset": there[-1], **describe_classes(said, truth, some)},
        "reliability": {
            subset: reliability_of(asked.probabilities[subset][name], truth, measured[subset])
            for subset in there
        },
        "cases": product_cases(said, truth, some, rows),
    }


def title_samples(rows: ProductRows, asked: Asked, seed: int) -> dict[str, Sampled]:
    """How often a title finds its picture first or among ten, and the mean reciprocal rank."""
    titled, ranks = title_ranks(rows, asked)
    families = np.array(rows.families)[titled]
    return {
        "recall@1": mean_of(ranks == 1, seed=seed, groups=families),
        "recall@10": mean_of((ranks > 0) & (ranks <= 10), seed=seed, groups=families),
        "mrr": mean_of(reciprocal_rank(ranks), seed=seed, groups=families),
    }


def _retrieval(predictor: ProductPredictor, rows: ProductRows, asked: Asked, seed: int) -> dict[str, Any]:
    """Titles that look for their pictures, and names of classes that look for theirs.

    Nothing where no product has both picture and title."""
    pictured = np.flatnonzero(rows.counts > 0)
    queries = int(has_all(rows, "picture+text").sum())
    if not queries:
        return {}
    titles = title_samples(rows, asked, seed)
    return {
        "title_to_picture": {name: value.interval().as_json() for name, value in titles.items()}
        | {"queries": queries, "pool": len(pictured)},
        "name_to_picture": names_to_pictures(predictor, rows, pictured, asked.vectors["picture"][pictured]),
    }


def names_to_pictures(
    predictor: ProductPredictor,
    rows: ProductRows,
    pictured: Int64[ndarray, "M"],
    pool: Float[ndarray, "M E"],
) -> dict[str, Any]:
    """Precision of the main target's class names as queries, over classes with `NAMED_ROWS` pictures or more.

    `pictured` are the rows that the vectors in `pool` are of. Empty where there is no
    such class, or no target."""
    targets = predictor.bundle.reading.targets
    name = next(iter(targets), None)
    if name is None or targets[name].several:
        return {}
    target, found = targets[name], truth_of(predictor.bundle, rows, name)
    truth = np.where(found.unlearned, -1, found.labels[:, -1])[pictured]
    # One leaf name may stand under two parents: who asks by name means either.
    names = sorted({path[-1] for path in target.paths})
    number = np.array([names.index(path[-1]) for path in target.paths])
    groups = np.where(truth >= 0, number[truth], -1)
    counts = np.bincount(groups[groups >= 0], minlength=len(names))
    queries = np.flatnonzero(counts >= NAMED_ROWS)
    if not len(queries) or len(pool) < NAMED_ROWS:
        return {}
    vectors = predictor.embed_texts([names[k] for k in queries])
    relevant = relevance(top_rows(vectors, pool, 10), queries, groups)
    return {
        "precision@1": float(precision_at_k(relevant, 1).mean()),
        "precision@10": float(precision_at_k(relevant, 10).mean()),
        "classes": len(queries),
        "pool": len(pool),
    }
