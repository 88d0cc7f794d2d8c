"""Fingerprints of pictures: a 256-bit difference hash and a 32x32 thumbnail.

The hash finds candidates, the thumbnail confirms them. Both come from one antialiased resize,
written as two small matrices, so that a fingerprint does not change with a library's version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float32, Int16, Int32, UInt8, UInt64
from numpy import ndarray

ROWS, COLUMNS = 16, 16
THUMBNAIL = 32
MARGIN = 2.5
"""A pixel must be brighter than its left neighbour by more than this (of 255) to set a bit.

Without a margin, compression noise in flat backgrounds flips bits: at half the size and JPEG quality 90,
82% of 224x224 product photos stayed within 3 bits; with it all did."""
INK = 16
_LUMA = (np.float32(0.299), np.float32(0.587), np.float32(0.114))
_FLOOR = 32
"""Fewest pixels that a mean over the product divides by."""
_BLOCK = 1_024


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of one picture file to recognise it again: about 3 kB."""

    file: bytes
    """sha256 of the encoded file."""
    hash: UInt64[ndarray, "4"]
    thumbnail: UInt8[ndarray, "32 32 3"]


def fingerprint(pixels: UInt8[ndarray, "H W C"], digest: bytes) -> Fingerprint:
    """The fingerprint of decoded pixels and of the sha256 digest of the file that they came from."""
    return fingerprint_all(pixels[None], [digest])[0]


def fingerprint_all(images: UInt8[ndarray, "N H W C"], digests: Sequence[bytes]) -> list[Fingerprint]:
    """As `fingerprint`, for many pictures of one size at once."""
    parts = zip(digests, difference_hashes(images), thumbnails(images), strict=True)
    return [Fingerprint(digest, bits, small) for digest, bits, small in parts]


def difference_hashes(images: UInt8[ndarray, "N H W C"]) -> UInt64[ndarray, "N 4"]:
    """256 bits per picture: is a pixel of the 17x16 grey picture darker than its right neighbour?

    The difference hash of N. Krawetz ("Kind of Like That", 2013) at hash size 16, with `MARGIN`."""
    hashes = np.empty((len(images), 4), dtype=np.uint64)
    for start in range(0, len(images), _BLOCK):
        grey = _grey(images[start : start + _BLOCK], ROWS, COLUMNS + 1)
        bits = np.diff(grey, axis=2) > MARGIN
        hashes[start : start + _BLOCK] = np.packbits(bits.reshape(len(bits), -1), axis=1).view(np.uint64)
    return hashes


def _grey(images: UInt8[ndarray, "N H W C"], height: int, width: int) -> Float32[ndarray, "N h w"]:
    """The luma of the shrunken channels, which is the shrunken luma, for less."""
    channels = [shrink(images[..., c].astype(np.float32), height, width) for c in range(images.shape[3])]
    if len(channels) == 1:
        return channels[0]
    return np.asarray(sum(weight * one for weight, one in zip(_LUMA, channels, strict=True)))


def thumbnails(images: UInt8[ndarray, "N H W C"]) -> UInt8[ndarray, "N 32 32 3"]:
    """Colour 32x32 versions of the pictures, whatever their aspect; grey ones get three equal channels."""
    small = np.empty((len(images), THUMBNAIL, THUMBNAIL, 3), dtype=np.uint8)
    for start in range(0, len(images), _BLOCK):
        block = images[start : start + _BLOCK]
        for channel in range(block.shape[3]):
            plane = shrink(block[..., channel].astype(np.float32), THUMBNAIL, THUMBNAIL)
            small[start : start + _BLOCK, :, :, channel] = np.rint(plane)
        if block.shape[3] == 1:
            small[start : start + _BLOCK, :, :, 1:] = small[start : start + _BLOCK, :, :, :1]
    return small


def thumbnail_difference(
    a: UInt8[ndarray, "N 32 32 3"], b: UInt8[ndarray, "N 32 32 3"]
) -> Float32[ndarray, "N"]:
    """Mean absolute difference (of 255) of the two pictures of each pair, over what is not background.

    A pixel is background where both pictures are within `INK` of their own border's median. Over all
    pixels the blank around a small product hides the difference: two different rings differ by 1. Where
    half of the mean over all pixels is larger, it counts instead, so two blank pictures must agree too."""
    difference = _channel_sum(np.abs(a.astype(np.int16) - b))
    product = _off_background(a) | _off_background(b)
    over_product = (difference * product).sum(axis=(1, 2)) / np.maximum(product.sum(axis=(1, 2)), _FLOOR)
    return np.asarray(np.maximum(over_product, difference.mean(axis=(1, 2)) / 2) / 3, dtype=np.float32)


def _off_background(small: UInt8[ndarray, "N 32 32 3"]) -> Bool[ndarray, "N 32 32"]:
    """Where a picture differs from its border's median (the upper one of two) by more than `INK`."""
    border = np.concatenate([small[:, 0], small[:, -1], small[:, 1:-1, 0], small[:, 1:-1, -1]], axis=1)
    ranked = np.sort(np.ascontiguousarray(border.transpose(0, 2, 1)), axis=2)
    background = ranked[:, None, None, :, ranked.shape[2] // 2].astype(np.int16)
    away = np.abs(small - background) > INK
    return np.asarray(away[..., 0] | away[..., 1] | away[..., 2])


def _channel_sum(values: Int16[ndarray, "N 32 32 3"]) -> Int32[ndarray, "N 32 32"]:
    """The sum over channels, written out: numpy is slow to reduce an axis of three."""
    return np.asarray(values[..., 0].astype(np.int32) + values[..., 1] + values[..., 2])


def shrink(planes: Float32[ndarray, "N H W"], height: int, width: int) -> Float32[ndarray, "N h w"]:
    """The planes at `height` x `width`, by an antialiased triangle filter."""
    down = _triangle(planes.shape[1], height)
    across = _triangle(planes.shape[2], width)
    return np.asarray(down @ planes @ across.T, dtype=np.float32)


@lru_cache(maxsize=64)
def _triangle(size: int, target: int) -> Float32[ndarray, "target size"]:
    """The matrix that resizes a line of `size` pixels to `target` by a triangle filter; rows sum to 1."""
    step = size / target
    centres = (np.arange(target)[:, None] + 0.5) * step
    pixels = np.arange(size)[None, :] + 0.5
    weights = np.maximum(0.0, 1.0 - np.abs(pixels - centres) / max(step, 1.0))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)
