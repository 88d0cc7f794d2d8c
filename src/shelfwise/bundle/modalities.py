"""Subsets of the modalities that a product may be known by: picture, text and table."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

Subset = tuple[str, ...]


def subsets(modalities: Subset) -> list[Subset]:
    """All subsets but the empty one, the smallest first; each in the order of `modalities`."""
    return [some for size in range(1, len(modalities) + 1) for some in combinations(modalities, size)]


def subset_key(modalities: Iterable[str]) -> str:
    """What a subset is called in figures and in a bundle, such as `picture+text`."""
    return "+".join(modalities)
