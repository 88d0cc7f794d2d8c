"""Evaluate a classifier from arrays: the `test` part of `metrics.json` (docs/metrics.md has every key)."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64, Shaped
from numpy import ndarray

from shelfwise.evaluate.headlines import headline_samples, logits_to_probabilities
from shelfwise.metrics.bootstrap import RESAMPLES
from shelfwise.metrics.calibration import Reliability, reliability
from shelfwise.metrics.classification import class_scores, confusion_matrix, one_vs_rest_auroc


def evaluate_classifier(
    logits: Float[ndarray, "N K"],
    labels: Int64[ndarray, "N"],
    classes: tuple[str, ...],
    *,
    temperature: float = 1.0,
    logits_tta: Float[ndarray, "N K"] | None = None,
    groups: Shaped[ndarray, "N"] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Return accuracy, F1, AUROC, NLL, ECE and all that belongs to them, headlines with 95% intervals.

    Rows without a label (-1) are left out and counted. `logits_tta` are the same rows' logits with test-time
    augmentation; `groups` are family ids, which widen the intervals to what families allow."""
    known = labels >= 0
    if not known.any():
        raise ValueError("no row has a label")
    truth = labels[known]
    found = headline_samples(
        logits[known],
        truth,
        temperature=temperature,
        logits_tta=None if logits_tta is None else logits_tta[known],
        groups=None if groups is None else groups[known],
        seed=seed,
        resamples=resamples,
    )
    predicted = logits[known].argmax(axis=1)
    confusion = confusion_matrix(predicted, truth, len(classes))
    headlines = {name: sampled.interval().as_json() for name, sampled in found.items()}
    return {
        "rows": int(known.sum()),
        "rows_without_label": int((~known).sum()),
        "temperature": temperature,
        **headlines,
        "mean_confidence": _mean_confidence(logits[known], temperature),
        "mean_confidence_before_scaling": _mean_confidence(logits[known], 1.0),
        "per_class": _per_class(
            confusion, logits_to_probabilities(logits[known], temperature), truth, classes
        ),
        "confusion": confusion.tolist(),
        "reliability": {
            "after_scaling": _bins(logits[known], truth, temperature),
            "before_scaling": _bins(logits[known], truth, 1.0),
        },
    }


def _per_class(
    confusion: Int64[ndarray, "K K"],
    probabilities: Float[ndarray, "N K"],
    labels: Int64[ndarray, "N"],
    classes: tuple[str, ...],
) -> list[dict[str, Any]]:
    scores, auroc = class_scores(confusion), one_vs_rest_auroc(probabilities, labels)
    return [
        {
            "class": name,
            "precision": float(scores.precision[k]),
            "recall": float(scores.recall[k]),
            "f1": float(scores.f1[k]),
            "auroc": _number(auroc[k]),
            "support": int(scores.support[k]),
            "predicted": int(scores.claimed[k]),
        }
        for k, name in enumerate(classes)
    ]


def _mean_confidence(logits: Float[ndarray, "N K"], temperature: float) -> float:
    return float(logits_to_probabilities(logits, temperature).max(axis=1).mean())


def _bins(logits: Float[ndarray, "N K"], labels: Int64[ndarray, "N"], temperature: float) -> dict[str, Any]:
    probabilities = logits_to_probabilities(logits, temperature)
    return bins_of(probabilities.max(axis=1), logits.argmax(axis=1) == labels)


def bins_of(confidence: Float[ndarray, "N"], correct: Bool[ndarray, "N"]) -> dict[str, Any]:
    """Return a reliability diagram's `edges`, `count`, `confidence` and `accuracy`; null for an empty bin."""
    found: Reliability = reliability(confidence, correct)
    return {
        "edges": found.edges.tolist(),
        "count": found.count.tolist(),
        "confidence": [_number(value) for value in found.confidence],
        "accuracy": [_number(value) for value in found.accuracy],
    }


def _number(value: float) -> float | None:
    """A float, or None where JSON has no word for it."""
    return None if np.isnan(value) else float(value)
