"""The main target looked at closely: class by class, frequent and rare, how calibrated, and where it errs.

N products, K classes.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64
from numpy import ndarray

from shelfwise.data.product_rows import ProductRows
from shelfwise.evaluate.cases import confident_errors, confused_pairs
from shelfwise.evaluate.classifier import bins_of
from shelfwise.evaluate.product_scores import Truth
from shelfwise.metrics.classification import class_scores_of_counts
from shelfwise.metrics.longtail import longtail_scores

PAIRS = 12
SHOWN = 120
"""Characters of a title, at most."""


def describe_classes(
    probabilities: Float[ndarray, "N K"], truth: Truth, measured: Bool[ndarray, "N"]
) -> dict[str, Any]:
    """Return `per_class`, of those learned, and how many classes and products head, middle and tail have."""
    said, leaves = probabilities[measured].argmax(axis=1), truth.labels[measured, -1]
    parts = longtail_scores(said, leaves, truth.counts)
    return {
        "long_tail": {
            part: {key: asdict(scores)[key] for key in ("classes", "tested", "rows")}
            for part, scores in parts.items()
        },
        "per_class": _per_class(said, leaves, truth),
    }


def reliability_of(
    probabilities: Float[ndarray, "N K"], truth: Truth, measured: Bool[ndarray, "N"]
) -> dict[str, Any]:
    """Return the reliability bins of the calibrated answers."""
    said = probabilities[measured].astype(np.float64)
    return bins_of(said.max(axis=1), said.argmax(axis=1) == truth.labels[measured, -1])


def product_cases(
    probabilities: Float[ndarray, "N K"], truth: Truth, measured: Bool[ndarray, "N"], rows: ProductRows
) -> dict[str, Any]:
    """Return the most confident errors and the most confused pairs of classes, by name.

    Of products whose class was learned: of the others every answer is an error."""
    places, names = np.flatnonzero(measured & ~truth.unlearned), truth.names
    said, leaves = probabilities[places], truth.labels[places, -1]
    best, of_class = said.argmax(axis=1), np.bincount(leaves, minlength=len(names))
    errors = [
        {
            "id": rows.ids[places[row]],
            "title": _short(rows.titles[places[row]]),
            "label": names[leaves[row]],
            "predicted": names[best[row]],
            "probability": min(1.0, float(said[row, best[row]])),
            "probability_of_label": min(1.0, float(said[row, leaves[row]])),
        }
        for row in confident_errors(said, leaves).tolist()
    ]
    pairs = [
        {
            "label": names[label],
            "predicted": names[answer],
            "rows": count,
            "share_of_label": count / int(of_class[label]),
            "examples": [rows.ids[places[row]] for row in examples.tolist()],
        }
        for label, answer, examples, count in confused_pairs(said, leaves, limit=PAIRS)
    ]
    return {"confident_errors": errors, "confused_pairs": pairs}


def _per_class(said: Int64[ndarray, "M"], leaves: Int64[ndarray, "M"], truth: Truth) -> list[dict[str, Any]]:
    size = len(truth.counts)
    hits = np.bincount(leaves[said == leaves], minlength=size)
    support, claimed = np.bincount(leaves, minlength=size), np.bincount(said, minlength=size)
    scores = class_scores_of_counts(hits, support, claimed)
    return [
        {
            "class": name,
            "path": list(truth.tree.paths[k]),
            "train_rows": truth.info.counts[k],
            "precision": float(scores.precision[k]),
            "recall": float(scores.recall[k]),
            "f1": float(scores.f1[k]),
            "support": int(support[k]),
            "predicted": int(claimed[k]),
        }
        for k, name in enumerate(truth.names)
    ]


def _short(title: str) -> str:
    return title if len(title) <= SHOWN else title[: SHOWN - 1] + "…"
