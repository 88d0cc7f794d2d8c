"""What a study found, as files: the best configuration, and every number as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna

from shelfwise import __version__
from shelfwise.config import changed, config_text
from shelfwise.files import replacing, write_json
from shelfwise.tune.study import Study
from shelfwise.tune.tried import Budget, Tried, best_of, own_of, seconds_spent


@dataclass(frozen=True)
class Outcome:
    """A study as it stands."""

    tried: tuple[Tried, ...]
    best: Tried | None
    own: Tried | None
    """The trial of the configuration as it is."""
    importance: dict[str, float] | None
    """Shares by setting, the largest first."""
    seconds: float
    """During which at least one trial was running."""

    @property
    def gain(self) -> float | None:
        """The best score over that of the configuration as it is; None where either has none."""
        if self.best is None or self.own is None or self.own.state != "complete":
            return None
        assert self.best.score is not None
        assert self.own.score is not None
        return self.best.score - self.own.score

    def count(self, state: str) -> int:
        """How many trials ended so."""
        return sum(trial.state == state for trial in self.tried)


def outcome_of(study: Study) -> Outcome:
    """What was found so far."""
    tried = study.tried()
    shares = study.importance()
    if shares is not None:
        shares = dict(sorted(shares.items(), key=lambda pair: -pair[1]))
    return Outcome(tuple(tried), best_of(tried), own_of(tried), shares, seconds_spent(tried, datetime.now()))


def write_best(study: Study, best: Tried, path: Path) -> None:
    """Write the configuration with the best values, ready for `shelfwise train`; it has no `[tune]`."""
    config = changed(study.config, {} if best.own else best.values, where=f"trial {best.number}")
    with replacing(path) as partial:
        partial.write_text(config_text(config, path.suffix), encoding="utf-8")


def write_outcome(study: Study, outcome: Outcome, budget: Budget, metric: str, path: Path) -> None:
    """Write every number that is printed or drawn."""
    tune = study.config.tune
    content: dict[str, Any] = {
        "name": study.config.name,
        "task": study.config.task,
        "metric": metric,
        "best": _summary(outcome.best),
        "own": _summary(outcome.own),
        "gain": outcome.gain,
        "counts": {state: outcome.count(state) for state in ("complete", "pruned", "failed", "lost")},
        "seconds": outcome.seconds,
        "importance": outcome.importance,
        "budget": {"trials": budget.trials, "hours": budget.hours},
        "tune": tune.model_dump(mode="json", exclude={"trials", "hours"}, exclude_defaults=False),
        "trials": [_full(trial) for trial in outcome.tried],
        "versions": {"shelfwise": __version__, "optuna": optuna.__version__},
    }
    write_json(path, content)


def _summary(trial: Tried | None) -> dict[str, Any] | None:
    if trial is None:
        return None
    return {"trial": trial.number, "state": trial.state, "score": trial.score, "values": trial.values}


def _full(trial: Tried) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state,
        "score": trial.score,
        "scores": trial.scores,
        "values": trial.values,
        "seconds": trial.seconds,
        "own": trial.own,
        "why": trial.why,
    }
