"""One streaming pass over a catalogue: sums, counts and fingerprints, thumbnails on disk.

Memory stays as it is however large the pictures are; for each row about half a kilobyte is kept (its id,
its hashes, its label numbers), and thumbnails and titles lie in temporary files.
"""

from __future__ import annotations

import io
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from jaxtyping import Float, Float32, Int64, UInt8
from numpy import ndarray
from PIL import Image

from shelfwise.data.families import Fingerprints
from shelfwise.data.hashing import fingerprint_all, shrink
from shelfwise.data.spool import Spool
from shelfwise.reports.rows import PicturedRow

SHOWN_SIDE = 112
"""Longest side of the thumbnails that the report shows."""
MEAN_SIDE = 56
MOST_CLASSES = 1_000
"""Classes with a mean picture of their own; further ones are only counted."""
_RAW_SIDE = 48
"""Pictures up to this side are kept as they are."""
_LONGEST_TEXT = 5_000
_MOST_SIZES = 4_096
_BLOCK = 256
_BLOCK_BYTES = 1 << 24


@dataclass
class PixelSums:
    """Running sums of the pixels of some pictures; grey ones count as three equal channels."""

    pictures: int = 0
    pixels: int = 0
    total: Float[ndarray, "3"] = field(default_factory=lambda: np.zeros(3))
    squares: Float[ndarray, "3"] = field(default_factory=lambda: np.zeros(3))
    picture: Float32[ndarray, "S S 3"] = field(
        default_factory=lambda: np.zeros((MEAN_SIDE, MEAN_SIDE, 3), np.float32)
    )

    def add(
        self,
        total: Float[ndarray, "N 3"],
        squares: Float[ndarray, "N 3"],
        pixels: int,
        small: Float32[ndarray, "N S S 3"],
    ) -> None:
        """Add N pictures of `pixels` pixels each."""
        self.pictures += len(total)
        self.pixels += len(total) * pixels
        self.total += total.sum(axis=0)
        self.squares += squares.sum(axis=0)
        self.picture += small.sum(axis=0)

    @property
    def mean(self) -> Float[ndarray, "3"]:
        """Mean per channel, 0..1."""
        return np.asarray(self.total / max(self.pixels, 1) / 255)

    @property
    def deviation(self) -> Float[ndarray, "3"]:
        """Population standard deviation per channel, 0..1."""
        variance = self.squares / max(self.pixels, 1) / 255**2 - self.mean**2
        return np.asarray(np.sqrt(np.maximum(variance, 0)))

    @property
    def mean_picture(self) -> UInt8[ndarray, "S S 3"]:
        """The average of the pictures, each stretched to one square."""
        return np.rint(self.picture / max(self.pictures, 1)).astype(np.uint8)


@dataclass
class Lengths:
    """How long the texts of one column are; texts above 5,000 count as 5,000."""

    characters: Counter[int] = field(default_factory=Counter)
    words: Counter[int] = field(default_factory=Counter)

    def add(self, text: str) -> None:
        """Count one text."""
        self.characters[min(len(text), _LONGEST_TEXT)] += 1
        self.words[min(len(text.split()), _LONGEST_TEXT)] += 1


