"""What became of each trial, and how much of the budget is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Values = dict[str, Any]
"""Values of settings by their names, such as `train.lr`."""

State = Literal["complete", "pruned", "failed", "lost", "running"]
"""`failed` is a trial's own fault (its loss diverged), `lost` is not: its process was stopped or killed, and
the same values are tried again under another number."""


@dataclass(frozen=True)
class Tried:
    """One trial."""

    number: int
    state: State
    values: Values
    score: float | None
    """On validation, more is better; of a pruned trial the last one it had."""
    scores: tuple[float, ...]
    """After each validation."""
    began: datetime | None
    ended: datetime | None
    own: bool = False
    """Whether these are the configuration's own values."""
    why: str = ""
    """Of a failed or lost one."""

    @property
    def counts(self) -> bool:
        """Whether it is done for good."""
        return self.state in ("complete", "pruned", "failed")

    @property
    def seconds(self) -> float:
        """From its beginning to its end; 0 of one that has none yet."""
        if self.began is None or self.ended is None:
            return 0.0
        return (self.ended - self.began).total_seconds()


@dataclass(frozen=True)
class Budget:
    """How much is to be tried in all, over all calls and workers; None is no limit."""

    trials: int | None
    hours: float | None

    def allows(self, tried: Sequence[Tried]) -> bool:
        """Whether one more may begin."""
        taken = sum(trial.counts or trial.state == "running" for trial in tried)
        if self.trials is not None and taken >= self.trials:
            return False
        return self.hours is None or seconds_spent(tried, datetime.now()) < 3600 * self.hours


def seconds_spent(tried: Sequence[Tried], now: datetime) -> float:
    """Time during which at least one trial was running; that of lost ones is not counted."""
    spans = sorted(
        (trial.began, trial.ended or now)
        for trial in tried
        if trial.began is not None and trial.state != "lost"
    )
    total, until = 0.0, None
    for began, ended in spans:
        first = began if until is None else max(began, until)
        if ended > first:
            total += (ended - first).total_seconds()
            until = ended
    return total


def best_of(tried: Sequence[Tried]) -> Tried | None:
    """The complete trial with the best score; of equal ones that which ended first, and so has its bundle."""
    complete = [trial for trial in tried if trial.state == "complete" and trial.score is not None]
    return min(
        complete,
        key=lambda trial: (-(trial.score or 0.0), trial.ended or datetime.max, trial.number),
        default=None,
    )


def own_of(tried: Sequence[Tried]) -> Tried | None:
    """The trial of the configuration's own values, if it is done."""
    return next((trial for trial in tried if trial.own and trial.counts), None)
