"""What a linear model reads of a picture: oriented gradients and colours, by numpy alone.

N pictures of H x W pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

CELL, ORIENTATIONS = 8, 9
"""Pixels of a cell's side, and directions of a half turn."""
CLIP = 0.2
LEVELS, GRID = 4, 3
"""Levels of each colour channel, and regions along each side of the picture."""
_CHUNK = 512
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_LEAST = 1e-4


def picture_features(
    pixels: UInt8[ndarray, "N H W 3"],
) -> tuple[Float32[ndarray, "N G"], Float32[ndarray, "N K"]]:
    """Gradients and colours of many pictures; memory for some hundred at a time beside what is returned."""
    grey = _in_chunks(lambda some: hog(some @ _LUMA / 255), pixels)
    return grey, _in_chunks(colour_histogram, pixels)


def hog(grey: Float32[ndarray, "N H W"]) -> Float32[ndarray, "N G"]:
    """Histograms of oriented gradients (Dalal & Triggs 2005, CVPR, section 6) of pictures in 0 to 1.

    Cells of 8 x 8 pixels with 9 orientations without sign, each pixel's magnitude shared between the two
    nearest ones; every 2 x 2 cells are a block, normalised by L2-Hys. What is no whole cell is cut off
    evenly at the borders."""
    rows, columns = grey.shape[1] // CELL, grey.shape[2] // CELL
    if min(rows, columns) < 2:
        raise ValueError(f"a block needs {2 * CELL} pixels a side, not {grey.shape[1]} x {grey.shape[2]}")
    cells = _cells(*_gradients(grey), rows, columns)
    corners = [cells[:, i : rows - 1 + i, j : columns - 1 + j] for i in (0, 1) for j in (0, 1)]
    blocks = _unit(np.concatenate(corners, axis=-1))
    return _unit(np.minimum(blocks, CLIP)).reshape(len(grey), (rows - 1) * (columns - 1) * 4 * ORIENTATIONS)


def colour_histogram(pixels: UInt8[ndarray, "N H W 3"]) -> Float32[ndarray, "N K"]:
    """Square roots of the shares of 4 x 4 x 4 colours in each of 3 x 3 regions.

    Their dot product is the Bhattacharyya coefficient, which suits a linear model (Perronnin et al. 2010,
    ECCV, section 3.2, for the root)."""
    count, height, width, _ = pixels.shape
    levels = pixels.astype(np.int64) * LEVELS // 256
    codes = (levels[..., 0] * LEVELS + levels[..., 1]) * LEVELS + levels[..., 2]
    codes += np.arange(count)[:, None, None] * LEVELS**3
    shares = []
    for high in np.array_split(np.arange(height), GRID):
        for wide in np.array_split(np.arange(width), GRID):
            region = codes[:, high[0] : high[-1] + 1, wide[0] : wide[-1] + 1]
            counts = np.bincount(region.ravel(), minlength=count * LEVELS**3).reshape(count, LEVELS**3)
            shares.append(counts / (len(high) * len(wide)))
    return np.sqrt(np.concatenate(shares, axis=1)).astype(np.float32)


def _gradients(
    grey: Float32[ndarray, "N H W"],
) -> tuple[Float32[ndarray, "N H W"], Float32[ndarray, "N H W"]]:
    """Differences of neighbours, [-1, 0, 1], across and down."""
    padded = np.pad(grey, ((0, 0), (1, 1), (1, 1)), mode="edge")
    across = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    return across, padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]


def _cells(
    across: Float32[ndarray, "N H W"], down: Float32[ndarray, "N H W"], rows: int, columns: int
) -> Float32[ndarray, "N R C O"]:
    """What each cell has of each orientation."""
    top, left = (across.shape[1] - rows * CELL) // 2, (across.shape[2] - columns * CELL) // 2
    inside = np.s_[:, top : top + rows * CELL, left : left + columns * CELL]
    across, down = across[inside], down[inside]
    size = np.hypot(across, down)
    place = np.arctan2(down, across) / np.pi % 1 * ORIENTATIONS - 0.5
    below = np.floor(place).astype(np.int8)
    above_part = size * (place - below)
    below_part = size - above_part
    cells = np.empty((len(size), rows, columns, ORIENTATIONS), np.float32)
    for k in range(ORIENTATIONS):
        own = np.where(below % ORIENTATIONS == k, below_part, 0)
        own += np.where((below + 1) % ORIENTATIONS == k, above_part, 0)
        cells[..., k] = own.reshape(-1, rows, CELL, columns, CELL).sum(axis=(2, 4))
    return cells


def _unit(vectors: Float32[ndarray, "*R D"]) -> Float32[ndarray, "*R D"]:
    return np.asarray(vectors / np.sqrt((vectors**2).sum(axis=-1, keepdims=True) + _LEAST))


def _in_chunks(
    features: Callable[[ndarray], Float32[ndarray, "n D"]], pixels: UInt8[ndarray, "N H W 3"]
) -> Float32[ndarray, "N D"]:
    starts = range(0, max(len(pixels), 1), _CHUNK)
    return np.concatenate([features(pixels[start : start + _CHUNK]) for start in starts])
