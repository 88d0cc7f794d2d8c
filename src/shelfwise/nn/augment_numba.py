"""The compiled CPU kernel of augmentation: rows of a uint8 array in, changed pictures out, one pass each.

Gives the same bytes as `nn.augment.apply` from the same parameters (tested). Needs the extra `fast`;
the first call compiles for a few seconds and leaves the result in numba's cache.

B: pictures in a batch; N: rows of the data set; H, W, C: height, width, channels.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from numpy import ndarray

from shelfwise.errors import MissingExtraError
from shelfwise.nn import geometry
from shelfwise.nn.augment import AugmentParams

try:
    import numba
except ImportError:
    raise MissingExtraError("numba", "fast") from None

IDENTITY = (geometry.ONE, 0, 0, 0, geometry.ONE, 0)
i32, u32 = np.int32, np.uint32  # numba widens each operation to 64 bits; casting back halves the vectors


def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """The function as machine code; without the shape checks that the tests wrap around it."""
    machine_code: Callable[..., None] = numba.njit(cache=True, nogil=True)(inspect.unwrap(function))
    return machine_code


def apply_rows(
    images: UInt8[ndarray, "N H W C"],
    rows: Int64[ndarray, "B"],
    params: AugmentParams,
    out: UInt8[ndarray, "B H W C"],
    *,
    fill: int = 0,
) -> None:
    """Write to `out` the pictures `images[rows]`, changed as `params` say."""
    b = len(rows)
    affine = params.affine
    if affine is None:
        still = torch.tensor(IDENTITY, dtype=torch.int32).expand(b, 6)
        affine = geometry.compose(still, params.flip, params.shift, width=images.shape[2])
    blurred = np.zeros(b, bool) if params.blur is None else params.blur.numpy()
    box = np.zeros((b, 4), np.int32) if params.box is None else params.box.numpy()
    _augment(images, rows, affine.numpy(), blurred, box, fill, out)


@compiled  # pragma: no cover (machine code, which coverage cannot see)
def _augment(images, rows, affine, blurred, box, fill, out):  # type: ignore[no-untyped-def]
    b, h, w, channels = out.shape
    flat_out = out.reshape(b, h * w * channels)
    padded = np.full((h + 3) * (w + 2), fill, np.uint8)  # a border of fill, and a row for the last neighbours
    taps = np.empty((h + 2) * (w + 2), np.uint32)
    index, weights = np.empty(h * w, np.uint32), np.empty(h * w, np.uint32)
    four, flat = np.empty(h * w, np.uint32), np.empty(h * w, np.uint8)
    plane, mixed = flat.reshape(h, w), np.empty((h, w), np.int32)
    for i in range(len(rows)):
        top, left, bottom, right = box[i]
        _positions(affine[i], index.reshape(h, w), weights.reshape(h, w))
        for c in range(channels):
            _pack(images, rows[i], c, padded, taps)
            _sample(taps, index, weights, four, flat)
            if blurred[i]:
                _blur(plane, mixed)
            for y in range(top, bottom):
                for x in range(left, right):
                    plane[y, x] = fill
            for j in range(h * w):
                flat_out[i, j * channels + c] = flat[j]


@compiled  # pragma: no cover (machine code, which coverage cannot see)
def _positions(m, index, weights):  # type: ignore[no-untyped-def]
    """Where each output pixel comes from: its place in the bordered picture, and both weights in one."""
    h, w = index.shape
    wp = i32(w + 2)
    a, d = i32(m[0]), i32(m[3])
    last_x, last_y = i32((w + 1) << 16), i32((h + 1) << 16)
    for y in range(h):
        first_x = i32(m[1] * y + m[2] + 65536)
        first_y = i32(m[4] * y + m[5] + 65536)
        for x in range(w):
            sx = min(max(i32(first_x + i32(a * i32(x))), i32(0)), last_x)
            sy = min(max(i32(first_y + i32(d * i32(x))), i32(0)), last_y)
            index[y, x] = i32(i32(i32(sy >> 16) * wp) + i32(sx >> 16))
            weights[y, x] = i32(i32(i32(sx >> 8) & 255) | i32(sy & 0xFF00))


@compiled  # pragma: no cover (machine code, which coverage cannot see)
def _pack(images, row, c, padded, taps):  # type: ignore[no-untyped-def]
    """Each pixel of the bordered picture with its neighbours right, below and both in one number."""
    h, w = images.shape[1:3]
    wp = w + 2
    for y in range(h):
        line = padded[(y + 1) * wp + 1 :]
        for x in range(w):
            line[x] = images[row, y, x, c]
    here, right, below, both = padded, padded[1:], padded[wp:], padded[wp + 1 :]
    for j in range(len(taps) - 1):
        lower = np.uint32(below[j]) << np.uint32(16) | np.uint32(both[j]) << np.uint32(24)
        taps[j] = np.uint32(here[j]) | np.uint32(right[j]) << np.uint32(8) | lower
    taps[-1] = here[len(taps) - 1]


@compiled  # pragma: no cover (machine code, which coverage cannot see)
def _sample(taps, index, weights, four, plane):  # type: ignore[no-untyped-def]
    """Bilinear means of four neighbours; `geometry.warp` does the same arithmetic."""
    for j in range(len(four)):  # apart from the arithmetic, which is then done in vectors
        four[j] = taps[index[j]]
    for j in range(len(four)):
        left, right = u32(four[j] & u32(0x00FF00FF)), u32(u32(four[j] >> u32(8)) & u32(0x00FF00FF))
        both = u32(u32(left << u32(8)) + u32(u32(right - left) * u32(weights[j] & u32(255))))
        upper, lower = u32(both & u32(0xFFFF)), u32(both >> u32(16))
        mean = u32(u32(upper << u32(8)) + u32(u32(lower - upper) * u32(weights[j] >> u32(8))))
        plane[j] = u32(u32(mean + u32(32768)) >> u32(16))


@compiled  # pragma: no cover (machine code, which coverage cannot see)
def _blur(plane, mixed):  # type: ignore[no-untyped-def]
    """The 3x3 binomial filter in place, edges repeated."""
    h, w = plane.shape
    for y in range(h):
        above, below = max(y - 1, 0), min(y + 1, h - 1)
        for x in range(w):
            mixed[y, x] = plane[above, x] + 2 * plane[y, x] + plane[below, x]
    for y in range(h):
        for x in range(w):
            before, after = mixed[y, max(x - 1, 0)], mixed[y, min(x + 1, w - 1)]
            plane[y, x] = (before + 2 * mixed[y, x] + after + 8) >> 4
