"""What runs a products bundle's network: the interface, and onnxruntime, which needs no torch.

B products, P pictures of all of them, T tokens, D features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from numpy import ndarray

from shelfwise.bundle import ProductsBundle
from shelfwise.errors import BundleError
from shelfwise.predict.onnx_backend import Precision, Runtime, graph_name, graph_session, need_precision


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
    """onnxruntime, or another `runtime`, on `picture.onnx`, `title.onnx`, `table.onnx` and `fuse.onnx`, or on
    the 8-bit forms that there are.

    In 8 bits a pretrained tower takes the scale of activations from all rows that run together; so that an
    answer depends on its own product alone, every row runs alone there."""

    def __init__(
        self,
        bundle: ProductsBundle,
        threads: int | None = None,
        precision: Precision = "fp32",
        runtime: Runtime = "onnx",
    ) -> None:
        need_precision(bundle, precision)
        reading = bundle.reading
        names = {graph: graph_name(bundle, graph, precision) for graph in ("picture", "title")}
        self._picture = graph_session(bundle, names["picture"], threads, runtime)
        self._title = graph_session(bundle, names["title"], threads, runtime)
        self._alone = {
            graph for graph, name in names.items() if ".int8." in name and graph in reading.architectures
        }
        self._table = None
        if "table" in reading.modalities:
            self._table = graph_session(bundle, "table.onnx", threads, runtime)
        self._fuse = graph_session(bundle, "fuse.onnx", threads, runtime)
        # A graph drops what it does not use, such as the tokens of a fusion that looks at vectors alone.
        self._wanted = {given.name for given in self._fuse.get_inputs()}
        self._names = [*reading.targets, *(["vectors"] if reading.shared else [])]
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
        if "picture" in self._alone:
            return together([self._picture.run(None, {"pixels": row[None]}) for row in pixels])
        tokens, vectors = self._picture.run(None, {"pixels": pixels})
        return tokens, vectors

    def title(self, words: Int64[ndarray, "B L"], pieces: Int64[ndarray, "B S"]) -> tuple[ndarray, ndarray]:
        """Tokens and vectors."""
        if "title" in self._alone:
            lengths = np.maximum(1, (words > 0).sum(1)).tolist()
            rows = zip(words, lengths, strict=True)
            found = [self._title.run(None, {"words": row[None, :length]}) for row, length in rows]
            return together(found, words.shape[1])
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


def together(rows: Sequence[Sequence[ndarray]], length: int | None = None) -> tuple[ndarray, ndarray]:
    """Tokens [B, T, D] and vectors [B, D] of rows that ran alone; tokens filled up to `length` with zeros."""
    tokens = np.zeros((len(rows), length or rows[0][0].shape[1], rows[0][0].shape[2]), np.float32)
    for place, (some, _) in enumerate(rows):
        tokens[place, : some.shape[1]] = some[0]
    return tokens, np.concatenate([vector for _, vector in rows])


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
