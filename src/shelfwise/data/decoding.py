"""Encoded pictures to batches of pixels in worker processes, in order, with bounded memory.

A source is a sequence of encoded pictures, bytes or paths, that can be pickled: a tuple of paths, or
`streamed.EncodedPictures`.

M: pictures of a batch that could be decoded; H, W, C: height, width, channels.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from shelfwise.data.pictures import decode
from shelfwise.data.preprocess import Preprocessor
from shelfwise.errors import DataError, PictureError


@runtime_checkable
class PictureSource(Protocol):
    """Encoded pictures by number."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, row: int, /) -> bytes | Path:
        """The encoded picture, or where it is."""


@dataclass(frozen=True)
class BadPicture:
    """A picture that could not be used."""

    row: int
    value: str
    kind: str
    why: str


@dataclass(frozen=True)
class DecodedBatch:
    """The usable pictures of one batch, at one size, and what happened to the others."""

    pixels: UInt8[ndarray, "M H W C"]
    kept: Int64[ndarray, "M"]
    """Places in the batch of the usable pictures."""
    bad: tuple[BadPicture, ...]


def decode_batches(
    source: PictureSource,
    batches: Sequence[Int64[ndarray, "_"]],
    preprocessor: Preprocessor,
    *,
    workers: int = 2,
) -> Iterator[DecodedBatch]:
    """Each batch of rows decoded, in the order of `batches`; with 0 workers, in this process.

    A worker has at most one batch ready, and begins the next one when that is taken. Memory is at most
    `(workers + 2) * batch_bytes + workers * largest_picture_bytes`, where a batch is `B * H * W * C` bytes,
    whatever the number of batches. Workers end with the iterator, and also when this process is killed.
    DataError if a worker dies."""
    if workers < 1 or not batches:
        yield from (_decoded(source, rows, preprocessor) for rows in batches)
        return
    context = multiprocessing.get_context("spawn")  # forking a process with running threads is unsafe
    team: list[tuple[Connection, BaseProcess]] = []
    try:
        for _ in range(min(workers, len(batches))):
            here, there = context.Pipe()
            process = context.Process(target=_work, args=(there, source, preprocessor), daemon=True)
            process.start()
            there.close()
            team.append((here, process))
        for k, (connection, worker) in enumerate(team):
            with _death_explained(worker):
                connection.send(batches[k :: len(team)])
        for number in range(len(batches)):
            connection, worker = team[number % len(team)]
            with _death_explained(worker):
                decoded = _receive(connection)
            yield decoded
    finally:
        for connection, worker in team:
            connection.close()
            worker.terminate()
        for _, worker in team:
            worker.join()


def _work(connection: Connection, source: PictureSource, preprocessor: Preprocessor) -> None:
    """What a worker does; it ends without a word when the other end of the connection is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who then ends us
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        for rows in connection.recv():
            decoded = _decoded(source, rows, preprocessor)
            connection.send((decoded.pixels.shape, decoded.kept, decoded.bad))
            connection.send_bytes(decoded.pixels.reshape(-1).data)
        connection.recv()  # wait to be ended: our exit would look like a fault


def _receive(connection: Connection) -> DecodedBatch:
    shape, kept, bad = connection.recv()
    pixels = np.empty(shape, np.uint8)
    if pixels.size:
        connection.recv_bytes_into(pixels.reshape(-1).data)
    else:
        connection.recv_bytes()
    return DecodedBatch(pixels, kept, bad)


@contextmanager
def _death_explained(worker: BaseProcess) -> Iterator[None]:
    """Turns the broken connection to a dead worker into an error that says what to do."""
    try:
        yield
    except (EOFError, BrokenPipeError, ConnectionResetError):
        worker.join(5)
        raise DataError(
            f"a worker that decodes pictures died (exit code {worker.exitcode}); "
            "-9 often means that memory ran out: use fewer workers or smaller batches"
        ) from None


def _decoded(source: PictureSource, rows: Int64[ndarray, "_"], preprocessor: Preprocessor) -> DecodedBatch:
    """One batch, decoded here."""
    config = preprocessor.config
    pixels = np.empty((len(rows), config.height, config.width, config.channels), np.uint8)
    kept: list[int] = []
    bad: list[BadPicture] = []
    for place, row in enumerate(rows.tolist()):
        encoded = source[row]
        try:
            found = decode(encoded, max_pixels=preprocessor.max_pixels, target_side=preprocessor.target_side)
            pixels[len(kept)] = preprocessor.picture(found.pixels)
        except PictureError as error:
            value = str(encoded) if isinstance(encoded, Path) else f"{len(encoded)} bytes"
            bad.append(BadPicture(row, value, error.kind, str(error)))
        else:
            kept.append(place)
    return DecodedBatch(pixels[: len(kept)], np.array(kept, np.int64), tuple(bad))
