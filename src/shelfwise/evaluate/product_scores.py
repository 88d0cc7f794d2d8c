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
from shelfwise.data.taxonomy import Taxonomy
from shelfwise.evaluate.headlines import headline_samples
from shelfwise.metrics.bootstrap import Sampled, mean_of
from shelfwise.metrics.hierarchy import nodes_of, sampled_hierarchy
from shelfwise.metrics.longtail import sampled_longtail
from shelfwise.metrics.macro_f1 import sampled_macro_f1
from shelfwise.metrics.multilabel import sampled_multilabel
from shelfwise.predict.products import LIKELY

HEADLINES = ("accuracy", "macro_f1", "ece", "nll")
_LEAST = 1e-12


@dataclass(frozen=True)
class Truth:
    """What the shop says of one target."""

    info: TargetInfo
    tree: Taxonomy
    labels: Int64[ndarray, "N _"]
    """Node numbers of every level, the finest last; of several values 1 for each that it has and 0 for
    the others. -1 is unknown."""
    not_learned: int
    """Products with a class that the bundle has not learned; of several values with one among them."""

    @property
    def known(self) -> Bool[ndarray, "N"]:
        """Which products the target can be measured on."""
        return self.labels[:, -1] >= 0

    @property
    def names(self) -> tuple[str, ...]:
        """Each class's own name, with its parents where two classes bear the same."""
        ends = [path[-1] for path in self.tree.paths]
        return tuple(
            end if ends.count(end) == 1 else " > ".join(path)
            for end, path in zip(ends, self.tree.paths, strict=True)
        )

    def as_json(self) -> dict[str, Any]:
        """What a reader has to know of the target."""
        return {
            "levels": list(self.info.levels),
            "classes": len(self.tree),
            "several": self.info.several,
            "labelled": int(self.known.sum()),
            "not_learned": self.not_learned,
        }


def truths_of(bundle: ProductsBundle, rows: ProductRows) -> dict[str, Truth]:
    """The truth of every target, in the bundle's own numbers."""
    return {name: truth_of(bundle, rows, name) for name in bundle.reading.targets}


def truth_of(bundle: ProductsBundle, rows: ProductRows, name: str) -> Truth:
    """The truth of one target, in the bundle's own numbers."""
    info, target = bundle.reading.targets[name], bundle.config.asked[name]
    tree = Taxonomy(info.levels, info.paths, dict(info.strays))
    labels = labels_of(target, rows, tree)
    return Truth(info, tree, labels, _not_learned(target, rows, tree, labels))


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
    """Every figure of one target over the measured products, at least one, with its resamples."""
    said, labels, groups = probabilities[measured], truth.labels[measured], families[measured]
    if truth.info.several:
        return sampled_multilabel(said >= LIKELY, labels == 1, seed=seed, groups=groups)
    logits = np.log(said.astype(np.float64).clip(min=_LEAST))
    leaves, decided = labels[:, -1], said.argmax(axis=1)
    headlines = headline_samples(logits, leaves, groups=groups, seed=seed)
    found = {name: headlines[name] for name in HEADLINES}
    found["macro_f1"] = sampled_macro_f1(leaves, decided, seed=seed, groups=groups)
    found |= sampled_longtail(decided, leaves, np.array(truth.info.counts), groups=groups, seed=seed)
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
        return sampled_multilabel(said >= LIKELY, right, seed=seed, groups=groups)["micro_f1"]
    return mean_of(said.argmax(axis=1) == truth.labels[measured, -1], seed=seed, groups=groups)


def rightly_told(probabilities: Float[ndarray, "N K"], truth: Truth) -> Bool[ndarray, "N"]:
    """Which products are told right: the finest class, or every one of several values."""
    if truth.info.several:
        return np.asarray(((probabilities >= LIKELY) == (truth.labels == 1)).all(axis=1))
    return np.asarray(probabilities.argmax(axis=1) == truth.labels[:, -1])


def _not_learned(target: TargetConfig, rows: ProductRows, tree: Taxonomy, labels: ndarray) -> int:
    """How many products say a class that the tree lacks."""
    if not target.several:
        whole = np.array([None not in path for path in paths_of(target, rows)], bool)
        return int((whole & (labels[:, -1] < 0)).sum())
    known = {path[-1] for path in tree.paths}
    values = rows.labels[target.labels[0]]
    return sum(
        not known.issuperset((value,) if isinstance(value, str) else value)
        for value in values
        if value is not None
    )
