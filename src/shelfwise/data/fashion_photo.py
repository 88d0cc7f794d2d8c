"""A product photo made like a Fashion-MNIST picture, by that data set's own published steps.

Source: arXiv:1708.07747, section 2. The photo is first brought to the thumbnail size that the authors
started from; then it is trimmed, subsampled, sharpened, centred, negated and made grey.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image

SIDE = 28
_THUMBNAIL = 73
"""Longest edge of the shop's thumbnails (51x73) that the data set was made from."""
_CLOSE = 0.05
"""Share of the full intensity within which an edge counts as background."""


def fashion_mnist_picture(pixels: UInt8[ndarray, "h w c"]) -> UInt8[ndarray, "28 28 1"]:
    """The garment bright on black, 28x28 grey; a picture that is that size and grey is returned as it is.

    The background is what most corners show. A light one is negated, as published; a dark one is kept, so
    that the garment is bright either way. Then levels are stretched so that the background is exactly 0,
    which for the published white (253) changes pixels by 1% at most."""
    if pixels.shape[:2] == (SIDE, SIDE) and _is_grey(pixels):
        return np.ascontiguousarray(pixels[:, :, :1])
    small = _thumbnail(pixels)
    background = corner_colour(small)
    sampled = _subsampled(_trimmed(small, background)).astype(np.float64)
    grey = _luminance(np.clip(sharpened(sampled), 0, 255))
    level = float(_luminance(background[None, None].astype(np.float64))[0, 0])
    bright = (level - grey) / level if level >= 128 else (grey - level) / (255 - level)
    height, width = bright.shape
    canvas = np.zeros((SIDE, SIDE, 1), np.uint8)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    canvas[top : top + height, left : left + width, 0] = np.rint(np.clip(bright, 0, 1) * 255)
    return canvas


def corner_colour(pixels: UInt8[ndarray, "h w c"]) -> UInt8[ndarray, "c"]:
    """The corner that is nearest to the other three: one corner may be covered by the product."""
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]].astype(np.int64)
    distance = np.abs(corners[:, None] - corners[None]).sum(-1)
    best = corners[np.argmin(np.sort(distance, axis=1)[:, :3].sum(1))]
    return np.asarray(best, dtype=np.uint8)


def sharpened(pixels: Float[ndarray, "h w c"]) -> Float[ndarray, "h w c"]:
    """Sharpening by a Gaussian of radius 1 and standard deviation 1.0, edges repeated.

    The kernel is ImageMagick's `-sharpen 1x1`: minus the Gaussian, its centre such that flat areas stay."""
    offsets = np.array([-1, 0, 1])
    gauss = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / 2.0)
    kernel = -gauss
    kernel[1, 1] = 2 * gauss.sum()
    kernel /= kernel.sum()
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    result = np.zeros_like(pixels)
    for i in range(3):
        for j in range(3):
            result += kernel[i, j] * padded[i : i + height, j : j + width]
    return result


def _is_grey(pixels: UInt8[ndarray, "h w c"]) -> bool:
    return bool((pixels == pixels[:, :, :1]).all())


def _thumbnail(pixels: UInt8[ndarray, "h w c"]) -> UInt8[ndarray, "h2 w2 c"]:
    """The picture with its longest edge at most 73, by proper resampling: subsampling a large photo
    directly would keep one pixel in a thousand, and mostly noise."""
    height, width, channels = pixels.shape
    scale = _THUMBNAIL / max(height, width)
    if scale >= 1:
        return pixels
    image = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC)).reshape(size[1], size[0], channels)


def _trimmed(pixels: UInt8[ndarray, "h w c"], background: UInt8[ndarray, "c"]) -> UInt8[ndarray, "h2 w2 c"]:
    """The part inside edges that are close to the background; a blank picture stays whole."""
    difference = pixels.astype(np.float64) - background
    product = np.sqrt((difference**2).mean(-1)) > _CLOSE * 255
    rows, columns = np.flatnonzero(product.any(1)), np.flatnonzero(product.any(0))
    if not len(rows):
        return pixels
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _subsampled(pixels: UInt8[ndarray, "h w c"]) -> UInt8[ndarray, "h2 w2 c"]:
    """The longest edge at 28 by skipping (or, for a tiny picture, repeating) rows and columns."""
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)

    def chosen(length: int) -> ndarray:
        kept = max(1, round(length * scale))
        return np.asarray((np.arange(kept) + 0.5) * length / kept, dtype=np.int64)

    return np.asarray(pixels[chosen(height)][:, chosen(width)])


def _luminance(pixels: Float[ndarray, "h w c"]) -> Float[ndarray, "h w"]:
    """Rec. 601 luma, as Pillow's mode L."""
    weights = np.array([1.0] if pixels.shape[2] == 1 else [0.299, 0.587, 0.114])
    return np.asarray(pixels @ weights)
