"""Several processes at one study: each works for itself; this one starts, watches and stops them."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from shelfwise.config import AnyConfig
from shelfwise.errors import ErrorBudgetError, InterruptedRunError, ShelfwiseError, TrainingError
from shelfwise.tune.study import Study
from shelfwise.tune.tried import Budget, Tried

POLL_S = 0.3
MOST_DEATHS = 3
"""So many workers may be killed, one after another, without a trial that is trained to its end."""


def work_together(
    study: Study, budget: Budget, *, workers: int, max_errors: int = 0
) -> Generator[Tried, None, None]:
    """As `objective.work`, by so many processes of one thread each; yields all trials that end meanwhile.

    A worker that was killed is replaced, and its trial tried again."""
    context = multiprocessing.get_context("spawn")  # forking a process with running threads is unsafe
    stop, errors = context.Event(), context.SimpleQueue()
    arguments = (study.config, study.out, budget, max_errors, stop, errors, os.getpid())

    def start() -> None:
        process = context.Process(target=_worker, args=arguments)
        with _interrupts_held_back():
            process.start()
            running.append(process)

    told = {trial.number for trial in study.tried() if trial.state != "running"}
    running: list[BaseProcess] = []
    deaths = 0
    # Noted, and looked for in every turn: an exception might come where a library swallows it.
    interrupts: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    try:
        for _ in range(workers):
            start()
        while running:
            wait([process.sentinel for process in running], timeout=POLL_S)
            if interrupts:
                raise InterruptedRunError("interrupted")
            ended, running = _parted(running)
            for trial in study.tried():
                if trial.state != "running" and trial.number not in told:
                    told.add(trial.number)
                    if trial.state in ("complete", "pruned"):  # what a killed one was at ends too, as lost
                        deaths = 0
                    yield trial
            if not errors.empty():
                raise _error(*errors.get())
            killed = sum(_was_killed(process) for process in ended)
            deaths += killed
            if deaths > MOST_DEATHS:
                raise TrainingError(
                    f"{deaths} workers were killed one after another: if memory is short, use fewer --workers"
                )
            for _ in range(killed):
                start()
    except KeyboardInterrupt:  # while a worker was started
        raise InterruptedRunError("interrupted") from None
    finally:
        signal.signal(signal.SIGINT, before)
        stop.set()
        _join(running)


def _worker(
    config: AnyConfig, out: Path, budget: Budget, max_errors: int, stop: Any, errors: Any, parent: int
) -> None:
    """Work until the budget is spent, `stop` is set or the parent is gone."""
    # Ctrl-C is ignored, save while it trains: then it gives the trial back. It was blocked since our birth.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    from shelfwise.tune.objective import work

    def stopped() -> bool:
        return bool(stop.is_set()) or os.getppid() != parent

    try:
        with Study(config, out) as study:
            for _ in work(study, budget, max_errors=max_errors, threads=1, stopped=stopped):
                if stopped():
                    return
    except InterruptedRunError:
        return
    except ShelfwiseError as error:
        errors.put((isinstance(error, ErrorBudgetError), str(error)))


def _parted(processes: list[BaseProcess]) -> tuple[list[BaseProcess], list[BaseProcess]]:
    """Those that have ended, and the others; each is asked once, since it may end meanwhile."""
    ended = [process for process in processes if process.exitcode is not None]
    return ended, [process for process in processes if process not in ended]


def _error(over_budget: bool, text: str) -> ShelfwiseError:
    return ErrorBudgetError(text) if over_budget else TrainingError(text)


def _was_killed(process: BaseProcess) -> bool:
    """Whether a signal ended it; RuntimeError where it was a bug, whose traceback it has printed."""
    if process.exitcode is not None and process.exitcode > 0:
        raise RuntimeError(f"a worker ended with exit code {process.exitcode}; its traceback is above")
    return process.exitcode != 0


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Ctrl-C that comes inside is a KeyboardInterrupt at the end; what is started inside does not hear it."""
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


def _join(processes: list[BaseProcess]) -> None:
    """Wait until they have given their trials back; a second Ctrl-C ends them at once."""
    try:
        for process in processes:
            process.join()
    except KeyboardInterrupt:
        for process in processes:
            process.terminate()
            process.join()
