"""Mean and deviation of all training pixels, exact, in one streaming pass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, UInt8
from numpy import ndarray

from shelfwise.errors import DataError

_CHUNK = 1 << 20  # values counted at once; counting widens them to 8 bytes


@dataclass(frozen=True)
class PixelStatistics:
    """Per channel, in units of 0..1: what the network subtracts and divides by.

    `std` is the deviation over all pixels (not the sample estimate), 0 where a channel is constant."""

    mean: Float64[ndarray, "C"]
    std: Float64[ndarray, "C"]
    count: int
    """Pixels seen, each channel's."""


def pixel_statistics(batches: Iterable[UInt8[ndarray, "_ _ _ _"]]) -> PixelStatistics:
    """Statistics over every pixel of every batch [B, H, W, C]; sums are integers, so order does not matter.

    Memory is one batch. DataError where there is no pixel, ValueError where the channels change."""
    counts: Int64[ndarray, "C 256"] | None = None
    for batch in batches:
        found = value_counts(batch)
        if counts is not None and counts.shape != found.shape:
            raise ValueError(f"batches of {len(counts)} and of {len(found)} channels")
        counts = found if counts is None else counts + found
    if counts is None or not counts.any():
        raise DataError("no pixels to take statistics of: the training part holds no picture")
    pixels = int(counts[0].sum())
    moments = [_moments(channel.tolist()) for channel in counts]
    mean = np.array([first / (pixels * 255) for first, _ in moments])
    variance = np.array([(pixels * second - first**2) / (pixels * 255) ** 2 for first, second in moments])
    return PixelStatistics(mean, np.sqrt(variance), pixels)


def value_counts(images: UInt8[ndarray, "B H W C"]) -> Int64[ndarray, "C 256"]:
    """How often each value 0..255 occurs, per channel."""
    channels = images.shape[-1]
    counts = np.zeros((channels, 256), np.int64)
    step = max(1, _CHUNK // max(1, images[0].size if len(images) else 1))
    for start in range(0, len(images), step):
        part = images[start : start + step]
        for c in range(channels):
            counts[c] += np.bincount(part[..., c].ravel(), minlength=256)
    return counts


def _moments(counts: list[int]) -> tuple[int, int]:
    """Sum and sum of squares of the values, in integers of any length."""
    first = sum(value * count for value, count in enumerate(counts))
    return first, sum(value * value * count for value, count in enumerate(counts))
