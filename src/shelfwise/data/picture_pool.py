"""The pictures of a catalogue by number: decoded in one array, or kept encoded and decoded when asked for.

Q pictures in a pool, P of them asked for; H, W, C: height, width, channels.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from shelfwise.data.pictures import STRICT, decode
from shelfwise.data.preprocess import Preprocessor
from shelfwise.data.product_pictures import UsablePicture
from shelfwise.errors import DataError, PictureError

BLOCK = 1024
"""Pictures that room is made for at once."""


@dataclass(frozen=True, eq=False)
class EncodedPool:
    """Pictures as the catalogue has them; indexed like an array [Q, H, W, C], it decodes and gives the same.

    Safe to index from several threads."""

    packed: bytearray
    """The encoded pictures end to end."""
    ends: Int64[ndarray, "Q"]
    """Where in `packed` each picture ends; one that lies in a file takes no room."""
    files: dict[int, tuple[str, bytes]]
    """Where those pictures lie, and the sha256 that each had when it was looked at."""
    preprocessor: Preprocessor
    threads: int = 1
    """That decode ahead; 0 leaves it to whoever asks."""

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the array that it stands for."""
        config = self.preprocessor.config
        return len(self), config.height, config.width, config.channels

    def __getitem__(self, places: Int64[ndarray, "P"]) -> UInt8[ndarray, "P H W C"]:
        """The pictures at these places; DataError for a file that is not what it was."""
        pixels = np.empty((len(places), *self.shape[1:]), np.uint8)
        for into, place in zip(pixels, places.tolist(), strict=True):
            into[:] = self._picture(place)
        return pixels

    def ahead(self, batches: Iterable[Int64[ndarray, "_"]]) -> Iterator[UInt8[ndarray, "_ H W C"]]:
        """The pictures of each batch of places, in order, decoded by `threads` while the caller is at work.

        Memory is at most `threads + 2` batches. Close the iterator (or run it to its end) and the threads
        are gone."""
        if not self.threads:
            yield from (self[places] for places in batches)
            return
        waiting: deque[Future[UInt8[ndarray, "_ H W C"]]] = deque()
        # Entered by the caller's thread, so that no other one changes warnings' filters under its feet.
        with STRICT, ThreadPoolExecutor(self.threads, "pictures") as team:
            try:
                for places in batches:
                    waiting.append(team.submit(self.__getitem__, places))
                    if len(waiting) > self.threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _picture(self, place: int) -> UInt8[ndarray, "H W C"]:
        path, digest = self.files.get(place, ("", b""))
        try:
            found = decode(
                Path(path) if path else self._encoded(place),
                max_pixels=self.preprocessor.max_pixels,
                target_side=self.preprocessor.target_side,
            )
        except PictureError as error:
            raise _changed(path, str(error)) from None
        if path and found.digest != digest:
            raise _changed(path, "it is another picture")
        return self.preprocessor.picture(found.pixels)

    def _encoded(self, place: int) -> bytes:
        start = int(self.ends[place - 1]) if place else 0
        return bytes(memoryview(self.packed)[start : int(self.ends[place])])


Pool: TypeAlias = UInt8[ndarray, "Q H W C"] | EncodedPool
"""Pictures by number, `pool[places]`, whichever way they are kept; `pool.shape` is that of all of them."""


def pictures_of_batches(
    pool: Pool, batches: Iterable[Int64[ndarray, "_"]]
) -> Iterator[UInt8[ndarray, "_ H W C"]]:
    """The pictures of each batch of places; encoded ones are decoded ahead."""
    if isinstance(pool, EncodedPool):
        yield from pool.ahead(batches)
    else:
        yield from (pool[places] for places in batches)


class PoolWriter:
    """Takes pictures one by one and keeps them both ways, until one way takes more than `limit` bytes.

    Then the other one is kept alone: many small files are kept encoded, a few large photographs decoded. What
    stays within the limit both ways is decoded, which costs no time afterwards."""

    def __init__(self, preprocessor: Preprocessor, *, limit: int, threads: int = 1) -> None:
        self._preprocessor, self._limit, self._threads = preprocessor, limit, threads
        self._count = 0
        self._blocks: list[UInt8[ndarray, "_ H W C"]] | None = []
        self._packed: bytearray | None = bytearray()
        self._ends: list[int] = []
        self._files: dict[int, tuple[str, bytes]] = {}

    def add(self, usable: UsablePicture) -> None:
        """Append a picture."""
        if self._blocks is not None:
            self._decode(self._blocks, self._preprocessor.picture(usable.picture.pixels))
        if self._packed is not None:
            self._pack(self._packed, usable)
        self._count += 1

    def pool(self) -> Pool:
        """All pictures; the writer is empty afterwards."""
        if self._blocks is None:
            assert self._packed is not None
            ends = np.array(self._ends, np.int64)
            return EncodedPool(self._packed, ends, self._files, self._preprocessor, self._threads)
        self._packed = None
        return self._joined(self._blocks)

    def _decode(self, blocks: list[UInt8[ndarray, "_ H W C"]], pixels: UInt8[ndarray, "H W C"]) -> None:
        if self._packed is not None and (self._count + 1) * pixels.size > self._limit:
            self._blocks = None
            return
        if self._count % BLOCK == 0:
            blocks.append(np.empty((BLOCK, *pixels.shape), np.uint8))
        blocks[-1][self._count % BLOCK] = pixels

    def _pack(self, packed: bytearray, usable: UsablePicture) -> None:
        if isinstance(usable.source, Path):
            self._files[self._count] = (str(usable.source), usable.picture.digest)
        else:
            packed += usable.source
        self._ends.append(len(packed))
        if self._blocks is not None and len(packed) > self._limit:
            self._packed, self._ends, self._files = None, [], {}

    def _joined(self, blocks: list[UInt8[ndarray, "_ H W C"]]) -> UInt8[ndarray, "Q H W C"]:
        """One array; each block is freed as soon as it is copied, so memory peaks at one."""
        config = self._preprocessor.config
        pool = np.empty((self._count, config.height, config.width, config.channels), np.uint8)
        for place in range((len(blocks) - 1) * BLOCK, -1, -BLOCK):
            block = blocks.pop()
            pool[place : place + BLOCK] = block[: self._count - place]
        return pool


def decoding_threads(workers: int) -> int:
    """How many threads decode where `workers` are allowed: at most one for two cores."""
    return min(workers, max(1, (os.cpu_count() or 1) // 2))


def _changed(path: str, why: str) -> DataError:
    return DataError(
        f"picture '{path}' is not what it was when the catalogue was read: {why}; "
        "put it back, or read the catalogue again"
    )
