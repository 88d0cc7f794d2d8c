"""What optuna keeps of a study, read as this house's own words: its settings, and what became of a trial."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shelfwise.config import AnyConfig
from shelfwise.config.training import NO_EFFECT
from shelfwise.config.writing import whole_paths
from shelfwise.errors import MissingExtraError, TrainingError
from shelfwise.tune.tried import State, Tried

try:
    from optuna.trial import FrozenTrial, TrialState
except ImportError as missing:
    raise MissingExtraError("optuna", "tune") from missing

MOST_TRIES = 3
"""A trial that so often ended with its process, or in an error, is failed: it may be what ends them, say by
its need of memory."""


def settings_of(config: AnyConfig) -> dict[str, Any]:
    """What must be the same while a study lasts, by name: all but its budget and what changes no score."""
    dumped = whole_paths(config.model_dump(mode="json"))
    del dumped["name"]
    for free in NO_EFFECT:
        dumped["train"].pop(free, None)
    dumped["tune"] = config.tune.model_dump(mode="json", exclude={"trials", "hours"})
    dumped["tune.space"] = dumped["tune"].pop("space")
    flat = {
        f"{table}.{key}": value
        for table, values in dumped.items()
        if isinstance(values, dict)
        for key, value in values.items()
    }
    return {"task": config.task, **flat}


def check_same(file: Path, saved: dict[str, Any], settings: dict[str, Any]) -> None:
    """TrainingError where a study was begun with other settings; `file` is where it is kept."""
    for key in {**saved, **settings}:
        before, now = saved.get(key), settings.get(key)
        if before != now:
            raise TrainingError(
                f"'{file}' is a study with {key} = {json.dumps(before)}, the config now says "
                f"{json.dumps(now)}: take the old value back, or tune into another --out"
            )


def tried_of(trial: FrozenTrial) -> Tried:
    """A trial that was begun."""
    state, why = _state(trial)
    scores = tuple(float(trial.intermediate_values[step]) for step in sorted(trial.intermediate_values))
    return Tried(
        number=trial.number,
        state=state,
        values=trial.user_attrs.get("values", {}),
        score=trial.value if state in ("complete", "pruned") else None,
        scores=scores,
        began=trial.datetime_start,
        ended=trial.datetime_complete,
        own=trial.user_attrs.get("own", False),
        why=why,
    )


def _state(trial: FrozenTrial) -> tuple[State, str]:
    if trial.state == TrialState.COMPLETE:
        return "complete", ""
    if trial.state == TrialState.PRUNED:
        return "pruned", ""
    if trial.state == TrialState.RUNNING:
        return "running", ""
    told = trial.user_attrs
    if "failed" in told:
        return "failed", str(told["failed"])
    if "released" in told:
        return "lost", "interrupted, to be tried again"
    end = "an error ended it" if "error" in told else "its process was killed"
    if told.get("tries", 1) < MOST_TRIES:
        return "lost", f"{end}, to be tried again"
    why = str(told.get("error", "is there memory enough for it?"))
    return "failed", f"{end} {MOST_TRIES} times: {why}"
