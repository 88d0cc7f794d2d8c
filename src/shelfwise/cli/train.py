"""`shelfwise train`: from a configuration to a bundle."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shelfwise.cli import app, data_folders

if TYPE_CHECKING:
    from shelfwise.bundle import AnyBundle
    from shelfwise.config import Config, ProductsConfig, ReviewsConfig
    from shelfwise.train.fit import Watch


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="Configuration, a .toml or .json file.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/NAME when left out.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override, e.g. train.lr=0.05.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in --out stopped.")] = False,
    max_errors: Annotated[
        int, typer.Option(min=0, help="Unusable rows to train without; more end with exit code 1.")
    ] = 0,
    init_from: Annotated[Path | None, typer.Option(help="Bundle to start the weights from.")] = None,
) -> None:
    """Learn from a catalogue or from reviews, and write OUT/bundle."""
    from shelfwise.config import load_run

    loaded = load_run(config, tuple(set_ or ()), folders=data_folders())
    folder = out or Path("runs") / loaded.name
    run = _train_function(loaded.task)
    talks = _talks(loaded.task)
    done = resume and _is_finished(loaded, folder)
    with training_progress() if talks else nullcontext(lambda _: None) as watch:
        bundle = run(loaded, folder, resume=resume, init_from=init_from, watch=watch, max_errors=max_errors)
    if not talks:
        return
    if done:
        print(
            f"nothing to train: '{folder}' holds this configuration's finished run; where the data have "
            "changed, use another --out",
            file=sys.stderr,
        )
    validation = bundle.info.get("validation", {})
    training = bundle.info.get("training", {})
    figures = _figures(validation) or _figures(bundle.info.get("search", {}))
    print(
        f"{bundle.label}: validation {figures or 'accuracy unknown (no labelled validation row)'}, "
        f"{training.get('steps', 0)} steps in {training.get('seconds_train', 0):.0f} s"
    )
    print(f"bundle: {bundle.path}")
    elsewhere = any(word.startswith("data.") for word in set_ or ())
    catalog = loaded.data.source if elsewhere or loaded.data.source == "fashion-mnist" else config
    words = ["shelfwise", "evaluate", str(bundle.path), str(catalog), "--out", str(folder)]
    print(f"next:   {shlex.join(words)}")


def _talks(task: str) -> bool:
    """Whether this process prints: torchrun's first one, or the only one there is."""
    from shelfwise.errors import ConfigError

    if task != "products" and os.environ.get("WORLD_SIZE", "1") != "1":
        raise ConfigError(
            f"several processes train products, not yet {task}: start this one without torchrun"
        )
    return os.environ.get("RANK", "0") == "0"


def _is_finished(config: Config | ReviewsConfig | ProductsConfig, folder: Path) -> bool:
    from shelfwise.train.start import finished

    return finished(config, folder) is not None


def _figures(validation: dict[str, Any]) -> str:
    """Scores by name; of a products run those from all that is known."""
    nested = [value for value in validation.values() if isinstance(value, dict)]
    scores = nested[-1] if nested else validation
    return ", ".join(f"{name} {value:.4f}" for name, value in scores.items())


def _train_function(task: str) -> Callable[..., AnyBundle]:
    """What trains a task, or a clear word on what to install."""
    require_torch()
    if task == "reviews":
        from shelfwise.train.reviews import train_reviews

        return train_reviews
    if task == "products":
        from shelfwise.train.products import train_products

        return train_products
    from shelfwise.train.run import train as train_pictures

    return train_pictures


def require_torch() -> None:
    """Load what training needs, as it should be loaded; MissingExtraError says what to install."""
    from shelfwise.errors import MissingExtraError

    # OpenMP reads this once, when torch is loaded. Threads that spin while they wait for each other made a
    # step nine times as long (1,660 ms for 187) when another process had one of two cores; on free cores
    # spinning is a quarter faster: set ACTIVE there.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import onnxscript  # noqa: F401
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtraError("torch", "train") from None


@contextmanager
def training_progress() -> Iterator[Callable[[Watch], None]]:
    """A bar with samples/s, loss and time left on a terminal; elsewhere one line per epoch."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _line_per_epoch
        return
    columns = (
        TextColumn("step"),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("train", total=None, figures="")

        def watch(moment: Watch) -> None:
            record = moment.record
            figures = f"loss {record.loss:.3f}  {record.samples / max(record.seconds, 1e-9):,.0f} samples/s"
            if moment.validation is not None:
                figures += f"  val {moment.validation:.4f}"
            bar.update(task, completed=record.step, total=moment.steps, figures=figures)

        yield watch


def _line_per_epoch(moment: Watch) -> None:
    """One line at the end of each epoch and of the run."""
    record = moment.record
    per_epoch = round(record.step / record.epoch)
    if record.step % per_epoch and record.step != moment.steps:
        return
    accuracy = moment.validation
    validated = f"  val {accuracy:.4f}" if accuracy is not None else ""
    print(
        f"epoch {record.epoch:.1f}  step {record.step}/{moment.steps}  loss {record.loss:.3f}{validated}",
        flush=True,
    )
