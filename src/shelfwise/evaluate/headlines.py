"""The headline metrics of a classifier with their resamples, so that intervals and differences come cheap.

Shapes: N rows, K classes, R resamples.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64, Shaped
from numpy import ndarray

from shelfwise.decide.temperature import apply_temperature
from shelfwise.metrics.bootstrap import RESAMPLES, Sampled, resampled_means
from shelfwise.metrics.calibration import BINS, bin_gaps, sampled_ece
from shelfwise.metrics.classification import (
    auroc_parts,
    log_softmax,
    macro_f1,
    top_k_hits,
    weighted_f1,
)
from shelfwise.metrics.macro_f1 import mean_over_classes, sampled_class_scores

TOP_K = (2, 3, 5)


def headline_samples(
    logits: Float[ndarray, "N K"],
    labels: Int64[ndarray, "N"],
    *,
    temperature: float = 1.0,
    logits_tta: Float[ndarray, "N K"] | None = None,
    groups: Shaped[ndarray, "N"] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Sampled]:
    """Return every headline by name, each with its value in the same R resamples.

    `groups` are family ids: where given, families are resampled whole. No label may be missing."""
    classes = logits.shape[1]
    predicted = logits.argmax(axis=1)
    columns: dict[str, ndarray] = {"accuracy": predicted == labels}
    if logits_tta is not None:
        columns["accuracy_tta"] = logits_tta.argmax(axis=1) == labels
    for k in TOP_K:
        if k < classes:
            columns[f"top_{k}"] = top_k_hits(logits, labels, k)
    columns["auroc"] = auroc_parts(logits_to_probabilities(logits, temperature), labels)[1]
    columns["nll"] = _row_nll(logits / temperature, labels)
    columns["nll_before_scaling"] = _row_nll(logits, labels)
    scaled, plain = (
        bin_gaps(logits_to_probabilities(logits, scale).max(axis=1), predicted == labels)
        for scale in (temperature, 1.0)
    )

    values = np.column_stack([*columns.values(), scaled, plain]).astype(np.float64)
    drawn = resampled_means(values, seed=seed, resamples=resamples, groups=groups)
    means = values.mean(axis=0)
    found = {name: Sampled(float(means[i]), drawn[:, i]) for i, name in enumerate(columns)}
    found["auroc"] = found["auroc"].within(0.0, 1.0)
    for i, name in enumerate(("ece", "ece_before_scaling")):
        place = slice(len(columns) + i * BINS, len(columns) + (i + 1) * BINS)
        found[name] = sampled_ece(means[place], drawn[:, place])
    scores = sampled_class_scores(labels, predicted, classes, seed=seed, resamples=resamples, groups=groups)
    macro, weighted = macro_f1(scores), weighted_f1(scores)
    found["macro_f1"] = mean_over_classes(float(macro[0]), macro[1:])
    found["weighted_f1"] = Sampled(float(weighted[0]), weighted[1:])
    return found


def logits_to_probabilities(logits: Float[ndarray, "N K"], temperature: float) -> Float[ndarray, "N K"]:
    """Return calibrated probabilities in float64."""
    return apply_temperature(logits.astype(np.float64), temperature)


def _row_nll(logits: Float[ndarray, "N K"], labels: Int64[ndarray, "N"]) -> Float[ndarray, "N"]:
    return np.asarray(-np.take_along_axis(log_softmax(logits), labels[:, None], axis=1)[:, 0])
