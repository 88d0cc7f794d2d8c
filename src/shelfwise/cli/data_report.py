"""`shelfwise data report SOURCE --out DIR`: what is in a catalogue, or in a file of reviews, as a page."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shelfwise.cli import data_app, data_folders
from shelfwise.errors import ConfigError

if TYPE_CHECKING:
    from shelfwise.config import ReviewData


@data_app.command("report")
def report(
    catalog: Annotated[
        str,
        typer.Argument(
            help="A config, a table of products or reviews, a folder of pictures, or fashion-mnist."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for report.html, report.json and the plots.")],
    target: Annotated[
        str | None, typer.Option(help="The label to look at most closely; the config's own when unset.")
    ] = None,
    max_errors: Annotated[int, typer.Option(help="Exit with 1 when more rows than this fail.", min=0)] = 0,
) -> None:
    """Report on a catalogue or on reviews.

    Of products: classes, pictures, texts, duplicates, splits and likely label errors. Of reviews: stars,
    lengths, words, products, flags and what cleaning does. As a page and as JSON."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    reviews = _reviews_of(catalog)
    if reviews is None:
        facts, text = _report_catalog(catalog, out, target)
    elif target is None:
        facts, text = _report_reviews(reviews, out)
    else:
        raise ConfigError(
            f"--target {target!r}: '{catalog}' has reviews, and these have no labels; leave it out"
        )
    print(text)
    print(f"report: {out / 'report.html'} (every number: {out / 'report.json'})")
    if facts["rows"]["failed"] > max_errors:
        print(
            f"{facts['rows']['failed']:,} rows failed, more than --max-errors {max_errors}", file=sys.stderr
        )
        raise typer.Exit(1)


def _reviews_of(argument: str) -> ReviewData | None:
    """The reviews that the argument means, by the config's task or the table's columns; None for products."""
    from shelfwise.config import ReviewsConfig, load_run
    from shelfwise.data.inspect import inspect_file
    from shelfwise.data.suggest_reviews import is_reviews, resolve_reviews

    path = Path(argument)
    if path.suffix in (".toml", ".json"):
        run = load_run(path, folders=data_folders())
        return run.data if isinstance(run, ReviewsConfig) else None
    if argument == "fashion-mnist" or path.is_dir() or not is_reviews(inspect_file(path)):
        return None
    return resolve_reviews(argument)


def _report_reviews(data: ReviewData, out: Path) -> tuple[dict[str, Any], str]:
    from shelfwise.reports.review_data_report import summary, write_review_data_report

    out.mkdir(parents=True, exist_ok=True)  # or fail now, and not after the work
    with _progress() as progress:
        facts = write_review_data_report(data, out, progress=progress)
    return facts, summary(facts)


def _report_catalog(catalog: str, out: Path, target: str | None) -> tuple[dict[str, Any], str]:
    from shelfwise.config import ReviewsConfig, SplitConfig, load_run
    from shelfwise.data.catalog import columns_of, resolve
    from shelfwise.reports.data_page import summary
    from shelfwise.reports.data_report import write_data_report

    config, split = resolve(catalog, folders=data_folders()), SplitConfig()
    if target is not None:
        known = columns_of(config).labels
        if config.source != "fashion-mnist" and target not in known:
            names = ", ".join(known) or "none"
            raise ConfigError(f"--target {target!r} is not a label of '{catalog}'; it has: {names}")
        config = config.model_copy(update={"target": target})
    if Path(catalog).suffix in (".toml", ".json"):
        run = load_run(Path(catalog), folders=data_folders())
        assert not isinstance(run, ReviewsConfig)  # `resolve` refuses them
        split = run.split
    out.mkdir(parents=True, exist_ok=True)  # or fail now, and not after the work
    with _progress() as progress:
        facts = write_data_report(config, out, split=split, progress=progress)
    return facts, summary(facts)


@contextmanager
def _progress() -> Iterator[Callable[[str, int], None]]:
    """A line that counts rows by stage: live on a terminal, else one line per stage."""
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status("reading") as status:
            yield lambda stage, rows: status.update(f"{stage}: {rows:,} rows")
        return
    stages: set[str] = set()

    def say(stage: str, rows: int) -> None:
        if stage not in stages:
            stages.add(stage)
            print(f"{stage} ...", file=sys.stderr, flush=True)

    yield say
