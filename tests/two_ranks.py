"""Two processes with torchrun's variables, but without torchrun to end them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def environment(**more: object) -> dict[str, str]:
    """This process's, with one thread, the tests' own modules, and not what torchrun may have said of it."""
    kept = {name: value for name, value in os.environ.items() if name not in TORCHRUN}
    here = str(Path(__file__).parent)
    kept["PYTHONPATH"] = os.pathsep.join([here, *filter(None, [kept.get("PYTHONPATH")])])
    return {**kept, "OMP_NUM_THREADS": "1", **{name: str(value) for name, value in more.items()}}


def run_two(file: str, *arguments: object, timeout_s: float) -> list[tuple[int, str]]:
    """Exit code and errors of `python FILE ARGUMENTS` as two ranks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        subprocess.Popen(
            [sys.executable, file, *map(str, arguments)],
            env=environment(RANK=rank, LOCAL_RANK=rank, **shared),
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        errors = [process.communicate(timeout=timeout_s)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [(process.returncode, error) for process, error in zip(processes, errors, strict=True)]
