"""Batches of labelled pictures, in an order that is a pure function of (seed, epoch).

`Schedule` says which rows a batch holds; `MemoryLoader` serves them from one array, `nn.streaming` from
files. All loaders with the same schedule and augmentation give the same batches, and `batches(epoch, start)`
goes on in the middle of an epoch as if it had never stopped.

B: pictures in a batch; N: rows of the data set; H, W, C: height, width, channels.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from numpy import ndarray
from torch import Tensor

from shelfwise.config import AugmentConfig
from shelfwise.data.labelled import LabelledPictures
from shelfwise.errors import ConfigError
from shelfwise.nn.augment import AugmentParams, apply, draw

Order = Literal["sequential", "shuffled", "balanced"]
CHUNK = 1 << 14  # pictures whose augmentation is drawn at once: small tensors cost more per picture


@dataclass(frozen=True)
class LoadedBatch:
    """One batch as the network takes it in; `rows` are the pictures' places in the data set."""

    pixels: UInt8[Tensor, "B H W C"]
    labels: Int64[Tensor, "B"]
    rows: Int64[Tensor, "B"]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class Schedule:
    """Which rows each batch of each epoch holds.

    `balanced` draws every class equally often: N draws an epoch, rows of a small class again and again, rows
    of a large class in turn over the epochs, missing labels (-1) never. `drop_last` leaves out a short last
    batch, unless it is the only one."""

    labels: Int64[ndarray, "N"]
    batch_size: int
    seed: int = 0
    order: Order = "shuffled"
    drop_last: bool = True

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be positive, got {self.batch_size}")
        if self.order == "balanced" and not (self.labels >= 0).any():
            raise ValueError("balanced sampling needs at least one labelled row")

    def __len__(self) -> int:
        """Batches in an epoch."""
        full, rest = divmod(len(self.labels), self.batch_size)
        return full + bool(rest and not (self.drop_last and full))

    def rows(self, epoch: int) -> Int64[ndarray, "N"]:
        """All rows of an epoch in their order."""
        n = len(self.labels)
        if self.order == "sequential":
            return np.arange(n, dtype=np.int64)
        random = np.random.default_rng([self.seed, epoch])
        if self.order == "shuffled":
            return random.permutation(n)
        present = np.unique(self.labels[self.labels >= 0])
        counts = np.full(len(present), n // len(present))
        counts[random.permutation(len(present))[: n % len(present)]] += 1
        pairs = zip(present, counts, strict=True)
        drawn = [_repeated(np.flatnonzero(self.labels == k), int(m), random) for k, m in pairs]
        return random.permutation(np.concatenate(drawn))

    def batches(self, epoch: int, start: int = 0) -> Iterator[Int64[ndarray, "B"]]:
        """The rows of batch `start` of the epoch, of the next one, and so on to the epoch's end."""
        rows = self.rows(epoch)
        for batch in range(start, len(self)):
            yield rows[batch * self.batch_size : (batch + 1) * self.batch_size]

    def draws(
        self, config: AugmentConfig, size: tuple[int, int], epoch: int, start: int = 0
    ) -> Iterator[AugmentParams]:
        """Augmentation of batch `start` and those after it: a pure function of (seed, epoch, batch)."""
        rows = torch.from_numpy(self.rows(epoch))
        step = max(1, CHUNK // self.batch_size)  # batches
        for chunk in range(start // step, -(-len(self) // step)):
            first = chunk * step
            generator = torch.Generator().manual_seed(_seed(self.seed, epoch, chunk))
            part = rows[first * self.batch_size : (first + step) * self.batch_size]
            params = draw(config, part, size=size, epoch=epoch, generator=generator)
            for batch in range(max(first, start), min(first + step, len(self))):
                at = (batch - first) * self.batch_size
                yield params[at : at + self.batch_size]


class MemoryLoader:
    """Batches from pictures held in one array, on `device`; the array itself is shared where it can be.

    `augment` is applied to the training pictures; None leaves them alone."""

    def __init__(
        self,
        pictures: LabelledPictures,
        batch_size: int,
        *,
        seed: int = 0,
        order: Order = "shuffled",
        drop_last: bool = True,
        augment: AugmentConfig | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.schedule = Schedule(pictures.labels, batch_size, seed=seed, order=order, drop_last=drop_last)
        self.augment = augment
        self.device = torch.device(device)
        self._images = _shared(pictures.images).to(self.device)
        self._labels = _shared(pictures.labels).to(self.device)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.schedule)

    def batches(self, epoch: int, start: int = 0) -> Iterator[LoadedBatch]:
        """Batch `start` of the epoch and those after it."""
        size = (self._images.shape[1], self._images.shape[2])
        draws = self.schedule.draws(self.augment, size, epoch, start) if self.augment else None
        for batch in self.schedule.batches(epoch, start):
            rows = torch.from_numpy(batch).to(self.device)
            if self.augment and draws:
                pixels = augment_rows(self._images, rows, next(draws), self.augment)
            else:
                pixels = self._images.index_select(0, rows)
            yield LoadedBatch(pixels, self._labels.index_select(0, rows), rows)


def augment_rows(
    images: UInt8[Tensor, "N H W C"], rows: Int64[Tensor, "B"], params: AugmentParams, config: AugmentConfig
) -> UInt8[Tensor, "B H W C"]:
    """The pictures `images[rows]`, changed as `params` say, by the kernel that `config` names."""
    if config.kernel == "torch":
        return apply(images.index_select(0, rows), params, fill=config.fill)
    if images.device.type != "cpu":
        raise ConfigError(f"augment.kernel 'numba' works on the CPU, not on {images.device}; use 'torch'")
    from shelfwise.nn.augment_numba import apply_rows

    out = torch.empty((len(rows), *images.shape[1:]), dtype=torch.uint8)
    apply_rows(images.numpy(), rows.numpy(), params, out.numpy(), fill=config.fill)
    return out


def _repeated(rows: Int64[ndarray, "M"], count: int, random: np.random.Generator) -> Int64[ndarray, "K"]:
    """`count` of the rows, each as often as any other, give or take one."""
    rounds = -(-count // len(rows))
    return np.concatenate([random.permutation(rows) for _ in range(rounds)] or [rows[:0]])[:count]


def _seed(*numbers: int) -> int:
    """One 63-bit seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def _shared(array: ndarray) -> Tensor:
    """A tensor on the array's own memory; it is only read, so read-only memory will do."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.ascontiguousarray(array))
