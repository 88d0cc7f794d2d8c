"""Batches of tokenised reviews of like length, in an order that is a pure function of (seed, epoch).

B: reviews in a batch; N: rows of the data set; L: tokens of the longest text of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy import ndarray
from torch import Tensor

from shelfwise.data.review_tokens import padded

POOL = 50  # batches that are sorted by length together
WIDTHS = 16
"""Batches are padded to a multiple of this: torch keeps memory for every width it has seen, and 150 steps of
any width took 2.8 GB where these took 1.3."""


@dataclass(frozen=True)
class TextRows:
    """Tokenised texts with what is known of each; windows of one long text are rows of their own."""

    ids: Sequence[Int64[ndarray, "_"]]
    stars: Int64[ndarray, "N"]
    """0 to 4 for 1 to 5 stars, -1 where unknown."""
    recommended: Int64[ndarray, "N"]
    """1, 0, or -1 where unknown."""
    teacher_stars: Float[ndarray, "N 5"] | None = None
    """A teacher's star distribution of each row."""
    teacher_recommended: Float[ndarray, "N"] | None = None
    """A teacher's chance of a recommendation."""
    pad: int = 0

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class TextBatch:
    """One batch as the network takes it in."""

    ids: Int64[Tensor, "B L"]
    stars: Int64[Tensor, "B"]
    recommended: Int64[Tensor, "B"]
    teacher_stars: Float[Tensor, "B 5"] | None
    teacher_recommended: Float[Tensor, "B"] | None
    rows: Int64[Tensor, "B"]

    def __len__(self) -> int:
        return len(self.rows)


class TextLoader:
    """Shuffles, sorts runs of `POOL` batches by length, and deals the batches in shuffled order."""

    def __init__(self, rows: TextRows, batch_size: int, *, seed: int = 0, balanced: bool = False) -> None:
        self.data = rows
        self.batch_size = batch_size
        self.seed = seed
        self._weights = _class_weights(rows.stars) if balanced else None
        self._lengths = np.array([len(row) for row in rows.ids], dtype=np.int64)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return max(1, (len(self.data) + self.batch_size - 1) // self.batch_size)

    def batches(self, epoch: int, start: int = 0) -> Iterator[TextBatch]:
        """Batch `start` of the epoch and those after it."""
        for rows in self.order(epoch)[start:]:
            yield self.batch(rows)

    def order(self, epoch: int) -> list[Int64[ndarray, "_"]]:
        """The rows of each batch of an epoch."""
        random = np.random.default_rng([self.seed, epoch])
        n = len(self.data)
        drawn = random.permutation(n) if self._weights is None else random.choice(n, n, p=self._weights)
        return deal(drawn, self._lengths, self.batch_size, random)

    def batch(self, rows: Int64[ndarray, "B"]) -> TextBatch:
        """The given rows, padded to one length."""
        data = self.data
        soft, liked = data.teacher_stars, data.teacher_recommended
        return TextBatch(
            ids=torch.from_numpy(padded([data.ids[i] for i in rows], data.pad, multiple=WIDTHS)),
            stars=torch.from_numpy(data.stars[rows]),
            recommended=torch.from_numpy(data.recommended[rows]),
            teacher_stars=None if soft is None else torch.from_numpy(soft[rows].astype(np.float32)),
            teacher_recommended=None if liked is None else torch.from_numpy(liked[rows].astype(np.float32)),
            rows=torch.from_numpy(rows),
        )


def deal(
    rows: Int64[ndarray, "N"],
    lengths: Int64[ndarray, "M"],
    batch_size: int,
    random: np.random.Generator,
) -> list[Int64[ndarray, "_"]]:
    """Rows in batches of like length: runs of `POOL` batches are sorted, then all batches shuffled."""
    dealt = []
    for i in range(0, len(rows), batch_size * POOL):
        run = rows[i : i + batch_size * POOL]
        run = run[np.argsort(lengths[run], kind="stable")]
        dealt += [run[j : j + batch_size] for j in range(0, len(run), batch_size)]
    return [dealt[i] for i in random.permutation(len(dealt))]


def _class_weights(stars: Int64[ndarray, "N"]) -> Float[ndarray, "N"]:
    """Chances that draw every class equally often; rows without stars are never drawn."""
    counts = np.bincount(stars[stars >= 0], minlength=1)
    weights = np.where(stars >= 0, 1.0 / np.maximum(counts[stars], 1), 0.0)
    return np.asarray(weights / weights.sum())
