"""Arrays in .npy files: written whole or batch by batch, read or memory-mapped, never pickled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

from shelfwise.errors import StoreError


class ArrayWriter:
    """Appends batches of rows to one .npy file, holding none of them.

    The header has room for any number of rows and is completed by `finish`."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._dtype: np.dtype[Any] | None = None
        self._row_shape: tuple[int, ...] = ()
        self.rows = 0

    def append(self, batch: Shaped[ndarray, "rows ..."]) -> None:
        """Write the rows of `batch`; element type and row shape are those of the first batch."""
        if self._dtype is None:
            refuse_objects(batch.dtype, self._name)
            self._dtype, self._row_shape = batch.dtype, batch.shape[1:]
            self._write_header()
        if (batch.dtype, batch.shape[1:]) != (self._dtype, self._row_shape):
            raise StoreError(
                f"artifact '{self._name}': a batch of {batch.dtype} {batch.shape[1:]} "
                f"after rows of {self._dtype} {self._row_shape}"
            )
        self._file.write(batch.tobytes())
        self.rows += len(batch)

    def finish(self) -> tuple[str, tuple[int, ...]]:
        """Complete the header; the element type and the shape of what was written."""
        if self._dtype is None:
            raise StoreError(f"artifact '{self._name}': no batch was appended")
        self._file.seek(0)
        self._write_header()
        self._file.seek(0, 2)
        return str(self._dtype), (self.rows, *self._row_shape)

    def _write_header(self) -> None:
        # numpy pads version 1.0 headers so that the first axis can grow in place
        assert self._dtype is not None
        description = np.lib.format.dtype_to_descr(self._dtype)
        header = {"descr": description, "fortran_order": False, "shape": (self.rows, *self._row_shape)}
        np.lib.format.write_array_header_1_0(self._file, header)


def write_array(file: BinaryIO, array: Shaped[ndarray, "..."], name: str) -> tuple[str, tuple[int, ...]]:
    """Write one array; its element type and shape."""
    refuse_objects(array.dtype, name)
    np.lib.format.write_array(file, array, allow_pickle=False)
    return str(array.dtype), array.shape


def read_array(path: Path, name: str) -> Shaped[ndarray, "..."]:
    """The array in a .npy file, as a fresh copy in memory."""
    with _explained(path, name), path.open("rb") as file:
        array: ndarray = np.lib.format.read_array(file, allow_pickle=False)
        return array


def map_array(path: Path, name: str) -> Shaped[ndarray, "..."]:
    """The array in a .npy file, read-only and paged in as it is used."""
    with _explained(path, name):
        return np.lib.format.open_memmap(path, mode="r")


def refuse_objects(dtype: np.dtype[Any], name: str) -> None:
    """Python objects could only be pickled, and a pickle can run code when it is read."""
    if dtype.hasobject:
        raise StoreError(f"artifact '{name}': arrays of Python objects ({dtype}) are refused")


@contextmanager
def _explained(path: Path, name: str) -> Iterator[None]:
    """What numpy says of a bad file, as a StoreError; a missing file stays a FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (ValueError, OSError, EOFError) as error:
        raise StoreError(f"artifact '{name}': '{path}' is no readable .npy file: {error}") from None
