"""How one target of a products bundle is scored, be it a path, an attribute, or several values at once.

N products, of which M are measured, K classes, L levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64, Shaped
from numpy import ndarray

from shelfwise.bundle import ProductsBundle, TargetInfo
from shelfwise.config import TargetConfig
from shelfwise.data.product_labels import labels_of, paths_of
from shelfwise.data.product_rows import ProductRows
from shelfwise.data.taxonomy import Row, Taxonomy, distinct_names
from shelfwise.metrics.bootstrap import Sampled, mean_of, resampled_means
from shelfwise.metrics.calibration import bin_gaps, sampled_ece, value_gaps
from shelfwise.metrics.hierarchy import nodes_of, sampled_hierarchy
from shelfwise.metrics.longtail import sampled_longtail
from shelfwise.metrics.macro_f1 import sampled_macro_f1
from shelfwise.metrics.multilabel import sampled_multilabel
from shelfwise.predict.products import LIKELY

ALL = "all"
"""In place of a subset: asked with everything that a bundle reads, whichever of it a product has."""
HEADLINES = ("accuracy", "macro_f1", "ece", "nll")
_LEAST = 1e-12


@dataclass(frozen=True)
class Truth:
    """What the shop says of one target."""

    info: TargetInfo
    tree: Taxonomy
    labels: Int64[ndarray, "N _"]
    """Node numbers of every level, the finest last; of several values 1 for each that it has and 0 for
    the others. -1 is unknown. What was not learned has numbers, or columns, beyond the tree's: whatever a
    bundle says of it is wrong."""
    unlearned: Bool[ndarray, "N"]
    """Products with a class that the bundle has not learned; of several values with one among them."""

    @property
    def known(self) -> Bool[ndarray, "N"]:
        """Which products have a label, learned or not: those that the target is measured on."""
        return self.labels[:, -1] >= 0

    @property
    def counts(self) -> Int64[ndarray, "_"]:
        """Training products of each class, of one that was not learned none."""
        beyond = int(self.labels[:, -1].max(initial=-1)) + 1 - len(self.tree)
        return np.array([*self.info.counts, *[0] * beyond], np.int64)

    @property
    def names(self) -> tuple[str, ...]:
        """Each class's name; see `distinct_names`."""
        return distinct_names(self.tree.paths)

    def as_json(self) -> dict[str, Any]:
        """What a reader has to know of the target."""
        return {
            "levels": list(self.info.levels),
            "classes": len(self.tree),
            "several": self.info.several,
            "labelled": int(self.known.sum()),
            "not_learned": int(self.unlearned.sum()),
        }


def truths_of(bundle: ProductsBundle, rows: ProductRows) -> dict[str, Truth]:
    """The truth of every target, in the bundle's own numbers."""
    return {name: truth_of(bundle, rows, name) for name in bundle.reading.targets}


def truth_of(bundle: ProductsBundle, rows: ProductRows, name: str) -> Truth:
    """The truth of one target, in the bundle's own numbers."""
    info, target = bundle.reading.targets[name], bundle.config.effective_targets[name]
    tree = Taxonomy(info.levels, info.paths, dict(info.strays))
    found = labels_of(target, rows, tree)
    labels = (
        _with_values(target, rows, tree, found) if info.several else _with_nodes(target, rows, tree, found)
    )
    beyond = labels[:, len(tree) :].any(axis=1) if info.several else labels[:, -1] >= len(tree)
    return Truth(info, tree, labels, beyond & (labels[:, -1] >= 0))


def main_target(truths: dict[str, Truth]) -> str | None:
    """The first target with one value a product, else the first, if any: what the page looks at closely."""
    single = (name for name, truth in truths.items() if not truth.info.several)
    return next(single, next(iter(truths), None))


