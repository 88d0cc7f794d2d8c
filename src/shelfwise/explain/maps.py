"""Maps over a picture: smoothed, added up, cut into cells, and blurred pictures to begin from.

N maps or pictures of H x W pixels, C channels.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from shelfwise.schema.explanation import Grid

ROWS = 8
"""Cells of a grid from top to bottom; across there are as many as keep them square."""

OFF = 0.05
"""By how much the sum of a map may miss what it stands for: by this share of it, or this many nats."""


def adds_up(sums: Float[ndarray, "..."], changes: Float[ndarray, "..."]) -> Bool[ndarray, "..."]:
    """Whether maps with these sums account for the changes of a value that they stand for."""
    return np.asarray(np.abs(sums - changes) <= np.maximum(OFF * np.abs(changes), OFF))


def smooth(maps: Float[ndarray, "N H W"], sigma: float) -> Float[ndarray, "N H W"]:
    """The maps under a Gaussian of `sigma` pixels; each keeps its sum, since nothing leaves at the rim."""
    down, across = (_gaussian(size, sigma) for size in maps.shape[1:])
    return np.asarray(down @ maps @ across.T)


def blurred(pictures: UInt8[ndarray, "N H W C"], sigma: float) -> UInt8[ndarray, "N H W C"]:
    """The pictures under a Gaussian of `sigma` pixels, with nothing darker or brighter at the rim."""
    down, across = (_gaussian(size, sigma) for size in pictures.shape[1:3])
    down, across = down / down.sum(1, keepdims=True), across / across.sum(1, keepdims=True)
    planes = np.moveaxis(pictures, 3, 1).astype(np.float32)
    soft = np.rint(np.moveaxis(down @ planes @ across.T, 1, 3)).clip(0, 255)
    return np.asarray(soft, np.uint8)


def grid_of(map_: Float[ndarray, "H W"]) -> Grid:
    """Means over about square cells, `ROWS` from top to bottom; of a smaller map its pixels."""
    height, width = map_.shape
    rows = min(ROWS, height)
    columns = min(width, max(1, round(rows * width / height)))
    bands = np.array_split(map_, rows)
    return tuple(
        tuple(float(f"{cell.mean():.4g}") for cell in np.array_split(band, columns, axis=1)) for band in bands
    )


@lru_cache(maxsize=32)
def _gaussian(size: int, sigma: float) -> Float[ndarray, "size size"]:
    """A matrix that smooths a line; its columns sum to 1, so what a pixel has is dealt out whole."""
    away = np.arange(size)[:, None] - np.arange(size)
    weights = np.exp(-0.5 * (away / sigma) ** 2)
    return np.asarray(weights / weights.sum(axis=0), dtype=np.float32)
