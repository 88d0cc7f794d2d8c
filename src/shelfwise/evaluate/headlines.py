"""The headline metrics of a classifier with their resamples, so that intervals and differences come cheap.

Shapes: N rows, K classes, R resamples.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64, Shaped
from numpy import ndarray

from shelfwise.decide.temperature import apply_temperature
from shelfwise.metrics.bootstrap import RESAMPLES, Sampled, resampled_counts, resampled_means
from shelfwise.metrics.calibration import BINS, bin_of
from shelfwise.metrics.classification import (
    auroc_parts,
    class_scores_of_counts,
    log_softmax,
    macro_f1,
    top_k_hits,
    weighted_f1,
)

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
    scaled, plain = _bin_gaps(logits, labels, temperature), _bin_gaps(logits, labels, 1.0)

    values = np.column_stack([*columns.values(), scaled, plain]).astype(np.float64)
    drawn = resampled_means(values, seed=seed, resamples=resamples, groups=groups)
    means = values.mean(axis=0)
    found = {name: Sampled(float(means[i]), drawn[:, i]) for i, name in enumerate(columns)}
    found["auroc"] = found["auroc"].within(0.0, 1.0)
    for i, name in enumerate(("ece", "ece_before_scaling")):
        place = slice(len(columns) + i * BINS, len(columns) + (i + 1) * BINS)
        of_rows, of_draws = np.abs(means[place]).sum(), np.abs(drawn[:, place]).sum(axis=1)
        found[name] = Sampled(float(of_rows), of_draws).without_bias()
    found |= _f1_samples(predicted, labels, classes, groups=groups, seed=seed, resamples=resamples)
    return found


def logits_to_probabilities(logits: Float[ndarray, "N K"], temperature: float) -> Float[ndarray, "N K"]:
    """Return calibrated probabilities in float64."""
    return apply_temperature(logits.astype(np.float64), temperature)


def _row_nll(logits: Float[ndarray, "N K"], labels: Int64[ndarray, "N"]) -> Float[ndarray, "N"]:
    return np.asarray(-np.take_along_axis(log_softmax(logits), labels[:, None], axis=1)[:, 0])


def _bin_gaps(
    logits: Float[ndarray, "N K"], labels: Int64[ndarray, "N"], temperature: float
) -> Float[ndarray, "N BINS"]:
    """Return correctness minus confidence of each row in the column of its bin; ECE is the sum of the
    columns' absolute means."""
    confidence = logits_to_probabilities(logits, temperature).max(axis=1)
    gaps = np.zeros((len(labels), BINS))
    gaps[np.arange(len(labels)), bin_of(confidence)] = (logits.argmax(axis=1) == labels) - confidence
    return gaps


def _f1_samples(
    predicted: Int64[ndarray, "N"],
    labels: Int64[ndarray, "N"],
    classes: int,
    *,
    groups: Shaped[ndarray, "N"] | None,
    seed: int,
    resamples: int,
) -> dict[str, Sampled]:
    """Return macro and weighted F1. Only the cells of the confusion matrix that occur are resampled."""
    cells, place = np.unique(labels * classes + predicted, return_inverse=True)
    drawn = resampled_counts(place, len(cells), seed=seed, resamples=resamples, groups=groups)
    counts = np.concatenate([np.bincount(place, minlength=len(cells))[None].astype(np.float64), drawn])
    truth, said = np.eye(classes)[cells // classes], np.eye(classes)[cells % classes]
    scores = class_scores_of_counts(counts @ (truth * said), counts @ truth, counts @ said)
    return {
        name: Sampled(float(values[0]), values[1:])
        for name, values in (("macro_f1", macro_f1(scores)), ("weighted_f1", weighted_f1(scores)))
    }
