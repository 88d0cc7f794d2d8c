"""The rows to evaluate a bundle on, prepared and split as the bundle was trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

from shelfwise.bundle import Bundle
from shelfwise.config import CatalogConfig, SplitConfig
from shelfwise.data.collect import load_catalog
from shelfwise.data.datasets import FASHION_MNIST, load_labelled
from shelfwise.data.labelled import LabelledPictures
from shelfwise.data.splits import Part


@dataclass(frozen=True)
class EvaluationRows:
    """One part of a catalogue, and what belongs to it."""

    rows: LabelledPictures
    train: LabelledPictures | None
    """The training rows, for finding near-duplicates; None where they are the rows themselves."""
    families: Shaped[ndarray, "N"] | None
    """Family of each row; None for a data set whose rows have none."""
    read: dict[str, Any] | None
    """How many rows of the catalogue were read and failed, by kind."""
    source: str

    @property
    def failed(self) -> int:
        """Rows that could not be read."""
        return int(self.read["failed"]) if self.read else 0


def load_rows(
    bundle: Bundle, data: CatalogConfig, part: Part, split: SplitConfig | None = None
) -> EvaluationRows:
    """Return one part of a catalogue, with the bundle's own preparation, split and target.

    `split` overrides the bundle's, so that a second bundle gets the rows of the first."""
    if data.target is None and bundle.meta.target in data.columns.labels:
        data = data.model_copy(update={"target": bundle.meta.target})
    config = bundle.config.model_copy(update={"data": data, "split": split or bundle.config.split})
    source = Path(data.source).name
    if data.source == FASHION_MNIST:
        train = None if part == "train" else load_labelled(config, "train")
        return EvaluationRows(load_labelled(config, part), train, None, None, source)
    found = load_catalog(config)
    return EvaluationRows(
        rows=found.parts[part],
        train=None if part == "train" else found.parts["train"],
        families=np.array(found.families[part], dtype=np.str_),
        read=found.count.as_dict(),
        source=source,
    )
