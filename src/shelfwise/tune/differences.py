"""What the finished cells of an ablation say together: figures over seeds, and paired differences.

A difference is a switch minus the configuration as it is, seed by seed on the same validation rows; its 95%
interval covers the seeds and the rows (`metrics.seeds.over_seeds`; products are resampled by family, pictures
one by one). Intervals are of one difference each: of twenty switches that do nothing, one looks as if it did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from shelfwise import __version__
from shelfwise.config.ablation import BASELINE
from shelfwise.metrics.bootstrap import Sampled
from shelfwise.metrics.seeds import over_seeds
from shelfwise.tune.cells import Cell, Plan, result_of
from shelfwise.tune.judged import Judged, Questions, judged_samples

FORMAT = 1
_METHOD = (
    "Difference: switch minus baseline at the same seed, on the same validation rows, mean over seeds. "
    "95% interval: Student's t over the seeds' differences and the percentiles of 1,000 resamples of "
    "{units}, half-widths combined as the root of their squares."
)
METHODS = {
    "products": _METHOD.format(units="families"),
    "pictures": _METHOD.format(units="rows, as if none were of one family"),
}
"""How intervals are made, by task: `benches` knows families of products alone."""
Samples = dict[str, Sampled]


@dataclass(frozen=True)
class Finished:
    """A finished cell: what its JSON says, and its figures with their resamples."""

    found: dict[str, Any]
    samples: Samples


def summarise(plan: Plan, out: Path, *, name: str, seed: int = 0) -> dict[str, Any]:
    """Everything that `ablation.json` holds; cells that are not done are listed under `missing`.

    `seed` is that of the resampling."""
    finished: dict[str, Finished] = {}
    for cell in plan.cells:
        if (found := result_of(cell, out)) is not None:
            questions = Questions.from_json(found["questions"])
            samples = judged_samples(Judged.load(cell.path(out, ".npz")), questions, seed=seed)
            finished[cell.fingerprint] = Finished(found, samples)
    entry = partial(_entry, plan, finished)
    first = next(iter(finished.values()), None)
    return {
        "format": FORMAT,
        "config": name,
        "task": plan.config.task,
        "settings": dict(plan.settings),
        "seeds": list(plan.seeds),
        "method": METHODS[plan.config.task],
        "questions": first.found["questions"] if first else None,
        "baseline": entry(plan.baseline),
        "groups": {
            group: {switch: entry(plan.places[group, switch]) for switch in switches}
            for group, switches in plan.groups.items()
        },
        "cells": {"done": len(finished), "all": len(plan.cells)},
        "missing": [str(cell) for cell in plan.cells if cell.fingerprint not in finished],
        "cpu_seconds": sum(cell.found["cost"]["cpu_seconds"] for cell in finished.values()),
        "versions": {"shelfwise": __version__, "numpy": np.__version__}
        | ({"torch": first.found["cost"]["torch"], **first.found["versions"]} if first else {}),
    }


def _entry(plan: Plan, finished: dict[str, Finished], cells: Sequence[Cell]) -> dict[str, Any]:
    """One switch: its figures over the seeds that are done, and its differences from the baseline."""
    done = [(cell, finished[cell.fingerprint]) for cell in cells if cell.fingerprint in finished]
    pairs = [
        (one, finished[base.fingerprint])
        for cell, base in zip(cells, plan.baseline, strict=True)
        if (one := finished.get(cell.fingerprint)) and base.fingerprint in finished
    ]
    owner = cells[0]
    return {
        "settings": dict(owner.settings),
        "same_as_baseline": owner.group == BASELINE,
        "seeds": [cell.seed for cell, _ in done],
        "rows": done[0][1].found["rows"] if done else None,
        "figures": _over_seeds([one.samples for _, one in done]),
        "differences": {} if owner.group == BASELINE else _over_seeds(_differences(pairs)),
        "cost": {
            name: float(np.mean([one.found["cost"][name] for _, one in done]))
            for name in ("cpu_seconds", "seconds_total", "steps")
            if done and all(one.found["cost"].get(name) is not None for _, one in done)
        },
    }


def _differences(pairs: Sequence[tuple[Finished, Finished]]) -> list[Samples]:
    """Switch minus baseline, of every figure that both have; nothing where they answered other rows."""
    return [
        {name: one.samples[name] - base.samples[name] for name in one.samples if name in base.samples}
        for one, base in pairs
        if one.found["validation_rows"] == base.found["validation_rows"]
    ]


def _over_seeds(samples: Sequence[Samples]) -> dict[str, dict[str, Any]]:
    """Mean, interval and each seed's value of every figure that all seeds have."""
    found: dict[str, dict[str, Any]] = {}
    for name in samples[0] if samples else ():
        if all(name in some for some in samples):
            values = [some[name] for some in samples]
            each = [None if np.isnan(one.value) else one.value for one in values]
            found[name] = over_seeds(values).as_json() | {"seeds": each}
    return found
