"""The training products that a bundle keeps, to say what a product is like: ids, titles, classes, vectors.

`neighbours.safetensors` holds `vectors` (float16 [N, E], unit length), `classes` (int32 [N], the finest class
of the main target, -1 where it is unknown) and `texts` (uint8, UTF-8 JSON of ids and titles): no pickle, and
about 300 bytes a product. N products, E dimensions of the shared space.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from shelfwise.errors import BundleError

NEIGHBOURS = "neighbours.safetensors"


@dataclass(frozen=True, eq=False)
class KnownProducts:
    """Training products as they lie in the shared space."""

    ids: tuple[str, ...]
    titles: tuple[str, ...]
    classes: Int[ndarray, "N"]
    vectors: Float[ndarray, "N E"]

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.titles) == len(self.classes) == len(self.vectors):
            raise ValueError("ids, titles, classes and vectors differ in length")

    def __len__(self) -> int:
        return len(self.ids)


def write_known_products(known: KnownProducts, path: Path) -> None:
    """Write the file."""
    texts = json.dumps({"ids": known.ids, "titles": known.titles}, ensure_ascii=False)
    arrays: dict[str, ndarray] = {
        "vectors": known.vectors.astype(np.float16),
        "classes": known.classes.astype(np.int32),
        # A lone surrogate, which a broken export of a shop may hold, is no UTF-8.
        "texts": np.frombuffer(texts.encode("utf-8", "replace"), np.uint8),
    }
    save_file(arrays, path)


def read_known_products(path: Path) -> KnownProducts:
    """What the file holds; BundleError where it is none."""
    try:
        arrays = load_file(path)
        texts = json.loads(arrays["texts"].tobytes().decode("utf-8"))
        ids, titles = tuple(map(str, texts["ids"])), tuple(map(str, texts["titles"]))
        return KnownProducts(ids, titles, arrays["classes"], arrays["vectors"].astype(np.float32))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        why = str(error).splitlines()[0]
        raise BundleError(f"'{path}' cannot be read ({why}); copy or train the bundle again") from None
