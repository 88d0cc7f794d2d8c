"""A study in a folder: its trials in SQLite, any number of processes at work, any of which may be killed.

SQLite, because a killed writer leaves neither a lock nor half a record: optuna's journal file cannot be
read any more once a line in it was cut short. Whether a trial's process lives is told by a lock that the
system lets go of at once; optuna's heartbeat tells it after minutes.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shelfwise.config import AnyConfig, TuneConfig
from shelfwise.errors import ConfigError, MissingExtraError, TrainingError
from shelfwise.files import taking_turns
from shelfwise.tune.locks import Presence, is_present
from shelfwise.tune.records import MOST_TRIES, check_same, settings_of, tried_of
from shelfwise.tune.space import check_space, draw, fixed_params, own_values
from shelfwise.tune.tried import Budget, Tried, Values, best_of

try:
    import optuna
    from optuna.trial import FrozenTrial, TrialState
    from sqlalchemy.exc import SQLAlchemyError
except ImportError as missing:
    raise MissingExtraError("optuna", "tune") from missing

optuna.logging.disable_default_handler()
optuna.logging.enable_propagation()
optuna.logging.set_verbosity(optuna.logging.WARNING)

STARTUP = 4
"""Complete trials before the median of them means something."""


@dataclass(frozen=True)
class Claim:
    """A trial that this process is to run."""

    trial: optuna.trial.Trial
    values: Values
    own: bool
    """Whether these are the configuration's own values, and nothing is to be set."""
    folder: Path

    @property
    def number(self) -> int:
        """The trial's number."""
        return int(self.trial.number)


