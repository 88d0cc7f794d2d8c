"""Two products bundles on the same rows: how every target differs from all that each reads, and from less.

N products, K classes of a target.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy import ndarray

from shelfwise.bundle import ProductsBundle
from shelfwise.data.product_rows import ProductRows
from shelfwise.errors import DataError
from shelfwise.evaluate.paired import agreement_of, difference_of
from shelfwise.evaluate.product_scores import (
    ALL,
    HEADLINES,
    Truth,
    main_target,
    rightly_told,
    target_samples,
    truths_of,
)
from shelfwise.evaluate.products import FORMAT, Asked, ask_subsets, has_all, row_counts, title_samples
from shelfwise.predict.products import ProductPredictor

SEVERAL = ("micro_f1", "macro_f1", "exact_match")
"""What is compared of several values at once; of the others `HEADLINES`."""


def compare_products(
    first: ProductPredictor,
    second: ProductPredictor,
    rows: ProductRows,
    rows_of_second: ProductRows | None = None,
    *,
    part: str,
    source: str,
    seed: int = 0,
    watch: Callable[[str, float], None] = lambda *_: None,
) -> dict[str, Any]:
    """Return figures of A and B for each target and subset, and B - A with a paired interval over families.

    First each is asked with everything that it reads (`ALL`), then with the subsets that both listen to.
    `rows_of_second` holds the same products prepared for B, where it reads other columns or sizes. `better`
    is A or B where the interval leaves 0 out, else neither. DataError where the bundles share no target, or
    a shared target's classes or the rows differ."""
    a, b = first.bundle, second.bundle
    shared = shared_targets(a, b)
    other = rows if rows_of_second is None else rows_of_second
    if other.ids != rows.ids:
        raise DataError(
            f"bundles '{a.label}' and '{b.label}' did not get the same products of the catalogue; "
            "a file of families (split.families) deals them alike"
        )
    truths = {name: truth for name, truth in truths_of(a, rows).items() if name in shared}
    said = _with_all(ask_subsets(first, rows, watch)), _with_all(ask_subsets(second, other, watch))
    both = {name for name in a.modalities_used if name in b.modalities_used}
    subsets = [subset for subset in said[0].probabilities if both.issuperset(subset.split("+"))]
    measured = {ALL: np.ones(len(rows), bool)}
    measured |= {subset: has_all(rows, subset) & has_all(other, subset) for subset in subsets}
    families = np.array(rows.families)
    watch("intervals", 0.0)
    found: dict[str, Any] = {
        "format": FORMAT,
        "task": "products",
        "a": {"name": a.name, "version": a.version, "reads": list(a.modalities_used)},
        "b": {"name": b.name, "version": b.version, "reads": list(b.modalities_used)},
        "data": {
            "source": source,
            "part": part,
            "rows": len(rows),
            "families": len(set(rows.families)),
            "same_split": a.config.split == b.config.split,
        },
        "main": main_target(truths),
        "only_a": [name for name in a.reading.targets if name not in shared],
        "only_b": [name for name in b.reading.targets if name not in shared],
        "targets": {
            name: {
                subset: _compared(name, said, subset, truth, truth.known & some, families, seed)
                for subset, some in measured.items()
            }
            for name, truth in truths.items()
        },
    }
    if said[0].vectors and said[1].vectors and measured.get("picture+text", np.zeros(1, bool)).any():
        found["retrieval"] = _titles(rows, other, said, seed)
    return found


def shared_targets(a: ProductsBundle, b: ProductsBundle) -> list[str]:
    """The targets of both bundles, by name; DataError where there is none, or where one's classes differ."""
    targets, others = a.reading.targets, b.reading.targets
    shared = [name for name in targets if name in others]
    if not (targets and others):
        without = a if not targets else b
        raise DataError(
            f"bundle '{without.label}' has learned no targets, by which two bundles are compared; evaluate "
            "each alone for its figures of search"
        )
    if not shared:
        raise DataError(
            f"bundles '{a.label}' and '{b.label}' have no target in common: A answers {', '.join(targets)}, "
            f"B {', '.join(others)}; compare bundles that answer the same"
        )
    for name in shared:
        one, other = targets[name], others[name]
        if one.several != other.several or one.levels != other.levels:
            raise DataError(
                f"target '{name}' of '{a.label}' and '{b.label}' is not the same: "
                f"{_kind(one.several, one.levels)} in A, {_kind(other.several, other.levels)} in B"
            )
        if odd := sorted(set(one.paths) ^ set(other.paths)):
            names = ", ".join(" > ".join(path) for path in odd[:3]) + (" ..." if len(odd) > 3 else "")
            raise DataError(
                f"target '{name}' of '{a.label}' and '{b.label}' has different classes ({names}); "
                "only bundles of one class set can be compared"
            )
    return shared


def _kind(several: bool, levels: tuple[str, ...]) -> str:
    return f"{'several of' if several else 'one of'} {' > '.join(levels)}"


def _with_all(asked: Asked) -> Asked:
    """The same with `ALL` as one more subset: the fullest one, in which nothing is taken from a product."""
    probabilities = asked.probabilities
    return replace(asked, probabilities={**probabilities, ALL: [*probabilities.values()][-1]})


def _compared(
    name: str,
    said: tuple[Asked, Asked],
    subset: str,
    truth: Truth,
    measured: Bool[ndarray, "N"],
    families: Shaped[ndarray, "N"],
    seed: int,
) -> dict[str, Any]:
    """One target from one subset; `rows` alone where there is none."""
    if not measured.any():
        return {"rows": 0}
    answers: list[Float[ndarray, "N K"]] = [some.probabilities[subset][name] for some in said]
    a, b = (target_samples(some, truth, measured, families, seed) for some in answers)
    right_a, right_b = (rightly_told(some, truth)[measured] for some in answers)
    figures = SEVERAL if truth.info.several else HEADLINES
    return {
        **row_counts(truth, measured),
        "metrics": {figure: difference_of(figure, a[figure], b[figure]) for figure in figures},
        "agreement": agreement_of(right_a, right_b),
    }


def _titles(rows: ProductRows, other: ProductRows, said: tuple[Asked, Asked], seed: int) -> dict[str, Any]:
    """How titles find their pictures in both; nothing where the two see pictures of other products."""
    if not np.array_equal(rows.counts > 0, other.counts > 0) or any(
        bool(one) != bool(two) for one, two in zip(rows.titles, other.titles, strict=True)
    ):
        return {}
    a, b = title_samples(rows, said[0], seed), title_samples(other, said[1], seed)
    return {
        "pool": int((rows.counts > 0).sum()),
        "metrics": {name: difference_of(name, a[name], b[name]) for name in a},
    }
