"""What the product is like: the training products nearest to it in the shared space."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from shelfwise.bundle import ProductsBundle
from shelfwise.bundle.neighbours import NEIGHBOURS, KnownProducts, read_known_products
from shelfwise.data.taxonomy import distinct_names
from shelfwise.schema.explanation import Method, Neighbour

TOP = 5
METHOD = Method(name="nearest training products", source="exact cosine in the shared space")


def known_products(bundle: ProductsBundle) -> KnownProducts | str:
    """The training products that the bundle keeps, to be read once; or why it can tell no neighbours."""
    return why_none(bundle) or read_known_products(bundle.path / NEIGHBOURS)


def nearest_products(
    bundle: ProductsBundle, known: KnownProducts, vector: Float[ndarray, "E"], top: int = TOP
) -> tuple[Neighbour, ...]:
    """The nearest of the bundle's `known_products`, the nearest first."""
    cosines = known.vectors @ vector.astype(np.float32)
    main = bundle.reading.targets.get(bundle.meta.target)
    names = distinct_names(main.paths) if main is not None else ()
    return tuple(
        Neighbour(
            id=known.ids[row],
            title=known.titles[row],
            label=names[known.classes[row]] if 0 <= known.classes[row] < len(names) else None,
            similarity=float(cosines[row]),
        )
        for row in np.argsort(-cosines, kind="stable")[:top].tolist()
    )


def why_none(bundle: ProductsBundle) -> str | None:
    """Why a bundle cannot tell neighbours; None where it can."""
    if not bundle.reading.shared:
        return "the bundle has no shared space: it was trained with shared.loss = 'none'"
    if NEIGHBOURS not in bundle.meta.files:
        return (
            "the bundle keeps no training products: it was trained with shared.neighbours = false, or "
            "before bundles kept them"
        )
    return None
