"""Where a benchmark's figures are kept: `results/bench/NAME.json`, with machine, versions, date and commit.

Every benchmark calls `write(name, values)` once, last. The README's tables are made from these files.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "results" / "bench"
PACKAGES = (
    "torch",
    "numpy",
    "onnxruntime",
    "pillow",
    "numba",
    "tokenizers",
    "transformers",
    "scikit-learn",
    "lancedb",
    "faiss-cpu",
    "fastapi",
    "uvicorn",
)


def write(name: str, values: dict[str, Any], *, folder: Path = FOLDER) -> Path:
    """Write `values` and what they were measured on to `folder/NAME.json`, atomically; returns the path."""
    record = {"name": name, **values, "environment": environment()}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    temporary.replace(path)
    return path


def environment() -> dict[str, Any]:
    """Machine, versions, date and commit, as JSON values."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {package: version for package in PACKAGES if (version := _version(package))},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
