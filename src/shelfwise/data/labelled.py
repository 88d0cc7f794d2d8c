"""Arrays with their labels: what the loaders, the trainer and the evaluation take in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int64, UInt8
from numpy import ndarray


@dataclass(frozen=True)
class Item:
    """One row of a data set, with what is known of its class."""

    index: int
    id: str
    pixels: UInt8[ndarray, "H W C"]
    label: int
    """Number of the class, -1 where it is missing."""
    class_name: str | None
    class_frequency: int
    """Rows of the same class in the data set; 0 where the label is missing."""
    class_weight: float
    """See `LabelledPictures.class_weights`; 0 where the label is missing."""


@dataclass(frozen=True)
class LabelledPictures:
    """Decoded pictures of one size, each with its class.

    `labels[i]` indexes `classes`; -1 means that the label is missing."""

    images: UInt8[ndarray, "N H W C"]
    labels: Int64[ndarray, "N"]
    classes: tuple[str, ...]
    ids: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.images) == len(self.labels) == len(self.ids):
            raise ValueError("images, labels and ids differ in length")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Item:
        """One row with its metadata; negative numbers count from the end, IndexError past either."""
        index = range(len(self))[index]
        label = int(self.labels[index])
        known = label >= 0
        return Item(
            index=index,
            id=self.ids[index],
            pixels=self.images[index],
            label=label,
            class_name=self.classes[label] if known else None,
            class_frequency=int(self.class_counts[label]) if known else 0,
            class_weight=float(self.class_weights[label]) if known else 0.0,
        )

    def take(self, rows: Int64[ndarray, "M"]) -> LabelledPictures:
        """The given rows, in the given order."""
        return LabelledPictures(
            self.images[rows], self.labels[rows], self.classes, tuple(self.ids[i] for i in rows)
        )

    @cached_property
    def class_counts(self) -> Int64[ndarray, "K"]:
        """Rows per class, the missing labels left out."""
        return np.bincount(self.labels[self.labels >= 0], minlength=len(self.classes)).astype(np.int64)

    @cached_property
    def class_weights(self) -> Float[ndarray, "K"]:
        """N / (K * count): weights that make every class count the same; 0 for a class without rows."""
        counts = self.class_counts
        with np.errstate(divide="ignore"):
            return np.where(counts > 0, counts.sum() / (len(counts) * counts), 0.0)
