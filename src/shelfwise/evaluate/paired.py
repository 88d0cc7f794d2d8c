"""Two bundles on the same rows: the difference of every headline, with its interval."""

from __future__ import annotations

from typing import Any

from jaxtyping import Bool, Shaped
from numpy import ndarray

from shelfwise.data.labelled import LabelledPictures
from shelfwise.errors import DataError
from shelfwise.evaluate.bundle import FORMAT, fit_labels
from shelfwise.evaluate.headlines import headline_samples
from shelfwise.metrics.bootstrap import Sampled
from shelfwise.predict import Predictor

LOWER_IS_BETTER = ("nll", "nll_before_scaling", "ece", "ece_before_scaling")


def compare_bundles(
    first: Predictor,
    second: Predictor,
    test: LabelledPictures,
    test_of_second: LabelledPictures | None = None,
    *,
    groups: Shaped[ndarray, "N"] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Return each headline of A and B, and B - A with a paired 95% interval.

    `test_of_second` holds the same rows prepared for B, where its pictures have another size.
    `better` is A or B where the interval leaves 0 out, else neither. DataError where the two bundles' classes
    or rows differ."""
    a, b = first.bundle, second.bundle
    if set(a.classes) != set(b.classes):
        odd = sorted(set(a.classes) ^ set(b.classes))
        raise DataError(
            f"bundles '{a.label}' and '{b.label}' answer with different classes ({', '.join(odd[:5])} ...); "
            "only bundles of one label set can be compared"
        )
    other = test if test_of_second is None else test_of_second
    if other.ids != test.ids:
        raise DataError(f"bundles '{a.label}' and '{b.label}' did not get the same rows of the catalogue")
    rows = fit_labels(test, a.classes, a.label)
    known = rows.labels >= 0
    labels = rows.labels[known]
    order = [b.classes.index(name) for name in a.classes]
    logits_a, logits_b = first.logits(test.images[known]), second.logits(other.images[known])[:, order]
    chosen = None if groups is None else groups[known]
    of_a = headline_samples(logits_a, labels, temperature=a.temperature, groups=chosen, seed=seed)
    of_b = headline_samples(logits_b, labels, temperature=b.temperature, groups=chosen, seed=seed)
    right_a, right_b = logits_a.argmax(axis=1) == labels, logits_b.argmax(axis=1) == labels
    return {
        "format": FORMAT,
        "a": {"name": a.name, "version": a.version},
        "b": {"name": b.name, "version": b.version},
        "rows": len(labels),
        "agreement": agreement_of(right_a, right_b),
        "metrics": {name: difference_of(name, of_a[name], of_b[name]) for name in of_a},
    }


def difference_of(name: str, a: Sampled, b: Sampled) -> dict[str, Any]:
    """Return a metric of A and B, the paired `difference` B - A, and which is `better`."""
    found = (b - a).interval()
    better = "neither"
    if found.low > 0 or found.high < 0:
        better = "B" if (found.low > 0) != (name in LOWER_IS_BETTER) else "A"
    return {
        "a": a.interval().as_json(),
        "b": b.interval().as_json(),
        "difference": found.as_json(),
        "better": better,
    }


def agreement_of(right_a: Bool[ndarray, "N"], right_b: Bool[ndarray, "N"]) -> dict[str, int]:
    """Return how many rows both, one alone or neither of A and B told right."""
    return {
        "both_right": int((right_a & right_b).sum()),
        "only_a_right": int((right_a & ~right_b).sum()),
        "only_b_right": int((~right_a & right_b).sum()),
        "both_wrong": int((~right_a & ~right_b).sum()),
    }
