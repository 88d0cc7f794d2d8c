"""Fashion-MNIST (Xiao, Rasul, Vollgraf; arXiv:1708.07747; MIT): found or downloaded, checked, read.

Four idx files, plain or gzipped, are looked for in the configured folder, the user's cache and Debian's
package `dataset-fashion-mnist`, and only then downloaded.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import math
import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from shelfwise.data.download import download
from shelfwise.data.labelled import LabelledPictures
from shelfwise.errors import DataError

log = logging.getLogger(__name__)

Split = Literal["train", "test"]

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SIDE = 28
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
ADDRESSES = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)
UNSIGNED_BYTE = 8
LARGEST = 1 << 31
"""More values than this in one idx file are a damaged header."""


@dataclass(frozen=True)
class IdxFile:
    """One published file: its name without `.gz`, its shape, and the sha256 of the unzipped content.

    The content is what is compared, because Debian compresses the same content anew."""

    name: str
    shape: tuple[int, ...]
    sha256: str


FILES: dict[Split, tuple[IdxFile, IdxFile]] = {
    "train": (
        IdxFile(
            "train-images-idx3-ubyte",
            (60_000, SIDE, SIDE),
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        IdxFile(
            "train-labels-idx1-ubyte",
            (60_000,),
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
    ),
    "test": (
        IdxFile(
            "t10k-images-idx3-ubyte",
            (10_000, SIDE, SIDE),
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        IdxFile(
            "t10k-labels-idx1-ubyte",
            (10_000,),
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
}


def load(split: Split, folder: Path | None = None) -> LabelledPictures:
    """The training or test set: images [N, 28, 28, 1], labels 0..9, ids `train-00000` and so on.

    Raises DataError that names the file when it is damaged, swapped or not Fashion-MNIST's."""
    place = locate(folder)
    try:
        images, labels = (read_checked(find_file(place, file), file) for file in FILES[split])
    except DataError as error:
        remedy = "replace the file, or remove it and run: shelfwise data get fashion-mnist"
        raise DataError(f"{error}; {remedy}") from None
    return LabelledPictures(
        images[..., None],
        labels.astype(np.int64),
        CLASSES,
        tuple(f"{split}-{row:05d}" for row in range(len(labels))),
    )


def locate(
    folder: Path | None = None,
    *,
    cache: Path | None = None,
    installed: Path = DEBIAN_FOLDER,
    addresses: Sequence[str] = ADDRESSES,
) -> Path:
    """The folder that holds all four files; downloaded to `folder`, else the cache, when there is none.

    Offline with nothing found, the DataError names the three ways out."""
    cache = cache_folder() if cache is None else cache
    places = [place for place in (folder, cache, installed) if place is not None]
    for place in places:
        if all(_present(place, file) for file in all_files()):
            return place
        if place == folder:
            log.warning("'%s' does not hold all of Fashion-MNIST's files; looking further", folder)
    target = folder or cache
    try:
        _download_missing(target, addresses)
    except DataError as error:
        raise DataError(
            f"Fashion-MNIST is in none of {', '.join(map(str, places))} and cannot be downloaded. Either "
            "install Debian's package dataset-fashion-mnist, or put its four files into a folder and set "
            f"data.folder to it, or go online and try again ({error})"
        ) from None
    return target


def cache_folder() -> Path:
    """Where downloads are kept: `$XDG_CACHE_HOME` or `~/.cache`, then `shelfwise/fashion-mnist`.

    The one place below the faces that looks at the environment, as the XDG base directories ask for it."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return root / "shelfwise" / "fashion-mnist"


def all_files() -> list[IdxFile]:
    """The four published files, training first."""
    return [file for pair in FILES.values() for file in pair]


def read_checked(path: Path, file: IdxFile) -> UInt8[ndarray, "..."]:
    """The content of `path`, refused with a DataError unless it is exactly the published `file`."""
    array = read_idx(path)
    kind = {1: "labels", 3: "images"}
    if array.ndim != len(file.shape):
        held, wanted = (kind.get(dims, f"{dims} dimensions") for dims in (array.ndim, len(file.shape)))
        raise DataError(f"'{path}' holds {held}, expected {wanted}: are two files swapped?")
    if array.shape != file.shape:
        hint = ": are the training and test files swapped?" if len(array) in (60_000, 10_000) else ""
        raise DataError(f"'{path}' has shape {array.shape}, expected {file.shape}{hint}")
    found = content_sha256(array)
    if found != file.sha256:
        raise DataError(
            f"'{path}' is not Fashion-MNIST's {file.name}: the content's sha256 is {found}, "
            f"expected {file.sha256}"
        )
    return array


def read_idx(path: Path) -> UInt8[ndarray, "..."]:
    """The array in an idx file of unsigned bytes, plain or gzipped (told by content, not by name).

    Raises DataError that names the file when its magic, its counts or its length is wrong."""
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if zipped else path.open("rb") as stream:
            magic = stream.read(4)
            if (
                len(magic) < 4
                or magic[:2] != b"\0\0"
                or magic[2] != UNSIGNED_BYTE
                or magic[3] not in (1, 2, 3, 4)
            ):
                begins = magic.hex() or "nothing"
                raise DataError(f"'{path}' is not an idx file of unsigned bytes: it begins with {begins}")
            counts = stream.read(4 * magic[3])
            if len(counts) < 4 * magic[3]:
                raise DataError(f"'{path}' is truncated: it ends in its header")
            shape = struct.unpack(f">{magic[3]}I", counts)
            size = math.prod(shape)
            if size > LARGEST:
                raise DataError(f"'{path}' is damaged: its header promises {size} values")
            body = stream.read(size + 1)
    except FileNotFoundError:
        raise DataError(f"'{path}' not found") from None
    except EOFError:
        raise DataError(f"'{path}' is truncated: its gzip stream ends early") from None
    except (OSError, zlib.error) as error:
        raise DataError(f"'{path}' cannot be read: {error}") from None
    if len(body) < size:
        raise DataError(f"'{path}' is truncated: its header promises {size} values, it holds {len(body)}")
    if len(body) > size:
        raise DataError(f"'{path}' is longer than its header says: more than {size} values")
    return np.frombuffer(bytearray(body), dtype=np.uint8).reshape(shape)


def content_sha256(array: UInt8[ndarray, "..."]) -> str:
    """The sha256 of the plain idx file that holds `array`."""
    header = bytes([0, 0, UNSIGNED_BYTE, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    digest = hashlib.sha256(header)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _present(folder: Path, file: IdxFile) -> bool:
    return (folder / file.name).is_file() or (folder / f"{file.name}.gz").is_file()


def find_file(folder: Path, file: IdxFile) -> Path:
    """The plain form of `file` in `folder`, or the gzipped one."""
    plain = folder / file.name
    return plain if plain.is_file() else folder / f"{file.name}.gz"


def _download_missing(folder: Path, addresses: Sequence[str]) -> None:
    for file in all_files():
        if _present(folder, file):
            continue
        log.info("downloading %s to %s", file.name, folder)

        def check(part: Path, file: IdxFile = file) -> None:
            read_checked(part, file)

        download(
            [f"{address}{file.name}.gz" for address in addresses], folder / f"{file.name}.gz", check=check
        )
