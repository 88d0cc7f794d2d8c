"""Servers as processes of their own, for tests: `shelfwise serve` on bundles, and where it listens."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CLI = (sys.executable, "-c", "from shelfwise.cli import main; main()")


def begin_server(
    bundles: dict[str, Path], tasks: tuple[str, ...], options: tuple[str, ...] = ()
) -> subprocess.Popen[str]:
    """Start `shelfwise serve` on the bundles of tasks, at any free port."""
    named = [part for task in tasks for part in ("--bundle", f"{task}={bundles[task]}")]
    return subprocess.Popen(
        [*CLI, "serve", "--port", "0", *named, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def port_of(process: subprocess.Popen[str]) -> int:
    """Where a server listens, once it does."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "answers at http://127.0.0.1:" in line, line
    return int(line.split("127.0.0.1:")[1].split(",")[0])
