"""Run the cells of an ablation: each trained as `shelfwise train` does, judged on validation, and kept.

What is done is not done again, what was interrupted goes on from its checkpoint, and several processes can
work on one folder: a cell belongs to whoever holds its lock.
"""

from __future__ import annotations

import platform
import shutil
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shelfwise import __version__
from shelfwise.bundle import now
from shelfwise.errors import ErrorBudgetError, InterruptedRunError, ShelfwiseError
from shelfwise.evaluate.cost import forget_peak_memory
from shelfwise.files import claimed, without_folders, write_json
from shelfwise.train.allocator import give_back_memory
from shelfwise.train.fit import Watch
from shelfwise.tune.benches import BENCHES, Bench
from shelfwise.tune.cells import Cell, result_of
from shelfwise.tune.judged import judged_samples, key

NOTE = ".error.txt"
"""What follows a cell's name where it failed: the traceback."""


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
    again: Mapping[str, int] | None = None,
    watch: Callable[[Watch], None] = lambda _: None,
) -> None:
    """Train and judge every cell that is not done and that no other process has, one after the other.

    `keep` leaves their bundles. An error fails its cell alone, and is told at once; cells that failed before
    are tried again, of several processes at one job only those whose `failures` are as in `again`. Rows
    beyond `max_errors` are an ErrorBudgetError. Ctrl-C is an InterruptedRunError
    or a KeyboardInterrupt, after which the same call goes on where it stopped."""
    bench: Bench | None = None
    for cell in cells:
        if result_of(cell, out) is not None:
            continue
        with claimed(cell.path(out, ".lock")) as holder:
            if holder is not None:
                tell(Told(str(cell), False, f"{holder} has it"))
                continue
            # Whoever held the lock until now may have done it.
            just_failed = again is not None and not failures([cell], out).items() <= again.items()
            if result_of(cell, out) is not None or just_failed:
                continue
            bench = bench or BENCHES[cell.config.task](max_errors)
            tell(_attempted(cell, out, bench, keep, watch))


def failures(cells: Sequence[Cell], out: Path) -> dict[str, int]:
    """The cells that have failed, and when, as their notes tell."""
    found = {}
    for cell in cells:
        with suppress(FileNotFoundError):
            found[str(cell)] = cell.path(out, NOTE).stat().st_mtime_ns
    return found


def _attempted(cell: Cell, out: Path, bench: Bench, keep: bool, watch: Callable[[Watch], None]) -> Told:
    """What became of a cell; an error's traceback is kept beside its folder."""
    note = cell.path(out, NOTE)
    note.unlink(missing_ok=True)
    try:
        return Told(str(cell), True, run_cell(cell, out, bench, keep=keep, watch=watch))
    except (InterruptedRunError, ErrorBudgetError):
        raise  # not this cell's own
    except Exception as error:
        note.write_text(traceback.format_exc(), encoding="utf-8")
        mendable = isinstance(error, ShelfwiseError)
        why = str(error) if mendable else f"{type(error).__name__}: {error}; see {note}"
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
    give_back_memory()
    forget_peak_memory()
    bundle = bench.train(cell.config, folder, watch)
    found = bench.judge(bundle)
    samples = judged_samples(found.judged, found.questions)
    found.judged.save(cell.path(out, ".npz"))
    info = bundle.info
    write_json(
        cell.path(out, ".json"),
        {
            "fingerprint": cell.fingerprint,
            "group": cell.group,
            "switch": cell.switch,
            "seed": cell.seed,
            "settings": dict(cell.settings),
            "config": without_folders(cell.config.model_dump(mode="json", exclude={"ablate"})),
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


def _minutes(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{seconds:.0f} s"
