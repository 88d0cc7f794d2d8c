"""The trainings that benchmarks share: one configuration and seed each, in runs/bench/NAME-SEED.

A run is trained by `shelfwise train --resume` in a process of its own: one that was cut goes on, one that is
finished stays as it is. `cpu_seconds.json` beside the bundle has the CPU time of these processes.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from shelfwise.train.checkpoint import checkpoints, load_checkpoint

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT / "runs" / "bench"
LOOPS = ("", "hidden-words", "aspects")
"""Folders of a run in which the stages of its training keep their checkpoints."""


def data_folder(inner: str) -> Path:
    """The folder that SHELFWISE_DATA names; ends the process with a word where it has no folder `inner`."""
    folder = os.environ.get("SHELFWISE_DATA")
    if folder is None or not (Path(folder) / inner).is_dir():
        sys.exit(f"SHELFWISE_DATA must name a folder with {inner}/; not measured")
    return Path(folder).absolute()


def run_folder(name: str, seed: int) -> Path:
    """Where the run of one configuration and seed is."""
    return RUNS / f"{name}-{seed}"


def finished_bundles(name: str) -> dict[int, Path]:
    """Seed to bundle of every finished run of a configuration, in order of the seeds."""
    found = {}
    for path in RUNS.glob(f"{name}-*/bundle/bundle.json"):
        seed = re.fullmatch(rf"{re.escape(name)}-(\d+)", path.parent.parent.name)
        if seed:
            found[int(seed[1])] = path.parent
    return dict(sorted(found.items()))


def training(config: str, out: Path, seed: int, settings: Sequence[str] = ()) -> list[str]:
    """The command that trains configs/CONFIG.toml, each of `settings` a KEY=VALUE, in `out` under the root.

    It names no path of this machine: a run that is finished is told by its configuration."""
    command = [sys.executable, "-c", "from shelfwise.cli import main; main()", "train"]
    command += [f"configs/{config}.toml", "--resume", "--out", str(out.relative_to(ROOT))]
    for setting in (f"train.seed={seed}", *settings):
        command += ["--set", setting]
    return command


def attempt(command: list[str], out: Path) -> None:
    """Run a training command, and add its CPU time to the notes in `out`, whether it came to its end or not.

    A command that leaves the bundle as it was is no attempt: it found a finished run."""
    out.mkdir(parents=True, exist_ok=True)
    bundle = out / "bundle" / "bundle.json"
    written = bundle.stat().st_mtime_ns if bundle.exists() else None
    began = _children_seconds()
    # One thread, without a setting that would stand in the bundle's configuration.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    if data := os.environ.get("SHELFWISE_DATA"):
        environment["SHELFWISE_DATA"] = str(Path(data).absolute())
    try:
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    finally:
        if not bundle.exists() or bundle.stat().st_mtime_ns != written:
            spent = [*_noted(out), round(_children_seconds() - began, 1)]
            (out / "cpu_seconds.json").write_text(json.dumps(spent), encoding="utf-8")


def cpu_seconds(out: Path) -> float:
    """CPU time of a run over all attempts, its teachers' answers included, their own training not.

    Of a run that was begun by other means at least what its training loops counted."""
    counted = 0.0
    for stage in LOOPS:
        found = checkpoints(out / stage / "checkpoints")
        if found:
            counted += load_checkpoint(found[-1])["progress"]["cpu_seconds"]
    return max(counted, float(sum(_noted(out))))


def _noted(out: Path) -> list[float]:
    path = out / "cpu_seconds.json"
    noted: list[float] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return noted


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
