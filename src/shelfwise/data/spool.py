"""A growing list of byte strings on disk, so that a pass over a catalogue keeps 8 bytes a row in memory."""

from __future__ import annotations

import tempfile
from array import array
from typing import IO


class Spool:
    """Append byte strings, read them back by position; the temporary file goes when `with` ends."""

    def __init__(self) -> None:
        self._ends = array("Q", [0])
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__

    def append(self, data: bytes) -> int:
        """Store `data` and return its position: 0, 1, 2 ..."""
        self._file.seek(0, 2)
        self._file.write(data)
        self._ends.append(self._ends[-1] + len(data))
        return len(self) - 1

    def __getitem__(self, position: int) -> bytes:
        if not 0 <= position < len(self):
            raise IndexError(f"position {position} is not in 0..{len(self) - 1}")
        self._file.seek(self._ends[position])
        return self._file.read(self._ends[position + 1] - self._ends[position])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
