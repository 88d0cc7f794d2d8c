"""The search space: checked against the configuration before anything is trained, and drawn from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shelfwise.config import AnyConfig, Range, changed
from shelfwise.config.tuning import is_multiple
from shelfwise.errors import ConfigError, MissingExtraError
from shelfwise.tune.tried import Values

try:
    from optuna.trial import Trial
except ImportError as missing:
    raise MissingExtraError("optuna", "tune") from missing

_FIXED = ("task", "name", "split", "tune", "data")
_QUESTIONS = ("labels", "several")
"""Settings of a target that say what is asked."""
DIGITS = 6
"""Drawn numbers are rounded to so many significant digits: people read the best configuration."""


def check_space(config: AnyConfig, space: Mapping[str, Range]) -> None:
    """ConfigError where there is nothing to try, or where a setting does not exist or refuses a value."""
    if not space:
        raise ConfigError(
            "tune.space is empty: say what to try, for example "
            "--set 'tune.space.shared.weight={ low = 0.02, high = 0.5, log = true }' (see docs/tuning.md)"
        )
    for key, range_ in space.items():
        first, *rest = key.split(".")
        asks = first == "targets" and (len(rest) < 2 or rest[-1] in _QUESTIONS)
        if first in _FIXED or asks:
            raise ConfigError(f"tune.space: '{key}' cannot be tried: trials would not be judged alike")
        if key == "zero_shot.wise":
            raise ConfigError(
                "tune.space: 'zero_shot.wise' cannot be tried: weights are mixed after a trial's score; "
                "zero_shot.wise = 'auto' chooses it on validation"
            )
        for value in _probes(range_):
            changed(config, {key: value}, where=f"tune.space, {key} = {value!r}")


def own_values(config: AnyConfig, space: Mapping[str, Range]) -> tuple[Values, bool]:
    """What the configuration itself says of each setting, and whether all of that lies in the space."""
    dumped = config.model_dump(mode="json")
    values = {key: _at(dumped, key) for key in space}
    return values, all(_holds(space[key], value) for key, value in values.items())


def fixed_params(space: Mapping[str, Range], values: Values) -> dict[str, Any]:
    """Values that lie in the space, as optuna keeps them."""
    return {key: _param(space[key], value) for key, value in values.items()}


def draw(trial: Trial, space: Mapping[str, Range]) -> Values:
    """What the sampler wants to try next."""
    return {key: _draw(trial, key, range_) for key, range_ in space.items()}


def _draw(trial: Trial, key: str, range_: Range) -> Any:
    if range_.choices:
        labels = [_label(choice) for choice in range_.choices]
        return range_.choices[labels.index(trial.suggest_categorical(key, labels))]
    low, high, step = range_.low, range_.high, range_.step
    assert low is not None
    assert high is not None
    if range_.whole:
        return trial.suggest_int(key, int(low), int(high), step=int(step or 1), log=range_.log)
    drawn = trial.suggest_float(key, low, high, step=step, log=range_.log)
    return min(max(float(f"{drawn:.{DIGITS}g}"), low), high)


def _param(range_: Range, value: Any) -> Any:
    if range_.choices:
        return _label(range_.choices[range_.choices.index(value)])
    return int(value) if range_.whole else float(value)


def _label(choice: Any) -> Any:
    """What optuna can keep: lists become their JSON."""
    return choice if isinstance(choice, str | int | float | None) else json.dumps(choice)


def _probes(range_: Range) -> list[Any]:
    """Values that the setting must accept: all choices; both ends and one between, unless whole one with a
    fraction."""
    if range_.choices:
        return list(range_.choices)
    assert range_.low is not None
    assert range_.high is not None
    inner = range_.low + (range_.step or (1 if range_.whole else (range_.high - range_.low) * 0.381966))
    return [range_.low, range_.high, inner]


def _holds(range_: Range, value: Any) -> bool:
    if range_.choices:
        return value in range_.choices
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    assert range_.low is not None
    assert range_.high is not None
    step = range_.step or (1 if range_.whole else None)
    return range_.low <= value <= range_.high and (step is None or is_multiple(value - range_.low, step))


def _at(values: Any, key: str) -> Any:
    """The value at `a.b` of tables in tables; None where there is none."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values
