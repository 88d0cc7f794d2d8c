"""Where in the picture, from answers alone: the answer asked again with a window of it blanked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from shelfwise.schema.explanation import Method

SHARE = 0.2
"""Side of the window, of the picture's height; windows overlap by half."""

METHOD = Method(
    name="occlusion",
    source="Zeiler and Fergus, arXiv:1311.2901, section 4.2",
    settings={"window": SHARE, "overlap": 0.5, "unit": "of the height"},
)


Ask = Callable[[UInt8[ndarray, "V H W C"]], Float[ndarray, "V K"]]
"""Versions of one picture to calibrated logits; all else that is known of the product stays."""


def occlusion(
    ask: Ask,
    values: Sequence[Callable[[Float[ndarray, "V K"]], Float[ndarray, "V"]]],
    pixels: UInt8[ndarray, "H W C"],
    background: int,
) -> list[Float[ndarray, "H W"]]:
    """How far each value falls when a place is blanked: the mean over the windows that cover it, in nats.

    `ask` gives the logits of versions of the one picture, once for all values."""
    places = windows(*pixels.shape[:2])
    versions = np.repeat(pixels[None], len(places) + 1, axis=0)
    for version, (rows, columns) in zip(versions[1:], places, strict=True):
        version[rows, columns] = background
    logits = ask(versions)
    found = np.stack([value(logits) for value in values], axis=1)
    return list(_mean_falls(found[0] - found[1:], pixels.shape[0], pixels.shape[1]))


def _mean_falls(falls: Float[ndarray, "P A"], height: int, width: int) -> Float[ndarray, "A H W"]:
    """Each pixel's mean over those of the P windows that cover it, for each of A values."""
    total, count = np.zeros((falls.shape[1], height, width)), np.zeros((height, width))
    for fall, (rows, columns) in zip(falls, windows(height, width), strict=True):
        total[:, rows, columns] += fall[:, None, None]
        count[rows, columns] += 1
    return np.asarray(total / count)


def windows(height: int, width: int) -> list[tuple[slice, slice]]:
    """Windows that cover the picture, each place of it by up to four."""
    side = max(2, round(height * SHARE))
    return [(rows, columns) for rows in _along(height, side) for columns in _along(width, side)]


def _along(size: int, side: int) -> list[slice]:
    step = side // 2
    return [slice(max(0, start), min(size, start + side)) for start in range(step - side, size, step)]
