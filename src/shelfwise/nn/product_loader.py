"""Batches of products, in an order that is a pure function of (seed, epoch).

Shapes: N products of the data set, B products of a batch, P pictures of theirs, Q pictures in the pool.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from numpy import ndarray
from torch import Tensor

from shelfwise.config import AugmentConfig
from shelfwise.data.picture_pool import EncodedPool, Pool
from shelfwise.data.product_rows import pictures_of
from shelfwise.nn.augment import draw
from shelfwise.nn.loaders import augment_rows
from shelfwise.nn.product_net import ProductTensors
from shelfwise.nn.ranks import Ranks
from shelfwise.nn.title_hiding import HiddenNames


@dataclass(frozen=True, eq=False)
class ProductData:
    """A data set of products as tensors' sources: what `ProductLoader` cuts batches from."""

    pool: Pool
    places: Int64[ndarray, "_"]
    """Where in the pool each picture is, product after product."""
    first: Int64[ndarray, "N_plus_1"]
    """Product i has the places `first[i]` to `first[i + 1]`, the last excluded."""
    words: Int64[ndarray, "N L"]
    pieces: Int64[ndarray, "N S"]
    values: Int64[ndarray, "N F"]
    numbers: Float[ndarray, "N F"]
    labels: Mapping[str, ndarray]
    """Of each target, a row for each product: node numbers [N, levels], or many-hot [N, K]."""
    keys: Int64[ndarray, "N"]
    """Equal for products that are positives of each other in the contrastive loss."""
    hiding: HiddenNames | None = None
    """What titles lose in training where a picture or a table stands beside them."""
    fields: tuple[tuple[Int64[ndarray, "N _"], Int64[ndarray, "N _"]], ...] = ()
    """Words and pieces of each of `shared.fields`, read by itself for the contrastive loss."""
    pair_weights: Float[ndarray, "N"] | None = None
    """How much each product counts in that loss; 1 on average."""

    def __len__(self) -> int:
        return len(self.keys)

    def has(self) -> dict[str, Bool[ndarray, "N"]]:
        """Which products have which modality."""
        return {
            "picture": np.diff(self.first) > 0,
            "text": np.any(self.words > 0, axis=1),
            "table": np.any(self.values > 0, axis=1),
        }


