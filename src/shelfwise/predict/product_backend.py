"""What runs a products bundle's network: the interface, and onnxruntime, which needs no torch.

B products, P pictures of all of them, T tokens, D features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from numpy import ndarray

from shelfwise.bundle import ProductsBundle
from shelfwise.errors import BundleError
from shelfwise.predict.onnx_backend import graph_session


@dataclass(frozen=True)
class Known:
    """What one modality's tower says of B products; tokens that are not present mean nothing."""

    tokens: Float32[ndarray, "B T D"]
    present: Bool[ndarray, "B T"]
    vector: Float32[ndarray, "B D"]

    def without(self, rows: Bool[ndarray, "B"]) -> Known:
        """The same with the modality taken away from some products."""
        return Known(self.tokens, self.present & ~rows[:, None], self.vector)


@runtime_checkable
class ProductBackend(Protocol):
    """Runs the towers of a products bundle, and what stands on them."""

    def picture(self, pixels: UInt8[ndarray, "P H W C"]) -> tuple[ndarray, ndarray]:
        """Tokens [P, T, D] and vectors [P, D] of pictures."""

    def title(self, words: Int64[ndarray, "B L"], pieces: Int64[ndarray, "B S"]) -> tuple[ndarray, ndarray]:
        """Tokens [B, L, D] and vectors [B, D] of texts."""

    def table(
        self, values: Int64[ndarray, "B F"], numbers: Float32[ndarray, "B F"]
    ) -> tuple[ndarray, ndarray]:
        """Tokens [B, F, D] and vectors [B, D] of table rows."""

    def fuse(self, known: dict[str, Known]) -> dict[str, Float[ndarray, "B _"]]:
        """Logits of each target; under `vectors` unit vectors where there is a shared space."""


class OnnxProductBackend:
    """onnxruntime on `picture.onnx`, `title.onnx`, `table.onnx` and `fuse.onnx`."""

    def __init__(self, bundle: ProductsBundle, threads: int | None = None) -> None:
        reading = bundle.reading
        self._picture = graph_session(bundle, "picture.onnx", threads)
        self._title = graph_session(bundle, "title.onnx", threads)
        self._table = graph_session(bundle, "table.onnx", threads) if "table" in reading.modalities else None
        self._fuse = graph_session(bundle, "fuse.onnx", threads)
        # A graph drops what it does not use, such as the tokens of a fusion that looks at vectors alone.
        self._wanted = {given.name for given in self._fuse.get_inputs()}
        self._names = [output.name for output in self._fuse.get_outputs()]
        wanted = [len(target.paths) for target in reading.targets.values()]
        wanted += [reading.shared] if reading.shared else []
        found = [output.shape[-1] for output in self._fuse.get_outputs()]
        if found != wanted:
            raise BundleError(
                f"bundle '{bundle.path}': fuse.onnx gives {found} numbers, which do not fit {wanted}; "
                "copy or train it again"
            )

    def picture(self, pixels: UInt8[ndarray, "P H W C"]) -> tuple[ndarray, ndarray]:
        """Tokens and vectors."""
        tokens, vectors = self._picture.run(None, {"pixels": pixels})
        return tokens, vectors

    def title(self, words: Int64[ndarray, "B L"], pieces: Int64[ndarray, "B S"]) -> tuple[ndarray, ndarray]:
        """Tokens and vectors."""
        given = {"words": words, "pieces": pieces}
        wanted = (entry.name for entry in self._title.get_inputs())  # a pretrained tower has no pieces
        tokens, vectors = self._title.run(None, {name: given[name] for name in wanted})
        return tokens, vectors

    def table(
        self, values: Int64[ndarray, "B F"], numbers: Float32[ndarray, "B F"]
    ) -> tuple[ndarray, ndarray]:
        """Tokens and vectors."""
        assert self._table is not None
        tokens, vectors = self._table.run(None, {"values": values, "numbers": numbers})
        return tokens, vectors

    def fuse(self, known: dict[str, Known]) -> dict[str, Float[ndarray, "B _"]]:
        """Logits and vectors."""
        given: dict[str, ndarray] = {}
        for name, part in known.items():
            given[f"{name}_tokens"] = part.tokens
            given[f"{name}_present"] = part.present
            given[f"{name}_vector"] = part.vector
        found = self._fuse.run(None, {name: value for name, value in given.items() if name in self._wanted})
        return dict(zip(self._names, found, strict=True))


def by_product(
    tokens: Float32[ndarray, "P T D"],
    vectors: Float32[ndarray, "P D"],
    owner: Int64[ndarray, "P"],
    products: int,
) -> Known:
    """Pictures' tokens and vectors put together by product: all tokens side by side, and the mean."""
    counts = np.bincount(owner, minlength=products)
    most, length, width = max(1, int(counts.max(initial=0))), tokens.shape[1], tokens.shape[2]
    slot = np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]
    side_by_side = np.zeros((products, most, length, width), np.float32)
    side_by_side[owner, slot] = tokens
    sums = np.zeros((products, width), np.float32)
    np.add.at(sums, owner, vectors)
    present = np.repeat(np.arange(most) < counts[:, None], length, axis=1)
    return Known(
        side_by_side.reshape(products, most * length, width),
        present,
        sums / np.maximum(counts, 1)[:, None].astype(np.float32),
    )
