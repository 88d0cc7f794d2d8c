"""How long texts are: exact counts of each length up to a limit, so that memory stays small."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

BINS = 40


@dataclass
class LengthCounts:
    """Counts of lengths; those past `limit` are one group, of which the sum and the longest are exact."""

    limit: int
    counts: Int64[ndarray, "_"] = field(init=False)
    total: int = 0
    longest: int = 0

    def __post_init__(self) -> None:
        self.counts = np.zeros(self.limit + 1, dtype=np.int64)

    def add(self, length: int) -> None:
        """Count one text."""
        self.counts[min(length, self.limit)] += 1
        self.total += length
        self.longest = max(self.longest, length)

    @property
    def texts(self) -> int:
        """Texts counted."""
        return int(self.counts.sum())

    def percentile(self, percent: int) -> int:
        """The least length that at least so many percent of the texts do not exceed; 0 without texts.

        Never more than `limit`."""
        wanted = int(np.ceil(self.texts * percent / 100))
        return int(np.searchsorted(np.cumsum(self.counts), max(wanted, 1))) if self.texts else 0

    def share_longer(self, length: int) -> float:
        """The share of texts longer than `length`, which must be under `limit`."""
        return float(self.counts[length + 1 :].sum() / max(self.texts, 1))

    def histogram(self, bins: int = BINS) -> dict[str, list[int]]:
        """`edges`, the first length of each bin, and `counts`; the last bin takes all longer ones too."""
        width = max(1, -(-(self.percentile(99) + 1) // bins))
        edges = list(range(0, self.percentile(99) + 1, width)) if self.texts else []
        sums = np.add.reduceat(self.counts, edges).tolist() if edges else []
        return {"edges": edges, "counts": sums}

    def as_dict(self) -> dict[str, Any]:
        """Mean, percentiles and histogram for a JSON file."""
        return {
            "mean": self.total / max(self.texts, 1),
            **{f"p{percent}": self.percentile(percent) for percent in (50, 90, 95, 99)},
            "longest": self.longest,
            "histogram": self.histogram(),
        }
