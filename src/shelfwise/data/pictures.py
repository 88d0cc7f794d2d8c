"""Encoded pictures to plain pixels: every odd mode is converted and named, every bad file is refused.

Kinds of `PictureError`: `picture_missing`, `picture_empty`, `picture_too_large`, `picture_too_small`,
`not_a_picture`, `picture_truncated`, `picture_corrupt`.
Kinds of warning: `cmyk`, `16_bit`, `palette`, `alpha`, `colour_space`, `exif_rotated`, `animated`.
"""

from __future__ import annotations

import hashlib
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray
from PIL import Image, ImageFile, UnidentifiedImageError

from shelfwise.errors import PictureError

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".jp2", ".avif"),
)
"""File endings that are taken for pictures."""

_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP")
_OTHER_CONTENT = {
    b"<!doctype": "an HTML page",
    b"<html": "an HTML page",
    b"<head": "an HTML page",
    b"<svg": "an SVG drawing",
    b"<?xml": "an XML document",
    b"<": "an HTML or XML document",
    b"%pdf": "a PDF document",
    b"pk\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip file",
    b"{": "JSON text",
    b"version https://git-lfs": "a Git LFS pointer",
}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PLAIN = ("L", "RGB")
_ORIENTATION_TAG = 0x0112
_WIDEST_PIXEL = 8
"""Bytes of the widest pixel we read (16-bit RGBA); a file far above that per allowed pixel is refused."""
_STRIP = 2**18
"""Pixels that are converted at once where that takes many bytes of each."""


DECODE_SIDE = 512
"""Smallest `target_side` anywhere in the house: another one changes pixels, and so families, a little."""


@dataclass(frozen=True)
class DecodedPicture:
    """Pixels as RGB or, where the file was grey, one channel; `mode` is what Pillow called the file."""

    pixels: UInt8[ndarray, "H W C"]
    mode: str
    warnings: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)
    """Width and height in the file, before a JPEG was decoded at reduced size."""
    digest: bytes = b""
    """sha256 of the encoded file, by which identical files are found."""


class LargePictureError(Exception):
    """A picture has more pixels than the caller wants to decode where it is; nothing is decoded yet."""


class _StrictPillow:
    """While any thread is inside, Pillow refuses truncated files and keeps its warnings to itself.

    Both are switches of the whole process, so threads share one entry (`catch_warnings` alone would
    restore the wrong filters when two threads overlap)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._lenient = False
        self._caught: warnings.catch_warnings[None] = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\b")
                self._lenient = ImageFile.LOAD_TRUNCATED_IMAGES
                ImageFile.LOAD_TRUNCATED_IMAGES = False
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                ImageFile.LOAD_TRUNCATED_IMAGES = self._lenient
                self._caught.__exit__(kind, error, trace)


STRICT = _StrictPillow()
"""Entered wherever a picture is decoded; whoever has threads decode enters it around them, too."""


def decode(
    source: bytes | Path,
    *,
    max_pixels: int = 64_000_000,
    min_side: int = 8,
    target_side: int | None = None,
    at_once: int | None = None,
) -> DecodedPicture:
    """The first frame of an encoded picture, upright, without alpha, as 8-bit RGB or grey.

    The size is checked in the header, before any pixel is decoded. With `target_side` a JPEG may come at
    half, a quarter or an eighth of its size, never with both sides below the target. Transparent
    pixels become white; 16-bit values are scaled. Raises PictureError, and nothing else, for bad content.
    A good header with more than `at_once` pixels is a LargePictureError: whoever shares a thread with others
    can decode elsewhere. Safe to call from several threads."""
    data = _read(source, limit=max_pixels * _WIDEST_PIXEL + 2**20)
    with STRICT:
        picture = _open(data)
        _check_size(picture.size, max_pixels=max_pixels, min_side=min_side)
        size, mode = picture.size, picture.mode
        if at_once is not None and size[0] * size[1] > at_once:
            raise LargePictureError
        try:
            found = _oddities(picture)
            if target_side is not None:
                picture.draft(None, (target_side, target_side))
            plain, turned = _upright(picture)
            pixels = _array(plain)
        except MemoryError:
            raise PictureError("picture_too_large", "does not fit into memory") from None
        except Exception as error:  # Pillow's readers raise nearly anything on hostile bytes
            raise _failure(error, data) from None
    if turned:
        found = (*found, "exif_rotated")
    return DecodedPicture(pixels, mode, found, size, hashlib.sha256(data).digest())


def _read(source: bytes | Path, *, limit: int) -> bytes:
    """The encoded bytes; a missing, empty or absurdly large file is a PictureError."""
    try:
        if isinstance(source, Path):
            if not source.is_dir() and not source.is_file() and source.exists():
                raise PictureError("picture_missing", "is a device or a pipe, not a file")
            with source.open("rb") as file:
                source = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise PictureError("picture_missing", "not found") from None
    except IsADirectoryError:
        raise PictureError("picture_missing", "is a folder, not a file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = getattr(error, "strerror", None) or str(error)
        raise PictureError("picture_missing", f"cannot be read: {why}") from None
    if not source:
        raise PictureError("picture_empty", "the file is empty (0 bytes)")
    if len(source) > limit:
        raise PictureError("picture_too_large", f"the file has more than {limit:,} bytes")
    return source


def _open(data: bytes) -> Image.Image:
    """The picture with only its header read."""
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for signature, what in _OTHER_CONTENT.items():
        if start.startswith(signature):
            raise PictureError("not_a_picture", f"is {what}, not a picture")
    try:
        return Image.open(io.BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise PictureError("picture_too_large", f"refused by Pillow: {error}") from None
    except UnidentifiedImageError as error:
        if data.startswith(_SIGNATURES):
            raise _failure(error, data) from None
        raise PictureError("not_a_picture", "is not a picture in a known format") from None
    except Exception as error:
        raise _failure(error, data) from None


def _check_size(size: tuple[int, int], *, max_pixels: int, min_side: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise PictureError(
            "picture_too_large", f"{width}x{height} is more than the allowed {max_pixels:,} pixels"
        )
    if min(width, height) < min_side:
        raise PictureError("picture_too_small", f"{width}x{height} has a side under {min_side} pixels")


def _oddities(picture: Image.Image) -> tuple[str, ...]:
    """What will have to be converted, judged by the header."""
    raw = str(picture.tile[0][3]) if isinstance(picture, ImageFile.ImageFile) and picture.tile else ""
    found = []
    if picture.mode == "CMYK":
        found.append("cmyk")
    if picture.mode.startswith(("I", "F")) or ";16" in raw:
        found.append("16_bit")
    if picture.mode in ("P", "PA"):
        found.append("palette")
    if picture.has_transparency_data:
        found.append("alpha")
    if picture.mode in ("YCbCr", "LAB", "HSV"):
        found.append("colour_space")
    # MPO is a photo with a preview or depth map behind it, as many phones write; not an animation.
    if picture.format != "MPO" and getattr(picture, "is_animated", False):
        found.append("animated")
    return tuple(found)


def _upright(picture: Image.Image) -> tuple[Image.Image, bool]:
    """The loaded picture in mode L or RGB as the camera saw it, and whether it had to be turned for that."""
    if picture.format == "TIFF":  # Pillow turns these while loading, and forgets the tag
        turned = _turn(picture) is not None
        picture.load()
        return _plain(picture), turned
    picture.load()
    turn = _turn(picture)
    plain = _plain(picture)
    return (plain, False) if turn is None else (plain.transpose(turn), True)


def _turn(picture: Image.Image) -> Image.Transpose | None:
    """How to turn the picture, by EXIF; damaged EXIF says nothing."""
    if not picture.info:  # nothing besides pixels
        return None
    try:
        return _TURNS.get(picture.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:
        return None


def _plain(picture: Image.Image) -> Image.Image:
    """A loaded picture as mode L or RGB."""
    if picture.mode.startswith(("I", "F")):
        return _eight_bits(picture)
    if picture.has_transparency_data:
        grey = picture.mode in ("1", "L", "LA", "La")
        return _by_strips(picture, "L" if grey else "RGB", _on_white)
    return picture if picture.mode in _PLAIN else picture.convert("L" if picture.mode == "1" else "RGB")


def _array(picture: Image.Image) -> UInt8[ndarray, "H W C"]:
    """The pixels of a picture in mode L or RGB, as an array that may be written to."""
    return np.frombuffer(bytearray(picture.tobytes()), np.uint8).reshape(
        picture.height, picture.width, len(picture.getbands())
    )


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Scale a wide grey picture to 0..255 by its format's full range; nothing is clipped.

    Integers above 16 bits scale by 31 bits, fractions above 1 by the picture's own largest value."""
    if picture.mode.startswith("I;16"):
        return _by_strips(picture, "L", lambda strip: Image.fromarray(_OF_16_BITS[np.asarray(strip)]))
    peak = max(float(_wide(strip).max(initial=0.0)) for strip, _ in _strips(picture))
    of_format = 65535.0 if peak <= 65535 else 2.0**31 - 1
    full = max(1.0, peak) if picture.mode == "F" else of_format
    return _by_strips(picture, "L", lambda strip: Image.fromarray(_scaled(_wide(strip), full)))


