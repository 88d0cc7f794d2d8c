"""`shelfwise ablate`: what each part of a configuration is worth, over seeds, as a table and a figure."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shelfwise.cli import app, data_folders
from shelfwise.errors import InterruptedRunError

if TYPE_CHECKING:
    from shelfwise.tune.ablate import Told
    from shelfwise.tune.cells import Cell, Plan


@app.command()
def ablate(
    config: Annotated[Path, typer.Argument(help="Configuration, a .toml or .json file.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the results; runs/NAME-ablation when left out.")
    ] = None,
    switches: Annotated[
        Path | None, typer.Option(help="File with the table [ablate]; CONFIG's own when left out.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override, for all trainings.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="GROUP", help="This group alone; may be repeated.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Seeds 0 to N - 1 instead of ablate.seeds.")
    ] = None,
    jobs: Annotated[
        int, typer.Option(min=1, help="Processes side by side, of one core each if several.")
    ] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Keep every cell's bundle.")] = False,
    list_: Annotated[
        bool, typer.Option("--list", help="Show the cells and which are done; train none.")
    ] = False,
    max_errors: Annotated[
        int, typer.Option(min=0, help="Unusable rows to train without; more end with exit code 1.")
    ] = 0,
) -> None:
    """Train with one thing changed at a time.

    Writes OUT/ablation.md, .json and .png; what is done is not done again."""
    from shelfwise.cli.train import require_torch
    from shelfwise.config import AblateConfig, load_ablation, load_run
    from shelfwise.tune.cells import plan

    loaded = load_run(config, tuple(set_ or ()), folders=data_folders())
    ablation = load_ablation(switches) if switches else getattr(loaded, "ablate", AblateConfig())
    if seeds is not None:
        ablation = ablation.model_copy(update={"seeds": tuple(range(seeds))})
    folder = out or Path("runs") / f"{loaded.name}-ablation"
    planned = plan(loaded, ablation, where=str(switches or config), only=tuple(only or ()))
    if list_:
        _list(planned, folder)
        return
    require_torch()
    failed = _run(planned, folder, jobs=jobs, keep=keep, max_errors=max_errors)
    _report(planned, folder, loaded.name)
    for told in failed:
        print(f"{told.cell}: {told.text}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)


def _list(planned: Plan, folder: Path) -> None:
    """A line a cell: done, begun, or still to do."""
    from shelfwise.tune.cells import result_of

    done = 0
    for cell in planned.cells:
        finished = result_of(cell, folder) is not None
        done += finished
        print(f"{'done' if finished else _begun(cell, folder):<8} {cell}")
    print(f"{done} of {len(planned.cells)} cells are done, in {folder}")


def _begun(cell: Cell, folder: Path) -> str:
    if cell.path(folder, ".json").exists():
        return "changed"
    return "begun" if cell.path(folder).exists() else "to do"


def _run(planned: Plan, folder: Path, *, jobs: int, keep: bool, max_errors: int) -> list[Told]:
    """Train what is not done, with a line a cell; those that failed."""
    from shelfwise.cli.train import training_progress
    from shelfwise.tune.ablate import run_cells
    from shelfwise.tune.cells import result_of
    from shelfwise.tune.processes import run_in_processes

    cells = planned.cells
    waiting = [cell for cell in cells if result_of(cell, folder) is None]
    count = len(cells) - len(waiting)
    print(f"{len(cells)} cells, {count} done before")
    failed: list[Told] = []

    def tell(told: Told) -> None:
        nonlocal count
        count += told.done
        if told.failed:
            failed.append(told)
        state = "failed: " if told.failed else "" if told.done else "left out: "
        print(f"[{count}/{len(cells)}] {told.cell}: {state}{told.text}", flush=True)

    try:
        if jobs > 1 and len(waiting) > 1:
            run_in_processes(waiting, folder, tell, jobs=jobs, keep=keep, max_errors=max_errors)
        elif waiting:
            with training_progress() if sys.stderr.isatty() else nullcontext(lambda _: None) as watch:
                run_cells(waiting, folder, tell, keep=keep, max_errors=max_errors, watch=watch)
    except (InterruptedRunError, KeyboardInterrupt):
        raise InterruptedRunError(
            f"interrupted with {count} of {len(cells)} cells done, nothing lost: the same command goes on"
        ) from None
    return failed


def _report(planned: Plan, folder: Path, name: str) -> None:
    """Write what is known so far, and say where."""
    from shelfwise.reports.ablation_plot import write_ablation_plot
    from shelfwise.tune.ablation_panels import panels
    from shelfwise.tune.ablation_table import write_ablation
    from shelfwise.tune.differences import summarise

    found = summarise(planned, folder, name=name)
    write_ablation(found, folder)
    drawn = panels(found)
    if drawn:
        write_ablation_plot(drawn, folder / "ablation.png")
        print(f"figure: {folder / 'ablation.png'}")
    print(f"table:  {folder / 'ablation.md'}")
