"""How well words reach pictures: classifying by prompts, and finding pictures by prompts.

The prompts' templates are unseen in training (`data/prompts.toml`). Shapes: N pictures, K classes, E
dimensions of the shared space, unit vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray

from shelfwise.metrics import retrieval
from shelfwise.metrics.bootstrap import mean_of

DEPTHS = (1, 5, 10)
RECALL_DEPTHS = (100, 1000)


def ensemble(vectors: list[Float[ndarray, "_ E"]]) -> Float[ndarray, "K E"]:
    """Return one unit vector per class, the mean of its prompts (CLIP, arXiv:2103.00020, section 3.1.4)."""
    means = np.stack([some.mean(axis=0) for some in vectors])
    return np.asarray(means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12))


def text_aligned(
    pictures: Float[ndarray, "N E"],
    prompts: list[Float[ndarray, "_ E"]],
    labels: Int64[ndarray, "N"],
    predicted: Int64[ndarray, "N"],
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the accuracy of choosing the class whose prompts are nearest, and its gap to the classifier.

    `predicted` is the classifier's answer for the same rows; a positive gap means that it is better."""
    right = (pictures @ ensemble(prompts).T).argmax(axis=1) == labels
    by_template = [
        float(((pictures @ np.stack([some[i] for some in prompts]).T).argmax(axis=1) == labels).mean())
        for i in range(min(len(some) for some in prompts))
    ]
    accuracy, classifier = mean_of(right, seed=seed), mean_of(predicted == labels, seed=seed)
    return {
        "accuracy": accuracy.interval().as_json(),
        "gap_to_classifier": (classifier - accuracy).interval().as_json(),
        "templates": len(by_template),
        "accuracy_by_template": by_template,
    }


def text_to_picture(
    pictures: Float[ndarray, "N E"],
    prompts: list[Float[ndarray, "_ E"]],
    labels: Int64[ndarray, "N"],
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """Return P@k, R@k and MRR of finding a class's pictures by each of its prompts.

    A query is one prompt of a class that occurs in the pool; a picture is relevant when it is of that class.
    Intervals resample classes, since prompts of one class are alike."""
    present = [k for k in range(len(prompts)) if (labels == k).any()]
    queries = np.concatenate([prompts[k] for k in present])
    groups = np.repeat(present, [len(prompts[k]) for k in present]).astype(np.int64)
    deepest = min(len(pictures), max(RECALL_DEPTHS))
    relevant = retrieval.relevance(retrieval.top_rows(queries, pictures, deepest), groups, labels)
    totals = retrieval.relevant_counts(groups, labels)
    ranks = retrieval.first_relevant_rank(queries, pictures, groups, labels)
    rows: dict[str, ndarray] = {"mrr": retrieval.reciprocal_rank(ranks)}
    for k in (k for k in DEPTHS if k <= deepest):
        rows[f"p_at_{k}"] = retrieval.precision_at_k(relevant, k)
        rows[f"r_at_{k}"] = retrieval.hit_at_k(relevant, k)
    for k in (k for k in RECALL_DEPTHS if k <= deepest):
        rows[f"recall_at_{k}"] = retrieval.recall_at_k(relevant, k, totals)
    return {
        "queries": len(queries),
        "pool": len(pictures),
        **{name: mean_of(row, seed=seed, groups=groups).interval().as_json() for name, row in rows.items()},
    }
