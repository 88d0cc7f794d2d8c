"""Files that appear whole or not at all, and locks that end with their process."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes its place when the block ends well, else it is removed.

    No two writers share one, so the last of several to end wins with a whole file."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def taking_turns(path: Path) -> Iterator[None]:
    """Wait until nobody else, thread or process, is inside such a block over the same lock file."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def claimed(path: Path) -> Iterator[str | None]:
    """Hold the lock file `path`, or not; yields None where we have it, else who has: "process 17 on host".

    The system releases the lock of a process that dies, so a stale one is simply taken over."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                yield file.read().strip() or "another process"
                return
            if not _is(path, file.fileno()):
                continue  # its holder has just ended, and has taken the file away
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
            try:
                yield None
            finally:
                path.unlink(missing_ok=True)
            return


def _is(path: Path, descriptor: int) -> bool:
    """Whether the open file is still the one that the path names."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON for people and programs, whole or not at all; NaN is a ValueError, since JSON has none.

    Half a character (a lone surrogate) is written as JSON escapes it, since UTF-8 has none."""
    with replacing(path) as partial:
        text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
        partial.write_bytes((text + "\n").encode("utf-8", "backslashreplace"))


def without_folders(value: Any) -> Any:
    """JSON without places of this machine: an absolute path in it becomes the name of its file."""
    if isinstance(value, dict):
        return {key: without_folders(one) for key, one in value.items()}
    if isinstance(value, list):
        return [without_folders(one) for one in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
