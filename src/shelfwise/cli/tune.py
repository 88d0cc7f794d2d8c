"""`shelfwise tune`: from a configuration and a search space to the best configuration."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shelfwise.cli import app, data_folders
from shelfwise.cli.train import require_torch
from shelfwise.errors import InterruptedRunError, MissingExtraError, TrainingError

if TYPE_CHECKING:
    from shelfwise.config import AnyConfig, Range
    from shelfwise.train.fit import Watch
    from shelfwise.tune.outcome import Outcome
    from shelfwise.tune.study import Study
    from shelfwise.tune.tried import Budget, Tried

TRIALS = 20
"""Where no budget is named."""


@app.command()
def tune(
    config: Annotated[Path, typer.Argument(help="Configuration, a .toml or .json file.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the study; runs/NAME-tune when left out.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override, e.g. tune.pruner=none.")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials in all; tune.trials when left out, else 20.")
    ] = None,
    hours: Annotated[
        float | None, typer.Option(min=0, help="Begin no trial after so much time; tune.hours when left out.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes, each with one thread.")] = 1,
    max_errors: Annotated[
        int, typer.Option(min=0, help="Unusable rows to train without; more end with exit code 1.")
    ] = 0,
) -> None:
    """Try settings, and write the best configuration to OUT/best.toml.

    The first trial is the configuration as it is. The same command goes on where it was stopped; several may
    run at once on one OUT."""
    from shelfwise.config import load_run

    loaded = load_run(config, tuple(set_ or ()), folders=data_folders())
    folder = out or Path("runs") / f"{loaded.name}-tune"
    require_torch()
    from shelfwise.tune.study import Study
    from shelfwise.tune.usual import with_space

    if not loaded.tune.space:
        loaded = with_space(loaded)
        print("tune.space is empty: trying what usually matters (docs/tuning.md, what to try)")
    budget = _budget(loaded, trials, hours)
    with Study(loaded, folder) as study:
        _announce(study, budget)
        try:
            _run(study, budget, workers=workers, max_errors=max_errors)
        except (InterruptedRunError, KeyboardInterrupt):
            done = sum(trial.counts for trial in study.tried())
            raise InterruptedRunError(f"interrupted; trials done: {done}. The same command goes on") from None
        _conclude(study, budget, folder / f"best{config.suffix}")


def _budget(config: AnyConfig, trials: int | None, hours: float | None) -> Budget:
    from shelfwise.tune.tried import Budget

    trials = trials if trials is not None else config.tune.trials
    hours = hours if hours is not None else config.tune.hours
    return Budget(TRIALS if trials is None and hours is None else trials, hours)


def _announce(study: Study, budget: Budget) -> None:
    """What will be tried, for how long, and what is done already."""
    from shelfwise.tune.objective import validation_interval

    limits = [f"{budget.trials} trials"] if budget.trials is not None else []
    limits += [f"{budget.hours:g} hours"] if budget.hours is not None else []
    print(f"{' or '.join(limits)} into {study.out}:")
    for key, range_ in study.config.tune.space.items():
        print(f"  {key}: {_range(range_)}")
    every = validation_interval(study.config)
    if every is not None:
        when = "every epoch" if every == 1 else f"every {every:g} epochs"
        print(f"train.evaluate_every is unset: validating {when}, for tune.pruner")
    done = sum(trial.counts for trial in study.tried())
    if done:
        print(f"going on; trials done: {done}")


def _range(range_: Range) -> str:
    if range_.choices:
        return ", ".join(_value(choice) for choice in range_.choices)
    step = f", in steps of {_value(range_.step)}" if range_.step is not None else ""
    return f"{_value(range_.low)} to {_value(range_.high)}{step}{', logarithmic' if range_.log else ''}"


def _run(study: Study, budget: Budget, *, workers: int, max_errors: int) -> None:
    """Run trials and print a line for each."""
    from shelfwise.tune.tried import best_of

    with _progress() as watch:
        if workers > 1:
            from shelfwise.tune.workers import work_together

            ended = work_together(study, budget, workers=workers, max_errors=max_errors)
        else:
            from shelfwise.tune.objective import work

            ended = work(study, budget, max_errors=max_errors, watch=watch)
        with closing(ended):
            for trial in ended:
                best = best_of(study.tried())
                print(_line(trial, leads=best is not None and best.number == trial.number), flush=True)


def _line(trial: Tried, *, leads: bool) -> str:
    """One trial: number, score, time, values, and why it failed."""
    score = "" if trial.score is None else f"{trial.score:.4f}"
    mark = "best" if leads else "" if trial.state == "complete" else trial.state
    values = "the config as it is" if trial.own else ""
    values = values or ", ".join(f"{key} {_value(value)}" for key, value in trial.values.items())
    why = f": {trial.why}" if trial.why else ""
    return f"{trial.number:4d}  {score:7s} {mark:6s} {trial.seconds:7.1f} s  {values}{why}"


def _conclude(study: Study, budget: Budget, best_path: Path) -> None:
    """Write the files and say what was found."""
    from shelfwise.tune.objective import TASKS
    from shelfwise.tune.outcome import outcome_of, write_best, write_outcome

    outcome = outcome_of(study)
    metric = TASKS[study.config.task].metric(study.config)
    write_outcome(study, outcome, budget, metric, study.out / "tune.json")
    best = outcome.best
    if best is None:
        why = next((trial.why for trial in reversed(outcome.tried) if trial.why), "nothing was tried")
        raise TrainingError(f"no trial finished, the last one because: {why}")
    write_best(study, best, best_path)
    counts = ", ".join(
        f"{outcome.count(state)} {name}"
        for state, name in (("complete", "finished"), ("pruned", "pruned"), ("failed", "failed"))
        if outcome.count(state)
    )
    print(f"{counts}, in {outcome.seconds:.0f} s")
    print(f"best:   trial {best.number}, validation {metric} {best.score:.4f}, {_compared(outcome)}")
    for key, value in best.values.items():
        print(f"        {key} = {_value(value)}")
    print(f"config: {best_path}")
    print(f"plots:  {_draw(study.out, outcome, metric)} (every number: {study.out / 'tune.json'})")
    bundle = study.out / "trials" / f"{best.number:03d}" / "bundle"
    if bundle.is_dir():
        print(f"bundle: {bundle}")
        source = study.config.data.source
        catalog = source if source == "fashion-mnist" else str(best_path)
        words = ["shelfwise", "evaluate", str(bundle), catalog, "--out", str(study.out)]
        print(f"next:   {shlex.join(words)}")


def _compared(outcome: Outcome) -> str:
    """The gain over the configuration as it is."""
    own = outcome.own
    if own is None:
        return "and the config as it is was not tried"
    if outcome.gain is None or own.score is None:
        return f"where the config as it is failed: {own.why}"
    if outcome.best is own or not outcome.gain:
        return "of the config as it is: nothing tried was better"
    return f"{outcome.gain:.4f} above the config as it is ({own.score:.4f})"


def _draw(folder: Path, outcome: Outcome, metric: str) -> str:
    """Draw both plots; where they are, or why there is none."""
    try:
        from shelfwise.reports import tuning_plots
        from shelfwise.reports.page import save_figure
    except MissingExtraError as error:
        return f"none, {error}; then the same command draws them"
    points = [
        tuning_plots.Point(trial.number, trial.state, trial.score, trial.own)
        for trial in outcome.tried
        if trial.state in ("complete", "pruned", "failed")
    ]
    save_figure(lambda: tuning_plots.history(points, metric), folder / "history.png")
    if outcome.importance is None:
        return f"{folder / 'history.png'}; importance needs two finished trials of different scores"
    shares = outcome.importance
    save_figure(lambda: tuning_plots.importance(shares), folder / "importance.png")
    return f"{folder / 'history.png'}, {folder / 'importance.png'}"


def _value(value: Any) -> str:
    """A value as a person says it."""
    if value is None:
        return "unset"
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@contextmanager
def _progress() -> Iterator[Callable[[int, Watch], None]]:
    """Where the trial at hand stands, on a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _number, _moment: None
        return
    with console.status("reading") as status:

        def watch(number: int, moment: Watch) -> None:
            score = f"  val {moment.validation:.4f}" if moment.validation is not None else ""
            step = f"step {moment.record.step}/{moment.steps}"
            status.update(f"trial {number}  {step}  loss {moment.record.loss:.3f}{score}")

        yield watch
