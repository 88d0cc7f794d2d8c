"""Cells side by side: processes of one thread each, which find their work by the cells' own locks."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

import torch

from shelfwise.config import changed
from shelfwise.errors import ErrorBudgetError, InterruptedRunError
from shelfwise.tune.ablate import NOTE, Tell, Told, failures, run_cells
from shelfwise.tune.cells import Cell, result_of

Workers = dict[Connection, SpawnProcess]
"""By where they tell of their cells."""


def run_in_processes(
    cells: Sequence[Cell], out: Path, tell: Tell, *, jobs: int, keep: bool = False, max_errors: int = 0
) -> None:
    """As `run_cells`, in so many processes of one thread each; what one of them dies of is told.

    Ctrl-C is handed to them and awaited, so that each writes its checkpoint; then a KeyboardInterrupt."""
    workers = _started(min(jobs, len(cells)), cells, out, keep, max_errors, failures(cells, out))
    try:
        left = _heard(dict(workers), tell)
    except KeyboardInterrupt:
        for worker in workers.values():
            if worker.pid is not None and worker.is_alive():
                os.kill(worker.pid, signal.SIGINT)
        raise
    finally:
        for worker in workers.values():
            worker.join()
    for cell in cells:
        done = result_of(cell, out) is not None or cell.path(out, NOTE).exists()
        if str(cell) in left and not done:
            tell(left[str(cell)])


def _started(jobs: int, *arguments: object) -> Workers:
    """Processes at work, in an environment of one thread."""
    context = get_context("spawn")
    name = "OMP_NUM_THREADS"  # numpy's and torch's libraries read it when they are loaded
    before = os.environ.get(name)
    os.environ[name] = "1"
    workers: Workers = {}
    try:
        for _ in range(jobs):
            ours, theirs = context.Pipe(duplex=False)
            worker = context.Process(target=_work, args=(theirs, *arguments))
            worker.start()
            theirs.close()
            workers[ours] = worker
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before
    return workers


def _heard(busy: Workers, tell: Tell) -> dict[str, Told]:
    """Pass on what the workers tell until all have ended; cells that some of them left out."""
    left: dict[str, Told] = {}
    while busy:
        ready = wait(list(busy))
        for ours in [pipe for pipe in busy if pipe in ready]:
            try:
                told: Told = ours.recv()
            except EOFError:
                _ended(busy.pop(ours), tell)
                continue
            if told.done or told.failed:
                tell(told)
            else:
                left[told.cell] = told  # mostly to a worker beside it
    return left


def _work(
    pipe: Connection, cells: Sequence[Cell], out: Path, keep: bool, max_errors: int, again: dict[str, int]
) -> None:
    """One process of several; Ctrl-C reaches it through its parent alone, so that it comes once."""
    os.setpgid(0, 0)
    torch.set_num_threads(1)
    one = [
        replace(cell, config=changed(cell.config, {"train.threads": 1}, where=str(cell))) for cell in cells
    ]
    # The parent tells of these, or is no more.
    with suppress(InterruptedRunError, KeyboardInterrupt, BrokenPipeError):
        try:
            run_cells(one, out, pipe.send, keep=keep, max_errors=max_errors, again=again)
        except ErrorBudgetError as error:
            pipe.send(Told("the catalogue", False, str(error), failed=True))


def _ended(worker: SpawnProcess, tell: Tell) -> None:
    worker.join()
    code = worker.exitcode or 0
    if code:
        how = f"died of signal {-code}" if code < 0 else f"ended with exit code {code}"
        tell(Told("a process", False, f"{how}; the same command goes on", failed=True))
