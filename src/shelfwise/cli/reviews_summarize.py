"""`shelfwise reviews summarize BUNDLE REVIEWS --out DIR`: what buyers say, as tables, JSON and a page."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shelfwise.cli import data_folders, reviews_app
from shelfwise.cli.printed import print_table

if TYPE_CHECKING:
    from shelfwise.data.catalog import ReadCount
    from shelfwise.enrich.summarize import Summary


@reviews_app.command("summarize")
def reviews_summarize(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder, of a reviews run.")],
    reviews: Annotated[str, typer.Argument(help="A reviews config, or a CSV, Parquet or JSONL file.")],
    out: Annotated[
        Path,
        typer.Option(help="Folder for report.html, summary.json, products.parquet and reviews.parquet."),
    ],
    min_mentions: Annotated[
        int, typer.Option(min=1, help="Show no share of an aspect with fewer mentions.")
    ] = 5,
    json_: Annotated[
        bool, typer.Option("--json", help="Print the whole catalogue's summary as JSON, not as a table.")
    ] = False,
    int8: Annotated[
        bool, typer.Option("--int8", help="Use the 8-bit networks, about twice as fast.")
    ] = False,
    max_errors: Annotated[
        int, typer.Option(min=0, help="Failed rows to tolerate; more end with exit code 1.")
    ] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use; all when left out.")] = None,
) -> None:
    """Sum up what buyers say, product by product.

    Every review is read by the bundle; shares come with intervals, opinions with the buyers' own words."""
    from shelfwise.data.suggest_reviews import resolve_reviews
    from shelfwise.enrich.summarize import summarize
    from shelfwise.predict.reviews import ReviewPredictor
    from shelfwise.reports.reviews_report import write_reviews_report  # or say now that an extra is missing

    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    predictor = ReviewPredictor.load(bundle, threads=threads, precision="int8" if int8 else "fp32")
    data = resolve_reviews(reviews, folders=data_folders())
    with _progress() as watch:
        summary = summarize(predictor, data, out, min_mentions=min_mentions, watch=watch)
    write_reviews_report(summary, out)
    if json_:
        print(summary.catalogue.model_dump_json())
    else:
        _tell(summary, out)
    failed = summary.counts.failed - summary.counts.errors["empty_text"]  # nothing to read is no failure
    if failed > max_errors:
        print(f"{failed:,} failed, more than --max-errors {max_errors}", file=sys.stderr)
        raise typer.Exit(1)


def _tell(summary: Summary, out: Path) -> None:
    """The counts, a short table of aspects, and where everything is."""
    counts, whole = summary.counts, summary.catalogue
    print(f"{counts.rows:,} rows = {counts.ok:,} ok + {counts.failed:,} failed")
    for kind, count in {**counts.warnings, **counts.errors}.items():
        print(f"  {kind}: {count:,}")
    if whole.constructed:
        print(f"{whole.constructed:,} of the reviews are constructed: no figure says anything of a product")
    if whole.stars is not None:
        given = "" if whole.given_mean is None else f"; given {whole.given_mean:.2f}"
        print(f"expected stars {whole.stars:.2f}{given}; {whole.contradictions:,} contradict their stars")
    if whole.aspects:
        _table(summary)
    print(f"page: {out / 'report.html'} (every number: {out / 'summary.json'})")
    print(f"tables: {out / 'reviews.parquet'}, {out / 'products.parquet'}")


def _table(summary: Summary) -> None:
    """One line an aspect."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("aspect", "mentions", "praise", "95% interval", "buyers say"):
        table.add_column(heading, justify="left" if heading in ("aspect", "buyers say") else "right")
    for aspect in summary.catalogue.aspects:
        share, low, high = aspect.share_positive, aspect.low, aspect.high
        told = share is not None and low is not None and high is not None
        liked = share is None or share >= 0.5
        quotes = aspect.praise or aspect.blame if liked else aspect.blame or aspect.praise
        table.add_row(
            escape(aspect.aspect),
            f"{aspect.mentions:,}",
            f"{share:.0%}" if told else "too few",
            f"{low:.0%} - {high:.0%}" if told else "",
            escape(f'"{quotes[0].text}"') if quotes else "",
        )
    print_table(table)


@contextmanager
def _progress() -> Iterator[Callable[[ReadCount], None]]:
    """A line that counts rows on a terminal; a log gets the summary alone."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} reviews, {task.fields[failed]:,} failed"))
    # The length of the file is known only at its end.
    with Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("read", total=None, failed=0)
        yield lambda seen: bar.update(task, completed=seen.rows, failed=seen.failed)
