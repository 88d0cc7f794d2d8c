"""A small index of drawn products with made-up vectors, for tests of search without a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from drawn import BRANDS, KINDS, colour_of, title_of

from shelfwise.search.facts import IndexFacts
from shelfwise.search.lance_table import StoredProduct
from shelfwise.search.view_build import EXACT_BELOW
from shelfwise.search.writer import open_writer

LABEL = "drawn@0123456789ab"
DIMENSION = 16


def drawn_fields(number: int) -> dict[str, Any]:
    """Some products lack a colour or a price; tags are several."""
    return {
        "brand": BRANDS[number % len(BRANDS)],
        "colour": None if number % 7 == 0 else colour_of(number),
        "price": None if number % 11 == 0 else f"{5 + number % 90}.5",
        "tags": [tag for tag, every in (("new", 2), ("sale", 3)) if number % every == 0],
    }


def drawn_stored(number: int, title: str | None = None) -> StoredProduct:
    title = title_of(KINDS[number % 4], number) if title is None else title
    fields = json.dumps(drawn_fields(number))
    content = hashlib.blake2b(f"{title}{fields}".encode(), digest_size=16).digest()
    return StoredProduct(
        f"p{number:04}", content, f"images/p{number:04}.png", title, f"Number {number} of the shelf", fields
    )


def drawn_vectors(count: int, seed: int = 0, groups: int = 12) -> np.ndarray:
    """Unit vectors in loose groups."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((groups, DIMENSION))
    found = centres[rng.integers(0, groups, count)] + 0.4 * rng.standard_normal((count, DIMENSION))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def write_index(
    folder: Path,
    count: int = 120,
    *,
    exact_below: int = EXACT_BELOW,
    products: Sequence[StoredProduct] | None = None,
    vectors: np.ndarray | None = None,
) -> IndexFacts:
    """Write and publish products p0000, p0001 ... or the given ones."""
    products = [drawn_stored(number) for number in range(count)] if products is None else products
    vectors = drawn_vectors(len(products)) if vectors is None else vectors
    with open_writer(folder, label=LABEL, dimension=vectors.shape[1]) as writer:
        writer.put(products, vectors)
        return writer.publish(exact_below=exact_below)
