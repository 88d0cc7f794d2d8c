"""Small pictures for people to look at: any file that `pictures.decode` takes, as a JPEG of bounded size."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from shelfwise.data.pictures import decode

LARGEST = 256
"""Pixels of a thumbnail's longer side, at most; a smaller picture keeps its size."""
_QUALITY = 90


def thumbnail(source: bytes | Path, *, max_pixels: int = 40_000_000) -> bytes:
    """The picture as a JPEG of `LARGEST` pixels at most, grey or RGB; PictureError where it cannot be read.

    It is drawn anew: nothing of the file but its pixels comes along."""
    pixels = decode(source, max_pixels=max_pixels, target_side=LARGEST).pixels
    small = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    small.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
