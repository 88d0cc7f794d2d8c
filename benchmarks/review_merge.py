"""What several seeds of a review recipe measured, as one result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from seeds import over_seeds

from shelfwise.evaluate.review_scores import DECODING
from shelfwise.metrics.bootstrap import Sampled

HEADLINES = ("accuracy", "qwk")
"""What is told of int8, too."""


def merged(name: str, runs: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """All seeds as one: means with intervals over seeds, kappa with intervals over products as well.

    The interval over products is of the mean over seeds, each resample being the same for all."""
    first, each = next(iter(runs.values())), list(runs.values())
    kappa, theirs = (mean_sample([run[key] for run in each]) for key in ("qwk_sampled", "tfidf_qwk_sampled"))
    found: dict[str, Any] = {
        figure: over_seeds([run["figures"][figure] for run in each]) for figure in first["figures"]
    }
    found["qwk"]["ci95_products"] = bounds(kappa)
    return {
        "config": f"configs/{name}.toml",
        "part": first["part"],
        "seeds": list(runs),
        "decoding": DECODING,
        **first["rows"],
        **found,
        "qwk_minus_tfidf": over_seeds([run["figures"]["qwk"] - run["tfidf"]["qwk"] for run in each])
        | {"ci95_products": bounds(kappa - theirs)},
        **{
            key: {figure: over_seeds([run[key][figure] for run in each]) for figure in HEADLINES}
            for key in ("int8", "int8_change")
        },
        "tfidf": first["tfidf"],
        "tfidf_chosen": first["tfidf_chosen"] | {"by": "qwk on validation"},
        "majority": first["majority"],
        "transfer": {
            shop: over_seeds([run["transfer"][shop] for run in each])
            | {"tfidf": first["transfer_tfidf"][shop]}
            for shop in first["transfer"]
        },
        "megabytes": first["megabytes"],
        "cpu_seconds": over_seeds([run["cpu_seconds"] for run in each]),
        "bundles": [run["bundle"] for run in each],
        "teachers": [run["teachers"] for run in each],
    }


def sample_json(sample: Sampled) -> dict[str, Any]:
    """A sample as a seed's file holds it."""
    return {"value": sample.value, "drawn": [round(float(value), 6) for value in sample.drawn]}


def mean_sample(samples: Sequence[dict[str, Any]]) -> Sampled:
    """The mean of several, resample by resample."""
    drawn = np.mean([sample["drawn"] for sample in samples], axis=0)
    return Sampled(float(np.mean([sample["value"] for sample in samples])), drawn)


def bounds(sample: Sampled) -> list[float]:
    """The interval, rounded."""
    found = sample.interval()
    return [round(found.low, 5), round(found.high, 5)]