@dataclass(frozen=True)
class ProductBatch:
    """One batch as the network and its objective take it in."""

    products: ProductTensors
    labels: dict[str, Tensor]
    keys: Int64[Tensor, "B"]
    partial: tuple[Int64[Tensor, "B l"], Int64[Tensor, "B s"]] | None = None
    """Words and pieces of titles with names hidden, for what is asked of several modalities together."""
    fields: tuple[tuple[Int64[Tensor, "B _"], Int64[Tensor, "B _"]], ...] = ()
    """Words and pieces of each field of the text by itself."""
    pair_weights: Float[Tensor, "B"] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def to(self, device: torch.device) -> ProductBatch:
        """The same on a device."""
        labels = {name: values.to(device) for name, values in self.labels.items()}
        partial = self.partial and (self.partial[0].to(device), self.partial[1].to(device))
        fields = tuple((words.to(device), pieces.to(device)) for words, pieces in self.fields)
        weights = None if self.pair_weights is None else self.pair_weights.to(device)
        return ProductBatch(self.products.to(device), labels, self.keys.to(device), partial, fields, weights)

    def split(self, parts: int) -> list[ProductBatch]:
        """The batch in about equal parts, fewer than asked where it has fewer rows."""
        size = -(-len(self) // parts)
        return [self._part(slice(start, start + size)) for start in range(0, len(self), size)]

    def _part(self, rows: slice) -> ProductBatch:
        whole = self.products
        mine = (whole.owner >= rows.start) & (whole.owner < rows.stop)
        some = ProductTensors(
            whole.pixels[mine],
            whole.owner[mine] - rows.start,
            whole.words[rows],
            whole.pieces[rows],
            whole.values[rows],
            whole.numbers[rows],
        )
        labels = {name: values[rows] for name, values in self.labels.items()}
        partial = self.partial and (self.partial[0][rows], self.partial[1][rows])
        fields = tuple((words[rows], pieces[rows]) for words, pieces in self.fields)
        weights = None if self.pair_weights is None else self.pair_weights[rows]
        return ProductBatch(some, labels, self.keys[rows], partial, fields, weights)


class ProductLoader:
    """Shuffled batches of all products; with `weights`, drawn with replacement by them.

    Every picture is changed as `augment` says, also where a product has several. Of several ranks each gets
    its share of a batch, with the pictures as one process would have them. Pictures that are kept encoded are
    decoded while the batches before are at work, to the same batches."""

    def __init__(
        self,
        data: ProductData,
        batch_size: int,
        *,
        seed: int,
        augment: AugmentConfig | None = None,
        weights: Float[ndarray, "N"] | None = None,
        ranks: Ranks = Ranks(),  # noqa: B008
    ) -> None:
        self.data, self.batch_size, self.seed, self.augment = data, batch_size, seed, augment
        self.ranks = ranks
        self.weights = None if weights is None else weights / weights.sum()

    def __len__(self) -> int:
        """Batches in an epoch; a short last one is left out, unless it is the only one."""
        return max(1, len(self.data) // self.batch_size)

    def batches(self, epoch: int, start: int = 0) -> Iterator[ProductBatch]:
        """Batch `start` of the epoch and those after it."""
        order, size = self._order(epoch), self.batch_size
        plan = [order[number * size : (number + 1) * size] for number in range(start, len(self))]
        pictures = pictures_at(self.data.pool, map(self._places, plan))
        for number, (rows, (images, at)) in enumerate(zip(plan, pictures, strict=True), start):
            yield self._batch(rows, images, at, epoch=epoch, number=number)

    def _order(self, epoch: int) -> Int64[ndarray, "N"]:
        random = np.random.default_rng([self.seed, epoch])
        if self.weights is None:
            return random.permutation(len(self.data))
        return random.choice(len(self.data), len(self.data), p=self.weights)

    def _places(self, rows: Int64[ndarray, "B"]) -> Int64[ndarray, "P"]:
        """Where the pictures of this rank's share of a batch are."""
        pictures, _ = pictures_of(self.data.first, rows[self.ranks.share(len(rows))])
        return np.asarray(self.data.places[pictures])

    def _batch(
        self,
        rows: Int64[ndarray, "B"],
        images: UInt8[Tensor, "_ H W C"],
        at: Int64[Tensor, "P"],
        *,
        epoch: int,
        number: int,
    ) -> ProductBatch:
        """Of the batch `rows` this rank's share, whose pictures are `images[at]`."""
        share = self.ranks.share(len(rows))
        pictures, owner = pictures_of(self.data.first, rows)
        mine = torch.from_numpy((owner >= share.start) & (owner < share.stop))
        if self.augment is not None and len(pictures):
            seed = np.random.SeedSequence([self.seed, epoch, number]).generate_state(1, np.uint64)[0]
            generator = torch.Generator().manual_seed(int(seed >> 1))
            places, size = torch.from_numpy(self.data.places[pictures]), (images.shape[1], images.shape[2])
            params = draw(self.augment, places, size=size, epoch=epoch, generator=generator)
            pixels = augment_rows(images, at, params[mine], self.augment)
        else:
            pixels = images.index_select(0, at)
        batch = batch_of(self.data, rows[share], pixels, owner[mine.numpy()] - share.start)
        if self.data.hiding is None:
            return batch
        random = np.random.default_rng([self.seed, epoch, number])
        words, pieces = self.data.hiding(rows, self.data.words[rows], self.data.pieces[rows], random)
        return replace(batch, partial=(_narrow(words[share]), _narrow(pieces[share])))


def pictures_at(
    pool: Pool, batches: Iterable[Int64[ndarray, "_"]]
) -> Iterator[tuple[UInt8[Tensor, "_ H W C"], Int64[Tensor, "_"]]]:
    """For each batch of places a tensor of pictures, and which of them are the batch's.

    A decoded pool is itself that tensor; of an encoded one the batch is decoded, ahead of need."""
    if isinstance(pool, EncodedPool):
        for pixels in pool.ahead(batches):
            yield torch.from_numpy(pixels), torch.arange(len(pixels))
        return
    everything = torch.from_numpy(pool)
    for places in batches:
        yield everything, torch.from_numpy(places)


def batch_of(
    data: ProductData, rows: Int64[ndarray, "B"], pixels: UInt8[Tensor, "P H W C"], owner: Int64[ndarray, "P"]
) -> ProductBatch:
    """The batch of some rows, whose pictures are given."""
    return ProductBatch(
        ProductTensors(
            pixels,
            torch.from_numpy(owner),
            _narrow(data.words[rows]),
            _narrow(data.pieces[rows]),
            torch.from_numpy(data.values[rows]),
            torch.from_numpy(data.numbers[rows]),
        ),
        {name: torch.from_numpy(values[rows]) for name, values in data.labels.items()},
        torch.from_numpy(data.keys[rows]),
        fields=tuple((_narrow(words[rows]), _narrow(pieces[rows])) for words, pieces in data.fields),
        pair_weights=None if data.pair_weights is None else torch.from_numpy(data.pair_weights[rows]),
    )


def _narrow(ids: Int64[ndarray, "B L"]) -> Int64[Tensor, "B l"]:
    """The ids without columns of padding alone."""
    used = np.flatnonzero((ids > 0).any(0))
    return torch.from_numpy(ids[:, : int(used[-1]) + 1 if len(used) else 1])
