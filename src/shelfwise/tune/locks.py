"""Who works on a study: locks that the system lets go of when a process ends, however it ends (POSIX)."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path


class Presence:
    """Shows other processes that this one lives, until it is closed or its process has ended."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.token = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._path = folder / self.token
        self._file = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def close(self) -> None:
        """Be gone."""
        self._path.unlink(missing_ok=True)
        self._file.close()


def is_present(folder: Path, token: str) -> bool:
    """Whether the process that has this token lives; what a dead one left is removed."""
    path = folder / token
    try:
        with path.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    path.unlink(missing_ok=True)
    return False
