"""Which products a search may find: those that its filter leaves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int64
from numpy import ndarray


@dataclass(frozen=True, eq=False)
class Selection:
    """Some of N products; `mask` None means all of them."""

    size: int
    """N."""
    mask: Bool[ndarray, "N"] | None = None

    @cached_property
    def count(self) -> int:
        """How many."""
        return self.size if self.mask is None else int(np.count_nonzero(self.mask))

    @cached_property
    def rows(self) -> Int64[ndarray, "M"]:
        """Their rows, ascending."""
        return np.arange(self.size) if self.mask is None else np.flatnonzero(self.mask)

    def has(self, row: int) -> bool:
        """Whether the row is one of them."""
        return self.mask is None or bool(self.mask[row])
