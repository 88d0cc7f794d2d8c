"""Metrics of frequent and rare classes apart: what a mean over rows hides, a shop's small shelves.

N rows, K classes, R resamples. A class belongs to the head with 100 training rows or more, to the tail
with fewer than 20, and to the middle otherwise (the shots of ImageNet-LT, arXiv:1904.05160);
one without training rows is tail. Labels index the classes and none is missing (drop rows of -1 first).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int64, Shaped
from numpy import ndarray

from shelfwise.metrics.bootstrap import RESAMPLES, Sampled, resampled_counts
from shelfwise.metrics.classification import class_scores_of_counts
from shelfwise.metrics.macro_f1 import mean_over_classes

HEAD, TAIL = 100, 20
Part = Literal["head", "middle", "tail"]


@dataclass(frozen=True)
class PartScores:
    """How well the classes of one part are told, and on how much that rests."""

    classes: int
    """Classes of the part."""
    tested: int
    """Those with a test row: the ones that `macro_f1` is a mean over."""
    rows: int
    """Test rows of the part's classes."""
    accuracy: float
    """Share of those rows told right; NaN without rows."""
    macro_f1: float
    """Mean F1 of the tested classes; predictions for rows of other parts count against it."""


def parts_of(
    counts: Int64[ndarray, "K"], *, head: int = HEAD, tail: int = TAIL
) -> dict[Part, Bool[ndarray, "K"]]:
    """Return which classes belong to each part by their training rows."""
    if not 0 <= tail <= head:
        raise ValueError(f"the tail ends at {tail} rows, above the head's {head}")
    return {"head": counts >= head, "middle": (counts >= tail) & (counts < head), "tail": counts < tail}


def longtail_scores(
    predicted: Int64[ndarray, "N"],
    labels: Int64[ndarray, "N"],
    counts: Int64[ndarray, "K"],
    *,
    head: int = HEAD,
    tail: int = TAIL,
) -> dict[Part, PartScores]:
    """Return the scores of each part; `counts` are the training rows of each class."""
    size = len(counts)
    hits = np.bincount(labels[predicted == labels], minlength=size)
    support, claimed = np.bincount(labels, minlength=size), np.bincount(predicted, minlength=size)
    found: dict[Part, PartScores] = {}
    for part, members in parts_of(counts, head=head, tail=tail).items():
        accuracy, f1 = _scores_of_counts(hits, support, claimed, members)
        found[part] = PartScores(
            classes=int(members.sum()),
            tested=int((support[members] > 0).sum()),
            rows=int(support[members].sum()),
            accuracy=float(accuracy),
            macro_f1=float(f1),
        )
    return found


def sampled_longtail(
    predicted: Int64[ndarray, "N"],
    labels: Int64[ndarray, "N"],
    counts: Int64[ndarray, "K"],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    groups: Shaped[ndarray, "N"] | None = None,
    head: int = HEAD,
    tail: int = TAIL,
) -> dict[str, Sampled]:
    """Return `accuracy_PART` and `macro_f1_PART` with their resamples, of rows or of whole groups.

    A resample's mean F1 is over the classes drawn in it. NaN where one has none of the part."""
    size = len(counts)
    cells = labels + size * (predicted == labels)
    told = resampled_counts(cells, 2 * size, seed=seed, resamples=resamples, groups=groups)
    claimed = resampled_counts(predicted, size, seed=seed, resamples=resamples, groups=groups)
    missed, hits = told[:, :size], told[:, size:]
    values = longtail_scores(predicted, labels, counts, head=head, tail=tail)
    found: dict[str, Sampled] = {}
    for part, members in parts_of(counts, head=head, tail=tail).items():
        accuracy, f1 = _scores_of_counts(hits, missed + hits, claimed, members)
        found[f"accuracy_{part}"] = Sampled(values[part].accuracy, accuracy)
        found[f"macro_f1_{part}"] = mean_over_classes(values[part].macro_f1, f1)
    return found


def _scores_of_counts(
    hits: Shaped[ndarray, "*R K"],
    support: Shaped[ndarray, "*R K"],
    claimed: Shaped[ndarray, "*R K"],
    members: Bool[ndarray, "K"],
) -> tuple[Float[ndarray, "*R"], Float[ndarray, "*R"]]:
    """Return accuracy and macro-F1 over the member classes that have rows."""
    hits, support, claimed = hits[..., members], support[..., members], claimed[..., members]
    f1 = class_scores_of_counts(hits, support, claimed).f1
    tested = support > 0
    with np.errstate(invalid="ignore"):
        accuracy = hits.sum(axis=-1) / support.sum(axis=-1)
        return np.asarray(accuracy), np.asarray((f1 * tested).sum(axis=-1) / tested.sum(axis=-1))
