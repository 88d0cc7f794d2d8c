"""A study over drawn pictures; `tests/tune` runs it in processes of its own and kills them.

python tune_me.py OUT DIE_AT_TRIAL: works until the budget of TRIALS is spent, or is killed in that trial.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drawn import draw_catalog

from shelfwise.config import Config, parse_config
from shelfwise.train.fit import Watch
from shelfwise.tune.objective import work
from shelfwise.tune.study import Study
from shelfwise.tune.tried import Budget, Tried

TRIALS = 5
SPACE: dict[str, Any] = {
    "train.lr": {"low": 1e-4, "high": 0.5, "log": True},
    "model.widths": {"choices": [[8], [4, 4]]},
}


def shop(folder: Path) -> Path:
    """A drawn catalogue of 100 products."""
    return draw_catalog(folder, 100, seed=3, size=28)


def study_config(table: Path, *, space: dict[str, Any] = SPACE, **tune: Any) -> Config:
    """A configuration that trains in a blink, with the fewest validations that can prune."""
    values = {
        "name": "tiny",
        "data": {
            "source": str(table),
            "columns": {"images": ["image"], "title": "title", "labels": {"kind": "category"}},
        },
        "split": {"buckets": 5, "test": [0], "validation": [1]},
        "model": {"tower": "tiny", "widths": [8], "head_scale": 1.0},
        "train": {
            **{"optimizer": "adamw", "lr": 0.005, "epochs": 4, "batch_size": 16, "precision": "fp32"},
            **{"evaluate_every": 1, "device": "cpu", "threads": 1},
        },
        "text": {"align": False},
        "tune": {"space": space, **tune},
    }
    return parse_config(values, where="study")


def done(
    config: Config,
    out: Path,
    trials: int = TRIALS,
    watch: Callable[[int, Watch], None] = lambda _number, _moment: None,
) -> list[Tried]:
    """All trials of a study that was worked on until there were so many."""
    with Study(config, out) as study:
        for _ in work(study, Budget(trials, None), watch=watch):
            pass
        return study.tried()


def main(table: Path, out: Path, die_at: int) -> None:
    """Work; kill this process, without a word, at the second validation of trial `die_at`."""

    def watch(number: int, moment: Watch) -> None:
        if number == die_at and moment.fresh and moment.record.epoch >= 2:
            os.kill(os.getpid(), signal.SIGKILL)

    done(study_config(table), out, watch=watch)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
