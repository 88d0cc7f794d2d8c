"""Sets of labels against the true ones: micro precision, recall and F1 with intervals, kappa of two readers.

A tally has a row for each sentence (or review): labels that are right, said and true.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from collections.abc import Set as AnySet
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64
from numpy import ndarray
from seeds import over_seeds

from shelfwise.metrics.bootstrap import Sampled, resampled_means

SEED = 0
"""Of the resamples: the same for every system, so that their differences are paired."""


def tally(said: Sequence[AnySet[Hashable]], true: Sequence[AnySet[Hashable]]) -> Int64[ndarray, "N 3"]:
    """Return for each row how many labels are right, said and true."""
    rows = [(len(s & t), len(s), len(t)) for s, t in zip(said, true, strict=True)]
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def scores(tallies: Sequence[Int64[ndarray, "N 3"]]) -> dict[str, Any]:
    """Return micro scores of one system, a tally for each of its seeds, over the same rows.

    `f1.ci95` is the interval over seeds, `f1.ci95_rows` that of their mean when rows are resampled."""
    sums = [tally.sum(axis=0) for tally in tallies]
    f1 = sampled_f1(tallies)
    return {
        "precision": over_seeds([_ratio(right, said) for right, said, _ in sums]),
        "recall": over_seeds([_ratio(right, true) for right, _, true in sums]),
        "f1": over_seeds([_ratio(2 * right, said + true) for right, said, true in sums])
        | {"ci95_rows": _rounded(f1.interval().as_json()["ci95"])},
        "true": int(sums[0][2]),
    }


def difference(
    ours: Sequence[Int64[ndarray, "N 3"]], theirs: Sequence[Int64[ndarray, "N 3"]]
) -> dict[str, Any]:
    """Return how much more F1 we have, with a paired interval over rows."""
    found = (sampled_f1(ours) - sampled_f1(theirs)).interval().as_json()
    return {"value": round(found["value"], 5), "ci95_rows": _rounded(found["ci95"])}


def sampled_f1(tallies: Sequence[Int64[ndarray, "N 3"]]) -> Sampled:
    """Return the mean over tallies of micro F1, and the same in every resample of the rows."""
    values = [_f1(tally.mean(axis=0, keepdims=True).astype(np.float64))[0] for tally in tallies]
    drawn = [_f1(resampled_means(tally.astype(np.float64), seed=SEED)) for tally in tallies]
    return Sampled(float(np.mean(values)), np.mean(drawn, axis=0))


def kappa(first: Bool[ndarray, "*N"], second: Bool[ndarray, "*N"]) -> float | None:
    """Return Cohen's kappa of two readers' yes and no; None where both always say the same one word."""
    agreed = float((first == second).mean())
    chance = float(first.mean() * second.mean() + (1 - first.mean()) * (1 - second.mean()))
    return None if chance == 1 else (agreed - chance) / (1 - chance)


def _f1(means: Float[ndarray, "R 3"]) -> Float[ndarray, "R"]:
    right, said, true = means.T
    total = said + true
    return np.divide(2 * right, total, out=np.zeros_like(total), where=total > 0)


def _ratio(top: int, bottom: int) -> float:
    return float(top / bottom) if bottom else 0.0


def _rounded(bounds: Sequence[float]) -> list[float]:
    return [round(bound, 5) for bound in bounds]
