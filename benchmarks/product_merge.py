"""What the seeds of a products recipe answered, as one result: figures, paired differences, what was asked.

A seed's answers are kept, not its figures: all systems are resampled here by the same draws of families.
Intervals cover seeds and families (`metrics.seeds.over_seeds`). N products.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped
from numpy import ndarray
from product_bars import peers_counted, verdicts
from product_peers import Said

from shelfwise.metrics.bootstrap import Sampled, mean_of
from shelfwise.metrics.macro_f1 import sampled_macro_f1
from shelfwise.metrics.retrieval import reciprocal_rank
from shelfwise.metrics.seeds import over_seeds

PLACES = {"text": "text", "picture": "picture", "picture+text": "both"}
"""Subsets as `evaluate` names them, and as results do."""
MASKED = {"text": "masked_text", "picture+text": "masked_both"}
METHOD = (
    "Means over seeds. Differences are paired: the same products, the same resamples of families. 95% "
    "intervals: Student's t over seeds and percentiles of 1,000 resamples of families, their arms added as "
    "squares. Macro-F1 is over classes with a row; a class that training never saw counts as missed."
)
Run = dict[str, Any]
Samples = dict[str, Sampled]
"""Accuracy and macro-F1."""


@dataclass(frozen=True)
class Truth:
    """What the products are."""

    classes: dict[str, Shaped[ndarray, "N"]]
    """Of each target, by name; empty where it is not known."""
    families: Shaped[ndarray, "N"]


def merged(
    name: str,
    seeds: dict[int, Run],
    truth: Truth,
    peers: dict[str, dict[str, Said]],
    singles: dict[str, dict[int, Run]] | None = None,
) -> dict[str, Any]:
    """All seeds as one; `singles` are the runs of separate models of one modality, where there are any."""
    first, each = next(iter(seeds.values())), list(seeds.values())
    ask = partial(_samples, truth)
    ours = {
        target: {place: [ask(target, _names(run, place, target)) for run in each] for place in first["said"]}
        for target in truth.classes
    }
    theirs = {
        target: {PLACES[subset]: ask(target, said[target].classes) for subset, said in peers.items()}
        for target in truth.classes
    }
    found = {
        "config": f"configs/{name}.toml",
        "part": first["part"],
        "seeds": list(seeds),
        "products": len(truth.families),
        "families": len(np.unique(truth.families)),
        "method": METHOD,
        "figures": _each(ours, _figures),
        "differences": {
            target: {
                "both_minus_text": _figures(_minus(by["both"], by["text"])),
                "masked_both_minus_picture": _figures(_minus(by["masked_both"], by["picture"])),
            }
            for target, by in ours.items()
        },
        "masked": first["masked"],
        "peers": {
            target: {place: _alone(samples) for place, samples in by.items()} for target, by in theirs.items()
        },
        "peers_chosen": {
            target: {PLACES[subset]: said[target].chosen for subset, said in peers.items()}
            for target in truth.classes
        },
        "minus_peers": {
            target: {place: _figures(_minus(ours[target][place], [sample])) for place, sample in by.items()}
            for target, by in theirs.items()
        },
        "retrieval": _retrieval(each, truth.families),
        "cost": {key: _plain([run["cost"][key] for run in each]) for key in first["cost"]},
        "bundles": [run["bundle"] for run in each],
    }
    if singles:
        found["singles"] = {
            place: _single(place, list(runs.values()), ask, ours) for place, runs in singles.items()
        }
    said = verdicts(found)
    return found | {"asked": said, "against_peers": peers_counted(said)}


def _single(
    place: str,
    runs: list[Run],
    ask: Callable[[str, ndarray], Samples],
    ours: dict[str, dict[str, list[Samples]]],
) -> dict[str, Any]:
    """A separate model of one modality, and what the joint one has more: asked for that one, and for both."""
    found: dict[str, Any] = {"seeds": len(runs), "bundles": [run["bundle"] for run in runs]}
    for target, by in ours.items():
        alone = [ask(target, _names(run, place, target)) for run in runs]
        # Seeds of two models belong together by nothing but their order: their means are compared.
        mean = [_mean(alone)]
        found[target] = _figures(alone) | {
            "joint_minus_single": _figures(_minus(by[place], mean)),
            "both_minus_single": _figures(_minus(by["both"], mean)),
        }
    return found


def _names(run: Run, place: str, target: str) -> Shaped[ndarray, "N"]:
    """What a run says, by name."""
    return np.array(run["classes"][target], np.str_)[run["said"][place][target]]


def _samples(truth: Truth, target: str, said: Shaped[ndarray, "N"]) -> Samples:
    """Both figures of one system's answers; products without a label do not count."""
    known = truth.classes[target] != ""
    own, families = truth.classes[target][known], truth.families[known]
    numbers = np.unique(np.concatenate([own, said[known]]), return_inverse=True)[1]
    labels, answered = np.split(numbers.astype(np.int64), 2)
    return {
        "accuracy": mean_of(labels == answered, seed=0, groups=families),
        "macro_f1": sampled_macro_f1(labels, answered, seed=0, groups=families),
    }


def _retrieval(each: list[Run], families: Shaped[ndarray, "N"]) -> dict[str, Any]:
    """Titles that look for their pictures, and class names that do."""
    ranks: list[Int64[ndarray, "N"]] = [np.array(run["ranks"], np.int64) for run in each]
    if not all(len(some) for some in ranks):
        return {}
    measures: dict[str, Callable[[ndarray], ndarray]] = {
        "recall_at_1": lambda rank: rank == 1,
        "recall_at_10": lambda rank: (rank > 0) & (rank <= 10),
        "mrr": reciprocal_rank,
    }
    found: dict[str, Any] = {
        name: _figure([mean_of(measure(rank), seed=0, groups=families) for rank in ranks])
        for name, measure in measures.items()
    }
    found["pool"] = len(families)
    names = [run["names"] for run in each if run["names"]]
    if names:
        for k in (1, 10):
            found[f"name_p_at_{k}"] = _plain([some[f"precision@{k}"] for some in names])
        found["names"] = names[0]["classes"]
    return found


def _minus(first: Sequence[Samples], second: Sequence[Samples]) -> list[Samples]:
    """Paired differences, seed by seed; a second of one is subtracted from all."""
    pairs = zip(first, second if len(second) > 1 else [*second] * len(first), strict=True)
    return [{name: one[name] - other[name] for name in one} for one, other in pairs]


def _mean(samples: Sequence[Samples]) -> Samples:
    return {
        name: Sampled(
            float(np.mean([one[name].value for one in samples])),
            np.mean([one[name].drawn for one in samples], axis=0),
        )
        for name in samples[0]
    }


def _each(tree: dict[str, dict[str, Any]], of: Callable[[Any], Any]) -> dict[str, dict[str, Any]]:
    return {target: {place: of(value) for place, value in by.items()} for target, by in tree.items()}


def _figures(samples: Sequence[Samples]) -> dict[str, Any]:
    return {name: _figure([one[name] for one in samples]) for name in samples[0]}


def _figure(samples: Sequence[Sampled]) -> dict[str, Any]:
    """Mean with its interval, and each seed's value."""
    return over_seeds(samples).as_json() | {"seeds": [sample.value for sample in samples]}


def _alone(samples: Samples) -> dict[str, Any]:
    return {name: sample.interval().as_json() for name, sample in samples.items()}


def _plain(values: Sequence[float]) -> dict[str, Any]:
    """A figure that has no rows to be resampled."""
    return {"value": float(np.mean(values)), "seeds": list(values)}