def target_samples(
    probabilities: Float[ndarray, "N K"],
    truth: Truth,
    measured: Bool[ndarray, "N"],
    families: Shaped[ndarray, "N"],
    seed: int,
) -> dict[str, Sampled]:
    """Every figure of one target over the measured products, at least one, with its resamples.

    A class that was not learned is told wrong, in every figure but `nll`, and the main figure once more
    `_known`: that of what was learned."""
    said, labels, groups = probabilities[measured], truth.labels[measured], families[measured]
    if truth.info.several:
        stated, values = _stated(said, truth), slice(len(truth.tree))
        whole = sampled_multilabel(stated, labels == 1, seed=seed, groups=groups)
        known = sampled_multilabel(stated[:, values], labels[:, values] == 1, seed=seed, groups=groups)
        beyond = ((0, 0), (0, labels.shape[1] - said.shape[1]))
        gaps = value_gaps(np.pad(said.astype(np.float64), beyond), labels == 1)
        ece = sampled_ece(gaps.mean(axis=0), resampled_means(gaps, seed=seed, groups=groups))
        return whole | {"micro_f1_known": known["micro_f1"], "ece": ece}
    leaves, decided = labels[:, -1], said.argmax(axis=1)
    right, learned = decided == leaves, np.flatnonzero(leaves < len(truth.tree))
    gaps = bin_gaps(said.max(axis=1).astype(np.float64), right)
    surprise = -np.log(said[learned, leaves[learned]].astype(np.float64).clip(min=_LEAST))
    found = {
        "accuracy": mean_of(right, seed=seed, groups=groups),
        "accuracy_known": mean_of(right[learned], seed=seed, groups=groups[learned]),
        "macro_f1": sampled_macro_f1(leaves, decided, seed=seed, groups=groups),
        "ece": sampled_ece(gaps.mean(axis=0), resampled_means(gaps, seed=seed, groups=groups)),
        "nll": mean_of(surprise, seed=seed, groups=groups[learned]),
    }
    found |= sampled_longtail(decided, leaves, truth.counts, groups=groups, seed=seed)
    if len(truth.tree.levels) > 1:
        nodes = nodes_of(decided, truth.tree.ancestors)
        found |= sampled_hierarchy(nodes, labels, truth.tree.levels, groups=groups, seed=seed)
    return found


def main_figure(truth: Truth) -> str:
    """The name of the figure that a target is judged by."""
    return "micro_f1" if truth.info.several else "accuracy"


def sampled_main_figure(
    probabilities: Float[ndarray, "N K"],
    truth: Truth,
    measured: Bool[ndarray, "N"],
    families: Shaped[ndarray, "N"],
    seed: int,
) -> Sampled:
    """The same figure as `target_samples` has it, alone and so cheaper."""
    said, groups = probabilities[measured], families[measured]
    if truth.info.several:
        right = truth.labels[measured] == 1
        return sampled_multilabel(_stated(said, truth), right, seed=seed, groups=groups)["micro_f1"]
    return mean_of(said.argmax(axis=1) == truth.labels[measured, -1], seed=seed, groups=groups)


def rightly_told(probabilities: Float[ndarray, "N K"], truth: Truth) -> Bool[ndarray, "N"]:
    """Which products are told right: the finest class, or every one of several values."""
    if truth.info.several:
        return np.asarray((_stated(probabilities, truth) == (truth.labels == 1)).all(axis=1))
    return np.asarray(probabilities.argmax(axis=1) == truth.labels[:, -1])


def _stated(probabilities: Float[ndarray, "N K"], truth: Truth) -> Bool[ndarray, "N _"]:
    """Which of several values are stated; one that was not learned never is."""
    beyond = truth.labels.shape[1] - probabilities.shape[1]
    return np.pad(probabilities >= LIKELY, ((0, 0), (0, beyond)))


def _with_nodes(
    target: TargetConfig, rows: ProductRows, tree: Taxonomy, labels: Int64[ndarray, "N L"]
) -> Int64[ndarray, "N L"]:
    """`labels` with a number beyond the tree's for each node that a whole path names and the tree lacks."""
    found, beyond = labels.copy(), [dict[Row, int]() for _ in tree.levels]
    sizes = [len(tree.nodes(level)) for level in range(len(tree.levels))]
    for place, path in enumerate(paths_of(target, rows)):
        if found[place, -1] >= 0 or None in path:
            continue
        for level in np.flatnonzero(found[place] < 0).tolist():
            numbers = beyond[level]
            found[place, level] = numbers.setdefault(path[: level + 1], sizes[level] + len(numbers))
    return found


def _with_values(
    target: TargetConfig, rows: ProductRows, tree: Taxonomy, labels: Int64[ndarray, "N K"]
) -> Int64[ndarray, "N _"]:
    """`labels` with a column more for each value that the tree lacks."""
    sets = [
        {value} if isinstance(value, str) else {*(value or ())} for value in rows.labels[target.labels[0]]
    ]
    values = sorted(set().union(*sets) - {path[-1] for path in tree.paths})
    more = np.array([[value in some for value in values] for some in sets], np.int64)
    more = more.reshape(len(labels), len(values))
    more[labels[:, -1] < 0] = -1
    return np.concatenate([labels, more], axis=1)