class Study:
    """The study in `out`, begun or gone on with; close it, or use it as a context.

    ConfigError where the space is empty or wrong, TrainingError where `out` holds one of other settings."""

    def __init__(self, config: AnyConfig, out: Path) -> None:
        self.config, self.out = config, out
        self._tune: TuneConfig = config.tune
        check_space(config, self._tune.space)
        self._presence: Presence | None = None
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"--out '{out}' cannot be made: {error.strerror}") from None
        with self._turn():
            self._study = self._opened()

    def __enter__(self) -> Study:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let others take over what this process was at."""
        if self._presence is not None:
            self._presence.close()
            self._presence = None

    def check_rows(self, train: int, validation: int) -> None:
        """ConfigError where the study began with other numbers of rows: scores would not compare."""
        with self._turn():
            rows, saved = [train, validation], self._study.user_attrs.get("rows")
            if saved is None:
                self._study.set_user_attr("rows", rows)
            elif saved != rows:
                raise ConfigError(
                    f"'{self.out}' is a study of {saved[0]} rows to train on and {saved[1]} to validate, now "
                    f"there are {train} and {validation}: take the old data back, or tune into another --out"
                )

    def tried(self) -> list[Tried]:
        """All trials that were begun, in their order."""
        trials = self._study.get_trials(deepcopy=False)
        return [tried_of(trial) for trial in trials if trial.state != TrialState.WAITING]

    def claim(self, budget: Budget) -> Claim | None:
        """The next trial, or None where the budget is spent; trials of dead processes come first."""
        with self._turn():
            self._bury()
            tried = self.tried()
            if not budget.allows(tried):
                return None
            if self._presence is None:
                self._presence = Presence(self.out / ".workers")
            # A new process begins with a new sampler: seeded by the trial's place, not only by `seed`, it
            # draws what the sampler of a study that was never stopped would.
            place = sum(trial.counts or trial.state == "running" for trial in tried)
            self._study.sampler = _sampler(self._tune, place)
            trial = self._study.ask()
            trial.set_user_attr("worker", self._presence.token)
            own = trial.user_attrs.get("own", False)
            values = self._draw(trial, own=own)
            trial.set_user_attr("values", values)
        return Claim(trial, values, own, self.out / "trials" / f"{trial.number:03d}")

    def report(self, claim: Claim, number: int, score: float) -> bool:
        """Note the score of a trial's validation `number`, from 1; whether the trial is to be pruned."""
        claim.trial.report(score, number)
        return bool(claim.trial.should_prune())

    def leads(self, score: float) -> bool:
        """Whether no complete trial has as good a score."""
        best = best_of(self.tried())
        return best is None or best.score is None or score > best.score

    def complete(self, claim: Claim, score: float) -> None:
        """End a trial; of all complete ones only the best keeps its bundle."""
        with self._turn():
            self._study.tell(claim.number, score)
            best = best_of(self.tried())
            for bundle in (self.out / "trials").glob("*/bundle"):
                number = int(bundle.parent.name)
                if self._is_complete(number) and (best is None or number != best.number):
                    shutil.rmtree(bundle, ignore_errors=True)

    def prune(self, claim: Claim) -> None:
        """End a trial that others have left behind."""
        self._study.tell(claim.number, state=TrialState.PRUNED)

    def fail(self, claim: Claim, why: str) -> None:
        """End a trial whose values are no good."""
        claim.trial.set_user_attr("failed", why)
        self._study.tell(claim.number, state=TrialState.FAIL)

    def release(self, claim: Claim, error: str = "") -> None:
        """Give a trial back: whoever comes next tries its values again, after an `error` not for ever."""
        with self._turn():
            claim.trial.set_user_attr("error" if error else "released", error or True)
            self._retry(self._study.tell(claim.number, state=TrialState.FAIL), counts=bool(error))

    def importance(self) -> dict[str, float] | None:
        """How much each setting tells good trials from the rest, adding up to 1; None below two scores.

        PED-ANOVA (arXiv:2304.10255); the good ones are the best five, but between a tenth and half of all."""
        keys = list(self._tune.space)
        complete = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        trials = [trial for trial in complete if trial.params.keys() == set(keys)]
        scores = [trial.value for trial in trials if trial.value is not None]
        if len(set(scores)) < 2:
            return None
        above = sum(score > min(scores) for score in scores) - 0.5  # the good ones must not be all
        quantile = min(max(0.1, 5 / len(scores)), 0.5, above / len(scores))
        found = optuna.create_study(direction="maximize")
        found.add_trials(trials)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=quantile)
        return optuna.importance.get_param_importances(found, evaluator=evaluator, params=keys)

    def _draw(self, trial: optuna.trial.Trial, *, own: bool) -> Values:
        """The trial's values; optuna learns the configuration's own only where they lie in the space."""
        values, inside = own_values(self.config, self._tune.space)
        drawn = draw(trial, self._tune.space) if inside or not own else {}
        return values if own else drawn

    def _is_complete(self, number: int) -> bool:
        return any(trial.number == number and trial.state == "complete" for trial in self.tried())

    def _turn(self) -> Any:
        return taking_turns(self.out / ".lock")

    def _bury(self) -> None:
        """Fail what dead processes were at, and queue it again."""
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            token = trial.user_attrs.get("worker")
            if token is None or not is_present(self.out / ".workers", token):
                self._retry(self._study.tell(trial.number, state=TrialState.FAIL), counts=True)
                shutil.rmtree(self.out / "trials" / f"{trial.number:03d}", ignore_errors=True)

    def _retry(self, trial: FrozenTrial, *, counts: bool) -> None:
        tries = trial.user_attrs.get("tries", 1)
        if not counts or tries < MOST_TRIES:
            attributes = {"own": trial.user_attrs.get("own", False), "tries": tries + counts}
            self._study.enqueue_trial(trial.params, user_attrs=attributes)

    def _opened(self) -> optuna.Study:
        """The study of this very configuration; a new one begins with the configuration's own values."""
        file = self.out / "study.db"
        try:
            storage = optuna.storages.RDBStorage(
                f"sqlite:///{file}", engine_kwargs={"connect_args": {"timeout": 60}}
            )
            study = optuna.create_study(
                storage=storage,
                study_name="tune",
                direction="maximize",
                load_if_exists=True,
                pruner=_pruner(self._tune),
            )
        except (SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError) as error:
            first = str(error).splitlines()[0]
            raise TrainingError(
                f"'{file}' is no study that can be read ({first}): remove it, or tune into another --out"
            ) from None
        settings, saved = settings_of(self.config), study.user_attrs.get("settings")
        if saved is None:
            study.set_user_attr("settings", settings)
            values, inside = own_values(self.config, self._tune.space)
            study.enqueue_trial(
                fixed_params(self._tune.space, values) if inside else {}, user_attrs={"own": True}
            )
        else:
            check_same(file, saved, settings)
        return study


def _sampler(tune: TuneConfig, place: int) -> optuna.samplers.BaseSampler:
    seed = (tune.seed * 1_000_003 + place) % 2**32
    if tune.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


def _pruner(tune: TuneConfig) -> optuna.pruners.BasePruner:
    if tune.pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=tune.warmup + 1)
    if tune.pruner == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=tune.warmup + 1)
    return optuna.pruners.NopPruner()
