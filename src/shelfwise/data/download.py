"""Download a published file: several addresses, a temporary name, checked, then renamed."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from shelfwise.errors import DataError

log = logging.getLogger(__name__)

CHUNK = 1 << 16
STALE_S = 3600.0
"""Age after which a part file is taken for the remains of a killed download."""
FETCH_ERRORS = (DataError, urllib.error.URLError, HTTPException, TimeoutError, ConnectionError)
"""What one address may do wrong; the next one is asked."""


def download(
    urls: Sequence[str], target: Path, *, check: Callable[[Path], None], timeout_s: float = 30.0
) -> None:
    """Write the first of `urls` that answers with a file that `check` accepts to `target`.

    `check` raises DataError for a wrong file. The file appears under its name only when it is whole and
    checked; two processes may download at once, and a killed download is begun again. When every
    address failed, the DataError lists each with its reason."""
    failures = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale_parts(target)
        with _part_beside(target) as part:
            for url in urls:
                try:
                    _fetch(url, part, timeout_s=timeout_s)
                    check(part)
                    part.replace(target)
                    return
                except FETCH_ERRORS as error:
                    failures.append(f"{url}: {error}")
                    log.warning("download failed: %s", failures[-1])
    except OSError as error:
        raise DataError(f"'{target}' cannot be written: {error.strerror or error}") from None
    raise DataError("; ".join(failures) or "no address to download it from")


@contextmanager
def _part_beside(target: Path) -> Iterator[Path]:
    """A new file beside `target`, removed at the end unless it was renamed."""
    handle, name = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".part", dir=target.parent)
    os.close(handle)
    part = Path(name)
    part.chmod(0o644)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _fetch(url: str, part: Path, *, timeout_s: float) -> None:
    """Write the body at `url` to `part`, with a progress bar on a terminal."""
    response: HTTPResponse
    with urllib.request.urlopen(url, timeout=timeout_s) as response, part.open("wb") as file:
        length = response.headers.get("Content-Length")
        total = int(length) if length and length.isdigit() else None
        done = 0
        with _progress() as progress:
            task = progress.add_task(url.rsplit("/", 1)[-1], total=total)
            while chunk := response.read(CHUNK):
                file.write(chunk)
                done += len(chunk)
                progress.update(task, completed=done)
    if total is not None and done != total:
        raise DataError(f"the connection ended after {done} of {total} bytes")


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())


def _remove_stale_parts(target: Path) -> None:
    for part in target.parent.glob(f"{target.name}.*.part"):
        try:
            if time.time() - part.stat().st_mtime > STALE_S:
                part.unlink()
        except FileNotFoundError:  # another process was faster
            continue