class Survey:
    """What one pass has learned; use it with `with`, for its temporary files."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.prints = Fingerprints()
        self.thumbnails = Spool()
        self.titles = Spool()
        self.published: list[str] = []
        self.values: dict[str, dict[str, int]] = {}
        """For each label, its values and their numbers, in order of appearance."""
        self.numbers: dict[str, array[int]] = {}
        """For each label, each row's number; -1 where the label is missing."""
        self.overall = PixelSums()
        self.classes: dict[str, PixelSums] = {}
        self.parts: dict[str, PixelSums] = {}
        """The same by published part, where the data set comes divided."""
        self.brightness: Int64[ndarray, "256"] = np.zeros(256, dtype=np.int64)
        self.sizes: Counter[tuple[int, int]] = Counter()
        self.modes: Counter[str] = Counter()
        self.texts = {"title": Lengths(), "description": Lengths()}

    def __len__(self) -> int:
        return len(self.prints)

    def __enter__(self) -> Survey:
        return self

    def __exit__(self, *error: object) -> None:
        for resource in (self.prints, self.thumbnails, self.titles):
            resource.__exit__(*error)

    def add(self, rows: Sequence[PicturedRow]) -> None:
        """Take in some rows, in order; runs of pictures of one size are handled together."""
        for _, run in groupby(rows, key=lambda row: row.picture.pixels.shape):
            self._add_run(list(run))

    def thumbnail(self, row: int) -> UInt8[ndarray, "H W C"]:
        """The small picture of a row."""
        return _unpacked(self.thumbnails[row])

    def title(self, row: int) -> str:
        """The title of a row, as far as it is kept."""
        return self.titles[row].decode()

    def labels(self, target: str) -> tuple[Int64[ndarray, "N"], list[str]]:
        """Each row's class number (-1 for none) and the class names."""
        return np.array(self.numbers[target], dtype=np.int64), list(self.values[target])

    def _add_run(self, rows: list[PicturedRow]) -> None:
        images = np.stack([row.picture.pixels for row in rows])
        prints = fingerprint_all(images, [row.picture.digest for row in rows])
        self._add_pixels(images, rows)
        for row, one in zip(rows, prints, strict=True):
            self._add_labels(row.labels)
            self.prints.add(row.id, row.title, [one])
            self.thumbnails.append(_packed(row.picture.pixels))
            self.titles.append(row.title[:200].encode())
            self.published.append(row.published)
            self._count(row)

    def _count(self, row: PicturedRow) -> None:
        size = row.picture.size
        self.sizes[size if size in self.sizes or len(self.sizes) < _MOST_SIZES else (0, 0)] += 1
        self.modes[row.picture.mode] += 1
        for column, text in (("title", row.title), ("description", row.description)):
            if text:
                self.texts[column].add(text)

    def _add_labels(self, labels: dict[str, str]) -> None:
        for target in labels:
            if target not in self.numbers:
                self.values[target] = {}
                self.numbers[target] = array("i", [-1]) * len(self)
        for target, numbers in self.numbers.items():
            value = labels.get(target)
            known = self.values[target]
            numbers.append(-1 if value is None else known.setdefault(value, len(known)))

    def _add_pixels(self, images: UInt8[ndarray, "N H W C"], rows: list[PicturedRow]) -> None:
        flat = images.reshape(len(images), -1, images.shape[3])
        moments = np.stack([_moments(one) for one in flat])
        total, squares = (np.broadcast_to(moments[:, k], (len(images), 3)) for k in range(2))
        small = np.empty((len(images), MEAN_SIDE, MEAN_SIDE, 3), dtype=np.float32)
        for channel in range(3):
            plane = images[..., min(channel, images.shape[3] - 1)].astype(np.float32)
            small[..., channel] = shrink(plane, MEAN_SIDE, MEAN_SIDE)
        self.brightness += np.bincount(np.rint(small.mean(axis=3)).astype(np.uint8).ravel(), minlength=256)
        self.overall.add(total, squares, flat.shape[1], small)
        by_class = [row.labels.get(self.target, "") for row in rows]
        for groups, labels in ((self.classes, by_class), (self.parts, [row.published for row in rows])):
            names = np.array(labels)
            for name in sorted(set(labels) - {""}):
                if name in groups or len(groups) < MOST_CLASSES:
                    own = names == name
                    sums = groups.setdefault(name, PixelSums())
                    sums.add(total[own], squares[own], flat.shape[1], small[own])


def blocks(rows: Iterable[PicturedRow]) -> Iterator[list[PicturedRow]]:
    """The rows in lists of at most 256 rows and, save for a single huge picture, 16 MB of pixels."""
    block: list[PicturedRow] = []
    held = 0
    for row in rows:
        if block and (len(block) == _BLOCK or held + row.picture.pixels.nbytes > _BLOCK_BYTES):
            yield block
            block, held = [], 0
        block.append(row)
        held += row.picture.pixels.nbytes
    if block:
        yield block


def _moments(pixels: UInt8[ndarray, "P C"]) -> Float[ndarray, "2 C"]:
    """The sum and the sum of squares per channel, exact, without a wide copy of the picture."""
    values = np.arange(256.0)
    counts = [np.bincount(pixels[:, channel], minlength=256) for channel in range(pixels.shape[1])]
    return np.stack([values, values**2]) @ np.stack(counts, axis=1)


def _packed(pixels: UInt8[ndarray, "H W C"]) -> bytes:
    """A thumbnail as bytes: tiny pictures raw after their shape, others as JPEG."""
    if max(pixels.shape[:2]) <= _RAW_SIDE:
        return bytes(pixels.shape) + pixels.tobytes()
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    picture.thumbnail((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _unpacked(data: bytes) -> UInt8[ndarray, "H W C"]:
    if data.startswith(b"\xff\xd8"):
        return np.atleast_3d(np.asarray(Image.open(io.BytesIO(data))))
    return np.frombuffer(data, np.uint8, offset=3).reshape(tuple(data[:3]))
