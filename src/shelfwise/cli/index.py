"""`shelfwise index BUNDLE CATALOG --out INDEX`: a catalogue becomes searchable, and stays up to date."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shelfwise.cli import app, data_folders

if TYPE_CHECKING:
    from shelfwise.enrich.index import IndexCounts
    from shelfwise.search.facts import IndexFacts


@app.command()
def index(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder, of products or of pictures with words.")],
    catalog: Annotated[str, typer.Argument(help="A config, a table, or a folder of pictures.")],
    out: Annotated[Path, typer.Option(help="Folder of the index; brought up to date where it is one.")],
    delete_missing: Annotated[
        bool, typer.Option("--delete-missing", help="Take out products that the catalogue has no more.")
    ] = False,
    duplicates: Annotated[
        Path | None, typer.Option(help="List exact and near duplicates in this .csv file.")
    ] = None,
    near: Annotated[
        float, typer.Option(min=0, max=1, help="Cosine from which products are near duplicates.")
    ] = 0.98,
    max_errors: Annotated[
        int, typer.Option(min=0, help="Failed rows to tolerate; more end with exit code 1.")
    ] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use; all when left out.")] = None,
) -> None:
    """Make a catalogue searchable, or bring its index up to date.

    Products that have not changed are not embedded again. A run that was stopped goes on when it is begun
    again; searches see the index as it was until the run has ended."""
    from shelfwise.data.catalog import resolve
    from shelfwise.enrich.index import index_catalog, index_columns
    from shelfwise.predict.embedder import open_embedder

    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    config = resolve(catalog, folders=data_folders())
    embedder = open_embedder(bundle, threads=threads)
    if Path(catalog).is_file() and Path(catalog).suffix not in (".toml", ".json"):
        config = index_columns(embedder.bundle, config)
    with _progress() as watch:
        counts, facts = index_catalog(embedder, config, out, delete_missing=delete_missing, watch=watch)
    _tell(counts, facts, out)
    _tell_odd(out)
    if duplicates is not None:
        from shelfwise.enrich.duplicates import list_duplicates

        exact, alike = list_duplicates(out, duplicates, near=near)
        print(f"{exact:,} exact and {alike:,} near duplicates -> {duplicates}")
    if counts.failed > max_errors:
        print(f"{counts.failed:,} failed, more than --max-errors {max_errors}", file=sys.stderr)
        raise typer.Exit(1)


def _tell(counts: IndexCounts, facts: IndexFacts, out: Path) -> None:
    """What became of the rows, and how searches will go."""
    print(
        f"{counts.rows:,} rows = {counts.ok:,} ok ({counts.embedded:,} embedded, "
        f"{counts.unchanged:,} unchanged) + {counts.failed:,} failed"
    )
    for kind, count in sorted(counts.kinds.items()):
        print(f"  {kind}: {count:,}")
    if counts.errors:
        first = counts.errors[0]
        print(f"  the first: {first if first.row else f'{first.id}: {first.why}'}")
    if counts.deleted:
        print(f"{counts.deleted:,} deleted that the catalogue has no more")
    if counts.kept:
        print(
            f"{counts.kept:,} in the index that the catalogue has no more (--delete-missing takes them out)"
        )
    print(f"{out}: {facts.products:,} products, {facts.dimension} numbers each, by {facts.bundle}")
    if facts.exact:
        print("search is exact: every product that a filter leaves is scored")
        return
    print(f"search is approximate, {facts.reach:,} products scored; recall@10 against exact search:")
    for name, value in facts.recall.items():
        print(f"  {name:<12} {value:.3f}")


def _tell_odd(out: Path) -> None:
    """Fields that one value more or less keeps from being numbers: `price < 50` is refused then."""
    from shelfwise.search.columns import odd_value
    from shelfwise.search.index import OpenedIndex

    view = OpenedIndex.open(out).view
    for name, column in view.columns.items():
        odd = odd_value(column)
        if odd is not None:
            print(
                f"{name} is taken as text: {odd.numbers:,} values are numbers, {odd.texts:,} not, "
                f"the first '{odd.value}' of product '{view.products.row(odd.row)['id']}'; "
                "mend or empty it to order by < and >",
                file=sys.stderr,
            )


@contextmanager
def _progress() -> Iterator[Callable[[IndexCounts], None]]:
    """A line that counts rows on a terminal; a log gets the summary alone."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} rows, {task.fields[embedded]:,} embedded"))
    # The length of a file is known only at its end.
    with Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("index", total=None, embedded=0)
        yield lambda seen: bar.update(task, completed=seen.rows, embedded=seen.embedded)
