"""Run the cells of an ablation: each trained as `shelfwise train` does, judged on validation, and kept.

What is done is not done again, what was interrupted goes on from its checkpoint, and several processes can
work on one folder: a cell belongs to whoever holds its lock.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch

from shelfwise import __version__
from shelfwise.bundle import now
from shelfwise.config import changed
from shelfwise.errors import ErrorBudgetError, InterruptedRunError, ShelfwiseError
from shelfwise.evaluate.cost import forget_peak_memory
from shelfwise.files import replacing
from shelfwise.train.fit import Watch
from shelfwise.tune.benches import BENCHES, Bench
from shelfwise.tune.cells import Cell, claimed, result_of
from shelfwise.tune.judged import judged_samples, key

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Told:
    """What became of one cell."""

    cell: str
    done: bool
    text: str
    """Its main figure and time; else why it is not done."""
    failed: bool = False
    """An error, not another process that has it."""


Tell = Callable[[Told], None]


def run_cells(
    cells: Sequence[Cell],
    out: Path,
    tell: Tell,
    *,
    keep: bool = False,
    max_errors: int = 0,
    watch: Callable[[Watch], None] = lambda _: None,
) -> None:
    """Train and judge every cell that is not done and that no other process has, one after the other.

    `keep` leaves their bundles. An error fails its cell alone, and is told at once; rows beyond
    `max_errors` fail all. Ctrl-C is an InterruptedRunError or a KeyboardInterrupt, after which the same call
    goes on where it stopped."""
    bench: Bench | None = None
    for cell in cells:
        if result_of(cell, out) is not None:
            continue
        with claimed(cell, out) as holder:
            if holder is not None:
                tell(Told(str(cell), False, f"{holder} has it"))
                continue
            if result_of(cell, out) is not None:  # by whoever held the lock until now
                continue
            bench = bench or BENCHES[cell.config.task](max_errors)
            tell(_attempted(cell, out, bench, keep, watch))


def run_in_processes(
    cells: Sequence[Cell], out: Path, tell: Tell, *, jobs: int, keep: bool = False, max_errors: int = 0
) -> None:
    """As `run_cells`, in so many processes of one thread each; what one of them dies of is told."""
    context = get_context("spawn")
    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"  # numpy's and torch's libraries read it when they are loaded
    workers = {}
    try:
        for _ in range(min(jobs, len(cells))):
            ours, theirs = context.Pipe(duplex=False)
            worker = context.Process(target=_work, args=(theirs, list(cells), out, keep, max_errors))
            worker.start()
            theirs.close()
            workers[ours] = worker
    finally:
        _put_back("OMP_NUM_THREADS", threads)
    busy = dict(workers)
    try:
        while busy:
            for ours in wait(list(busy)):
                assert isinstance(ours, Connection)
                try:
                    tell(ours.recv())
                except EOFError:
                    _ended(busy.pop(ours), tell)
    except KeyboardInterrupt:
        for worker in busy.values():
            if worker.pid is not None and worker.is_alive():
                os.kill(worker.pid, signal.SIGINT)
        raise
    finally:
        for worker in workers.values():
            worker.join()


def _work(pipe: Connection, cells: list[Cell], out: Path, keep: bool, max_errors: int) -> None:
    """One process of several; Ctrl-C reaches it through its parent alone, so that it comes once."""
    os.setpgid(0, 0)
    torch.set_num_threads(1)
    one = [_with_one_thread(cell) for cell in cells]
    # The parent tells of these, or is no more.
    with suppress(InterruptedRunError, KeyboardInterrupt, BrokenPipeError):
        run_cells(one, out, pipe.send, keep=keep, max_errors=max_errors)


def _with_one_thread(cell: Cell) -> Cell:
    """The same cell on one core, which is no part of its fingerprint."""
    config = changed(cell.config, {"train.threads": 1}, where=str(cell))
    return Cell(cell.group, cell.switch, cell.seed, cell.settings, config, cell.fingerprint)


def _ended(worker: Any, tell: Tell) -> None:
    worker.join()
    if worker.exitcode:
        how = f"died of signal {-worker.exitcode}" if worker.exitcode < 0 else "failed"
        tell(Told("a process", False, f"{how}; the same command goes on", failed=True))


def _attempted(cell: Cell, out: Path, bench: Bench, keep: bool, watch: Callable[[Watch], None]) -> Told:
    """What became of a cell; an error's traceback is kept beside its folder."""
    note = cell.path(out, ".error.txt")
    note.unlink(missing_ok=True)
    try:
        return Told(str(cell), True, run_cell(cell, out, bench, keep=keep, watch=watch))
    except (InterruptedRunError, ErrorBudgetError):
        raise  # not this cell's own
    except ShelfwiseError as error:
        why = str(error)
    except Exception as error:
        why = f"{type(error).__name__}: {error}; see {note}"
    note.write_text(traceback.format_exc(), encoding="utf-8")
    return Told(str(cell), False, why, failed=True)


def run_cell(
    cell: Cell,
    out: Path,
    bench: Bench,
    *,
    keep: bool = False,
    watch: Callable[[Watch], None] = lambda _: None,
) -> str:
    """Train and judge one cell and write its results; the main figure and the time it took, in words."""
    began = time.perf_counter()
    folder = cell.path(out)
    _clear_other(cell, folder)
    forget_peak_memory()
    bundle = bench.train(cell.config, folder, watch)
    found = bench.judge(bundle)
    samples = judged_samples(found.judged, found.questions)
    found.judged.save(cell.path(out, ".npz"))
    info = bundle.info
    _write_json(
        cell.path(out, ".json"),
        {
            "fingerprint": cell.fingerprint,
            "group": cell.group,
            "switch": cell.switch,
            "seed": cell.seed,
            "settings": dict(cell.settings),
            "config": cell.config.model_dump(mode="json", exclude={"ablate"}),
            "questions": found.questions.as_json(),
            "validation_rows": found.rows,
            "rows": info["rows"],
            "figures": {name: sample.interval().as_json() for name, sample in samples.items()},
            "cost": info["training"],
            "created": now(),
            "versions": {"shelfwise": __version__, "python": platform.python_version()},
        },
    )
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    main = key("accuracy", found.questions.main, found.questions.whole)
    value = samples[main].value
    return f"{found.questions.main} {value:.1%}, {_minutes(time.perf_counter() - began)}"


def _clear_other(cell: Cell, folder: Path) -> None:
    """Empty a cell's folder where it was begun with other settings."""
    mark = folder / "fingerprint"
    if folder.exists() and not (mark.exists() and mark.read_text(encoding="utf-8") == cell.fingerprint):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(cell.fingerprint, encoding="utf-8")


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")


def _put_back(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _minutes(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{seconds:.0f} s"