def _wide(strip: Image.Image) -> Float64[ndarray, "H W"]:
    return np.nan_to_num(np.asarray(strip).astype(np.float64), posinf=0.0, neginf=0.0)


def _scaled(values: Float64[ndarray, "..."], full: float) -> UInt8[ndarray, "..."]:
    return np.rint(np.clip(values / full, 0.0, 1.0) * 255.0).astype(np.uint8)


_OF_16_BITS = _scaled(np.arange(2**16, dtype=np.float64), 2.0**16 - 1)
"""Each 16-bit value in 8 bits."""


def _on_white(strip: Image.Image) -> Image.Image:
    layers = strip.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers)


def _by_strips(picture: Image.Image, mode: str, change: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """The picture changed a part at a time: what is larger than its result is in memory for a part only."""
    if picture.width * picture.height <= _STRIP:
        return change(picture).convert(mode)
    whole = Image.new(mode, picture.size)
    for strip, top in _strips(picture):
        whole.paste(change(strip).convert(mode), (0, top))
    return whole


def _strips(picture: Image.Image) -> Iterator[tuple[Image.Image, int]]:
    """Parts of a picture as wide as it is, and where each begins."""
    rows = max(1, _STRIP // max(1, picture.width))
    for top in range(0, picture.height, rows):
        yield picture.crop((0, top, picture.width, min(picture.height, top + rows))), top


def _failure(error: Exception, data: bytes) -> PictureError:
    """What went wrong while reading, told apart by the message and by how the file ends."""
    if "truncated" in str(error).lower() or isinstance(error, EOFError) or _ends_early(data):
        return PictureError("picture_truncated", "the file ends too early; get it again from its source")
    why = str(error).strip().split("\n")[0] or type(error).__name__
    if isinstance(error, UnidentifiedImageError):
        why = "its header is damaged"
    return PictureError("picture_corrupt", f"cannot be decoded: {why}")


def _ends_early(data: bytes) -> bool:
    """Whether the format's end mark is missing."""
    if data.startswith(b"\xff\xd8"):
        return b"\xff\xd9" not in data[-1024:]
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-1024:]
    if data.startswith(b"RIFF"):
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    return data.startswith(b"GIF8") and not data.endswith(b";")
