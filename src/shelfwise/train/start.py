"""What every run does first: look for a finished one, claim its folder, take device and threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch

from shelfwise.bundle import Bundle, ProductsBundle, ReviewsBundle, open_bundle
from shelfwise.config import Config, ProductsConfig, ReviewsConfig
from shelfwise.errors import ConfigError, TrainingError
from shelfwise.files import claimed
from shelfwise.train.checkpoint import checkpoints

HIDDEN_WORDS, ASPECTS = "hidden-words", "aspects"
"""Folders in that of a reviews run, where its first and its last stage keep their checkpoints."""


def pick_device(name: str) -> torch.device:
    """The device to train on; ConfigError when a GPU is asked for and there is none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("train.device is 'cuda', but torch sees no GPU; use 'auto' or 'cpu'")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def finished(
    config: Config | ReviewsConfig | ProductsConfig, out: Path
) -> Bundle | ReviewsBundle | ProductsBundle | None:
    """The bundle in `out`, if it is whole and came from this very configuration."""
    if not (out / "bundle" / "bundle.json").exists():
        return None
    bundle = open_bundle(out / "bundle")
    # A bundle keeps nothing of tuning and ablations, which are no part of a run.
    told, asked = (each.model_dump(exclude={"tune", "ablate"}) for each in (bundle.config, config))
    return bundle if told == asked else None


@contextmanager
def run_folder(out: Path, *, resume: bool) -> Iterator[None]:
    """Make the run's folder and keep other processes out of it; of torchrun's, the first one does.

    TrainingError where it holds an unfinished run and `resume` is not said, and where another process
    trains into it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out '{out}' cannot be made: {error.strerror}") from None
    alone = os.environ.get("RANK", "0") == "0"
    with claimed(out / ".lock") if alone else nullcontext() as other:
        if other is not None:
            raise TrainingError(f"'{out}' is in use: {other} trains into it; wait, or use another --out")
        for stage in () if resume else ("", HIDDEN_WORDS, ASPECTS):
            if found := checkpoints(out / stage / "checkpoints"):
                at = f"{found[-1].name}{f' of {stage}' if stage else ''}"
                raise TrainingError(
                    f"'{out}' holds a run at {at}: go on with --resume, remove the folder, "
                    "or train into another --out"
                )
        yield


def set_threads(threads: int | None) -> None:
    """Use so many cores, all when None."""
    if threads is not None:
        # Thousands of threads crash OpenMP, and more than there are cores only wait for each other.
        torch.set_num_threads(min(threads, os.cpu_count() or 1))
