"""Metrics of answers in a class tree: a wrong leaf under the right parent is half right.

N rows, L levels (coarsest first), K leaves, R resamples. An answer and a truth are node numbers at every
level, as of `data.taxonomy`; -1 from where it says no more. The root, which all share, counts for nothing.
What the truth does not know is not held against the answer: levels where it is -1 are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int64, Shaped
from numpy import ndarray

from shelfwise.metrics.bootstrap import RESAMPLES, Sampled, resampled_means

PRECISION, RECALL, F1 = "hierarchical_precision", "hierarchical_recall", "hierarchical_f1"
ERROR_HEIGHT = "error_height"


def nodes_of(leaves: Int64[ndarray, "N"], ancestors: Int64[ndarray, "K L"]) -> Int64[ndarray, "N L"]:
    """Return the node numbers of predicted leaves (`Taxonomy.ancestors`); all -1 for no answer (-1)."""
    return np.where(leaves[:, None] >= 0, ancestors[leaves], -1)


def hierarchy_scores(
    said: Int64[ndarray, "N L"], truth: Int64[ndarray, "N L"], levels: Sequence[str]
) -> dict[str, float]:
    """Return every metric by name; NaN where no row counts for it.

    `hierarchical_precision`, `_recall`, `_f1`: overlap of the sets of ancestors, a node its own, summed
    over rows before dividing (Kiritchenko et al. 2006; Silla & Freitas 2011). The three are
    equal if every answer goes down to a leaf; stopping early costs recall alone.
    `accuracy_LEVEL`: share of right nodes of the rows that know the level's.
    `error_height`: mean height of the lowest common ancestor of the leaf said and the true one, over wrong
    answers to rows that know their leaf: 1 between siblings, L between strangers (arXiv:1912.09393)."""
    top, bottom = _ratio_columns(said, truth)
    ratios = _ratio(top.sum(axis=0), bottom.sum(axis=0))
    return dict(zip(_names(levels), ratios.tolist(), strict=True))


def sampled_hierarchy(
    said: Int64[ndarray, "N L"],
    truth: Int64[ndarray, "N L"],
    levels: Sequence[str],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    groups: Shaped[ndarray, "N"] | None = None,
) -> dict[str, Sampled]:
    """Return `hierarchy_scores` with their resamples, of rows or of whole groups."""
    values = hierarchy_scores(said, truth, levels)
    columns = np.concatenate(_ratio_columns(said, truth), axis=1)
    drawn = np.full((resamples, columns.shape[1]), np.nan)
    if len(columns):
        drawn = resampled_means(columns, seed=seed, resamples=resamples, groups=groups)
    ratios = _ratio(*np.split(drawn, 2, axis=1))
    return {name: Sampled(value, ratios[:, i]) for i, (name, value) in enumerate(values.items())}


def _names(levels: Sequence[str]) -> list[str]:
    return [PRECISION, RECALL, F1, *(f"accuracy_{level}" for level in levels), ERROR_HEIGHT]


def _ratio_columns(
    said: Int64[ndarray, "N L"], truth: Int64[ndarray, "N L"]
) -> tuple[Float[ndarray, "N M"], Float[ndarray, "N M"]]:
    """Return what each row adds above and below the line of each metric, since all are ratios of sums."""
    known = truth >= 0
    right = (said == truth) & known
    answered = ((said >= 0) & known).sum(axis=1)
    common, labelled = right.sum(axis=1), known.sum(axis=1)
    wrong = known[:, -1] & ~right[:, -1]
    height = wrong * (truth.shape[1] - common)
    top = np.column_stack([common, common, 2 * common, right, height])
    bottom = np.column_stack([answered, labelled, answered + labelled, known, wrong])
    return top.astype(np.float64), bottom.astype(np.float64)


def _ratio(top: Float[ndarray, "*R M"], bottom: Float[ndarray, "*R M"]) -> Float[ndarray, "*R M"]:
    return np.asarray(np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0))
