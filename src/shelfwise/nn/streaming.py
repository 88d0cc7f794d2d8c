"""Batches from encoded pictures that need not fit into memory, decoded by worker processes.

With the same pictures, schedule and augmentation, the batches are those of `loaders.MemoryLoader`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Int64
from numpy import ndarray

from shelfwise.config import AugmentConfig
from shelfwise.data.decoding import BadPicture, PictureSource, decode_batches
from shelfwise.data.preprocess import Preprocessor
from shelfwise.nn.loaders import LoadedBatch, Order, Schedule, augment_rows
from shelfwise.schema import RowError

FIRST_ROW = 2  # of a table, as a spreadsheet counts


class StreamingLoader:
    """Batches from a picture source, decoded ahead by `workers` processes.

    Memory does not grow with the data; `data.decoding.decode_batches` states the bound. A picture that
    cannot be used is missing from its batch and listed in `errors`; a batch without any usable picture is
    left out. Close the iterator (or run it to its end) and the workers are gone."""

    def __init__(
        self,
        source: PictureSource,
        labels: Int64[ndarray, "N"],
        batch_size: int,
        *,
        preprocessor: Preprocessor,
        ids: Sequence[str] | None = None,
        seed: int = 0,
        order: Order = "shuffled",
        drop_last: bool = True,
        augment: AugmentConfig | None = None,
        workers: int = 2,
    ) -> None:
        if len(source) != len(labels) or (ids is not None and len(ids) != len(labels)):
            raise ValueError("pictures, labels and ids differ in length")
        self.schedule = Schedule(labels, batch_size, seed=seed, order=order, drop_last=drop_last)
        self.source, self.preprocessor, self.ids = source, preprocessor, ids
        self.augment, self.workers = augment, workers
        self._errors: dict[int, RowError] = {}

    def __len__(self) -> int:
        """Batches in an epoch, if each holds a usable picture."""
        return len(self.schedule)

    @property
    def errors(self) -> tuple[RowError, ...]:
        """Every picture that could not be used so far, once, by row."""
        return tuple(self._errors[row] for row in sorted(self._errors))

    def batches(self, epoch: int, start: int = 0) -> Iterator[LoadedBatch]:
        """Batch `start` of the epoch and those after it. DataError if a worker dies."""
        config = self.preprocessor.config
        size = (config.height, config.width)
        draws = self.schedule.draws(self.augment, size, epoch, start) if self.augment else None
        plan = list(self.schedule.batches(epoch, start))
        decoding = decode_batches(self.source, plan, self.preprocessor, workers=self.workers)
        for numbers, decoded in zip(plan, decoding, strict=True):
            params = next(draws) if draws else None
            for bad in decoded.bad:
                self._note(bad)
            if not len(decoded.kept):
                continue
            kept = torch.from_numpy(decoded.kept)
            pixels = torch.from_numpy(decoded.pixels)
            if self.augment and params:
                everything = torch.arange(len(pixels))
                pixels = augment_rows(pixels, everything, params[kept], self.augment)
            rows = numbers[decoded.kept]
            yield LoadedBatch(pixels, torch.from_numpy(self.schedule.labels[rows]), torch.from_numpy(rows))

    def _note(self, bad: BadPicture) -> None:
        self._errors[bad.row] = RowError(
            row=bad.row + FIRST_ROW,
            column="image",
            value=bad.value,
            kind=bad.kind,
            why=bad.why,
            id=self.ids[bad.row] if self.ids is not None else None,
        )
