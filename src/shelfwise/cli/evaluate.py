"""`shelfwise evaluate`: how good a bundle is, or how two differ, as JSON, a page and a short table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from shelfwise.cli import app
from shelfwise.cli.printed import print_table
from shelfwise.errors import ConfigError

if TYPE_CHECKING:
    from shelfwise.config import CatalogConfig
    from shelfwise.predict import Predictor


PartName = Literal["train", "validation", "test"]


class Part(StrEnum):
    """Which rows of the catalogue."""

    train = "train"
    validation = "validation"
    test = "test"


@app.command()
def evaluate(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="BUNDLE [BUNDLE] CATALOG",
            help="One bundle to measure it, two to compare them; then a config, a table file, a folder of "
            "pictures, or fashion-mnist.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(file_okay=False, help="Folder for metrics.json, report.html and the plots.")
    ],
    part: Annotated[Part, typer.Option(help="Which rows of the catalogue.")] = Part.test,
    seed: Annotated[int, typer.Option(help="Seed of the resampling.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use; all when left out.")] = None,
    max_errors: Annotated[
        int, typer.Option(min=0, help="Unreadable rows to tolerate; more end with exit code 1.")
    ] = 0,
    baselines: Annotated[
        bool, typer.Option(help="Of reviews: show majority and TF-IDF, fitted on the training part, beside.")
    ] = True,
) -> None:
    """Measure a bundle, or how two differ.

    Writes metrics.json and a report; of two bundles the paired difference on the same rows."""
    if not 2 <= len(arguments) <= 3:
        raise ConfigError("expected BUNDLE CATALOG, or BUNDLE BUNDLE CATALOG; see shelfwise evaluate --help")
    *bundles, catalog = arguments
    from shelfwise.data.catalog import resolve
    from shelfwise.predict import Predictor

    task = _one_task(bundles)
    if task == "products":
        from shelfwise.cli.evaluate_products import evaluate_products_bundles

        with _progress() as watch:
            failed = evaluate_products_bundles(
                bundles,
                catalog,
                out,
                part=part.value,
                seed=seed,
                threads=threads,
                watch=watch,
                table=_print_table,
            )
        _check_budget(failed, max_errors)
        return
    if task == "reviews":
        from shelfwise.cli.evaluate_reviews import evaluate_reviews_bundles

        with _progress() as watch:
            failed = evaluate_reviews_bundles(
                bundles,
                catalog,
                out,
                part=part.value,
                seed=seed,
                threads=threads,
                baselines=baselines,
                watch=watch,
                table=_print_table,
            )
        _check_budget(failed, max_errors)
        return
    predictors = [Predictor.load(Path(path), threads=threads) for path in bundles]
    config = resolve(catalog)
    if len(predictors) == 2:
        failed = _compare(predictors[0], predictors[1], config, out, part.value, seed)
    else:
        failed = _evaluate(predictors[0], config, out, part.value, seed)
    _check_budget(failed, max_errors)


def _one_task(bundles: list[str]) -> str:
    """The task of the bundles; ConfigError where two of them have different ones."""
    from shelfwise.bundle import open_bundle, read_task

    task, *others = [read_task(Path(path)) for path in bundles]
    if others and others[0] != task:
        for path in bundles:
            open_bundle(Path(path))  # one that is missing or damaged is told first
        raise ConfigError(
            f"'{bundles[0]}' is a {task} bundle and '{bundles[1]}' a {others[0]} bundle; "
            "compare bundles of one task"
        )
    return task


def _check_budget(failed: int, max_errors: int) -> None:
    if failed > max_errors:
        print(
            f"{failed:,} rows of the catalogue could not be read, more than --max-errors {max_errors}",
            file=sys.stderr,
        )
        raise typer.Exit(1)


def _evaluate(predictor: Predictor, config: CatalogConfig, out: Path, part: PartName, seed: int) -> int:
    """Write and print everything about one bundle; how many rows could not be read."""
    from shelfwise.evaluate.bundle import evaluate_bundle
    from shelfwise.evaluate.rows import load_rows
    from shelfwise.reports.model_report import write_model_report

    with _progress() as watch:
        watch("reading the catalogue", 0.0)
        some = load_rows(predictor.bundle, config, part)
        found = evaluate_bundle(
            predictor,
            some.rows,
            some.train,
            part=part,
            source=some.source,
            groups=some.families,
            seed=seed,
            watch=watch,
        )
        found.metrics["data"]["read"] = some.read
        watch("drawing the report", 0.0)
        page = write_model_report(found, predictor.bundle.journal(), out)
    _print_table(predictor.bundle.label, _headlines(found.metrics), ("metric", "value", "95% interval"))
    print(f"report:  {page}\nmetrics: {out / 'metrics.json'}")
    return some.failed


def _compare(
    first: Predictor, second: Predictor, config: CatalogConfig, out: Path, part: PartName, seed: int
) -> int:
    """Write and print how two bundles differ; how many rows could not be read."""
    from shelfwise.evaluate.paired import compare_bundles
    from shelfwise.evaluate.rows import load_rows
    from shelfwise.reports.comparison_report import write_comparison_report

    with _progress() as watch:
        watch("reading the catalogue", 0.0)
        some = load_rows(first.bundle, config, part)
        alike = first.bundle.config.preprocess == second.bundle.config.preprocess
        other = some if alike else load_rows(second.bundle, config, part, first.bundle.config.split)
        watch("comparing", 0.0)
        found = compare_bundles(first, second, some.rows, other.rows, groups=some.families, seed=seed)
        page = write_comparison_report(found, out)
    lines = [
        (name, _figure(row["a"]), _figure(row["b"]), _figure(row["difference"], sign=True), row["better"])
        for name, row in found["metrics"].items()
    ]
    title = f"A {first.bundle.label}, B {second.bundle.label}"
    _print_table(title, lines, ("metric", "A", "B", "B - A, 95% interval", "better"))
    print(f"report:  {page}\nmetrics: {out / 'comparison.json'}")
    return some.failed


def _headlines(metrics: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the table's lines."""
    test = metrics["test"]
    shown = [
        (name, test.get(name)) for name in ("accuracy", "accuracy_tta", "macro_f1", "auroc", "ece", "nll")
    ]
    if "without_near_duplicates" in test:
        shown.append(("accuracy without near-duplicates", test["without_near_duplicates"]["accuracy"]))
    if "text_aligned" in metrics:
        shown.append(("accuracy by words", metrics["text_aligned"]["accuracy"]))
        shown.append(("text to picture P@10", metrics["retrieval"].get("p_at_10")))
    return [
        (name, f"{value['value']:.4f}", "{:.4f} - {:.4f}".format(*value["ci95"]) if value["ci95"] else "")
        for name, value in shown
        if value is not None and value["value"] is not None
    ]


def _figure(metric: dict[str, Any], *, sign: bool = False) -> str:
    """Return one number, and its interval where it is a difference."""
    if metric["value"] is None:
        return "-"
    if not sign:
        return f"{metric['value']:.4f}"
    bounds = metric["ci95"]
    return f"{metric['value']:+.4f}" + (f" ({bounds[0]:+.4f} to {bounds[1]:+.4f})" if bounds else "")


def _print_table(title: str, lines: Sequence[tuple[str, ...]], columns: tuple[str, ...]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left", box=None, pad_edge=False, header_style="dim")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=True)
    for line in lines:
        table.add_row(*line)
    print_table(table)


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """A bar on a terminal, silence elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def watch(stage: str, share: float) -> None:
            bar.update(task, description=stage, completed=share, total=1.0 if share else None)

        yield watch
