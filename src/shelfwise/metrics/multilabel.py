"""Metrics of targets of which a row may have several values at once, such as materials.

N rows, K values, R resamples. Truth and answer say for each value whether the row has it; drop rows whose
truth is unknown first. Micro figures count every (row, value) alike; macro figures are means over the values
that occur as truth or answer, as in `metrics.classification` (Tsoumakas & Katakis 2007, section 3).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy import ndarray

from shelfwise.metrics.bootstrap import RESAMPLES, Sampled, resampled_means
from shelfwise.metrics.classification import class_scores_of_counts
from shelfwise.metrics.macro_f1 import mean_over_classes

KINDS = ("precision", "recall", "f1")
NAMES = (
    *(f"micro_{kind}" for kind in KINDS),
    *(f"macro_{kind}" for kind in KINDS),
    "exact_match",
)


def multilabel_scores(said: Bool[ndarray, "N K"], truth: Bool[ndarray, "N K"]) -> dict[str, float]:
    """Return every metric of `NAMES`, from 0 to 1; NaN without rows.

    `exact_match` is the share of rows of which every value is told right."""
    if not len(said):
        return dict.fromkeys(NAMES, float("nan"))
    found = _scores(_columns(said, truth).mean(axis=0, keepdims=True))
    return {name: float(values[0]) for name, values in found.items()}


def sampled_multilabel(
    said: Bool[ndarray, "N K"],
    truth: Bool[ndarray, "N K"],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    groups: Shaped[ndarray, "N"] | None = None,
) -> dict[str, Sampled]:
    """Return `multilabel_scores` with their resamples, of rows or of whole groups."""
    values = multilabel_scores(said, truth)
    if not len(said):
        return {name: Sampled(value, np.full(resamples, np.nan)) for name, value in values.items()}
    columns = _columns(said, truth)
    drawn = _scores(resampled_means(columns, seed=seed, resamples=resamples, groups=groups))
    return {
        name: (mean_over_classes if name.startswith("macro") else Sampled)(value, drawn[name])
        for name, value in values.items()
    }


def _columns(said: Bool[ndarray, "N K"], truth: Bool[ndarray, "N K"]) -> Float[ndarray, "N M"]:
    """Return right answers, truths and answers of each value, and whether the whole row is right."""
    whole = (said == truth).all(axis=1, keepdims=True)
    return np.concatenate([said & truth, truth, said, whole], axis=1).astype(np.float64)


def _scores(means: Float[ndarray, "R M"]) -> dict[str, Float[ndarray, "R"]]:
    """Return the metrics from means of `_columns`; of ratios, means do as well as counts."""
    hits, support, claimed = np.split(means[:, :-1], 3, axis=1)
    micro = class_scores_of_counts(*(part.sum(axis=1, keepdims=True) for part in (hits, support, claimed)))
    macro = class_scores_of_counts(hits, support, claimed)
    occurs = support + claimed > 0
    values = np.maximum(occurs.sum(axis=1), 1)
    found = {f"micro_{kind}": np.asarray(getattr(micro, kind))[:, 0] for kind in KINDS}
    found |= {f"macro_{kind}": (getattr(macro, kind) * occurs).sum(axis=1) / values for kind in KINDS}
    return {**found, "exact_match": means[:, -1]}
