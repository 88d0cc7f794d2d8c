"""`shelfwise predict`: what a bundle says of pictures, a product, a review, or of every row of a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shelfwise.cli import app
from shelfwise.cli.printed import print_table
from shelfwise.errors import DataError

if TYPE_CHECKING:
    from shelfwise.predict import Predictor
    from shelfwise.predict.answer_files import Counts
    from shelfwise.predict.onnx_backend import Precision
    from shelfwise.schema import Prediction

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"}


@app.command()
def predict(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Pictures; or one catalogue or reviews file, together with --out."),
    ] = None,
    text: Annotated[str | None, typer.Option(help="A review's text, of a reviews bundle.")] = None,
    title: Annotated[str | None, typer.Option(help="Its headline; or a product's title.")] = None,
    labels: Annotated[
        str | None, typer.Option(help="Products: names to choose from, learned or not, with commas.")
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Products: one of the shop's own columns, e.g. price=9.5."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write a file's answers to this .parquet or .csv file.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")] = False,
    top: Annotated[int, typer.Option(min=1, help="Answers to show to each question.")] = 3,
    int8: Annotated[
        bool, typer.Option("--int8", help="Use the 8-bit networks, which are faster and about as good.")
    ] = False,
    max_errors: Annotated[
        int, typer.Option(min=0, help="Failed rows to tolerate; more end with exit code 1.")
    ] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use; all when left out.")] = None,
) -> None:
    """Answer for pictures, a product, a review, or a whole file.

    Pictures may have any size and mode; a products bundle takes them as those of one product. A file's
    answers are streamed to another."""
    from shelfwise.bundle import ProductsBundle, ReviewsBundle, open_bundle

    opened, files = open_bundle(bundle), files or []
    precision: Precision = "int8" if int8 else "fp32"
    if out is not None and len(files) != 1:
        raise DataError("--out goes with exactly one catalogue or reviews file")
    if labels is not None and not isinstance(opened, ProductsBundle):
        raise DataError(f"'{bundle}' is a {opened.meta.task} bundle: --labels is for products bundles")
    if field and not isinstance(opened, ProductsBundle):
        raise DataError(f"'{bundle}' is no products bundle: --field is for these")
    if isinstance(opened, ReviewsBundle):
        from shelfwise.cli.predict_reviews import answer_reviews

        failed = answer_reviews(
            opened,
            files,
            text,
            title,
            out,
            as_json=json_,
            threads=threads,
            precision=precision,
        )
    elif isinstance(opened, ProductsBundle):
        if text is not None:
            raise DataError(f"'{bundle}' is a products bundle: --text is for reviews bundles")
        from shelfwise.cli.predict_products import answer_products

        failed = answer_products(
            opened,
            files,
            title,
            out,
            fields=field or [],
            as_json=json_,
            threads=threads,
            precision=precision,
            top=top,
            labels=labels,
        )
    else:
        _refuse_review_options(bundle, text, title, files)
        from shelfwise.predict import Predictor
        from shelfwise.predict.onnx_backend import OnnxBackend

        predictor = Predictor(opened, OnnxBackend(opened, threads, precision))
        failed = (
            _pictures(predictor, files, top, as_json=json_)
            if out is None
            else _catalog(predictor, files[0], out, top)
        )
    if failed > max_errors:
        print(f"{failed:,} failed, more than --max-errors {max_errors}", file=sys.stderr)
        raise typer.Exit(1)


def _refuse_review_options(bundle: Path, text: str | None, title: str | None, files: list[str]) -> None:
    """DataError where a pictures bundle is asked what only a reviews bundle can answer, or nothing."""
    for name, given, others in (("--text", text, "reviews"), ("--title", title, "products and reviews")):
        if given is not None:
            raise DataError(f"'{bundle}' is a pictures bundle: {name} is for {others} bundles")
    if not files:
        raise DataError(f"'{bundle}' is a pictures bundle: name pictures, or a catalogue and --out")


def _pictures(predictor: Predictor, files: list[str], top: int, *, as_json: bool) -> int:
    """Print the answers for picture files; how many failed."""
    from shelfwise.schema import Picture, Product

    other = [file for file in files if Path(file).suffix.lower() not in PICTURES and Path(file).is_file()]
    if any(Path(file).suffix.lower() in {".csv", ".parquet", ".jsonl", ".toml", ".json"} for file in other):
        raise DataError(f"'{other[0]}' is a catalogue: add --out FILE.parquet or --out FILE.csv")
    products = [Product(id=file, images=(Picture(path=file),)) for file in files]
    answers = predictor.predict(products, top=top)
    if as_json:
        for answer in answers:
            print(answer.model_dump_json())
    else:
        _table(answers)
    return sum(answer.status == "failed" for answer in answers)


def _table(answers: list[Prediction]) -> None:
    """A short table on the terminal."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("file", "answer", "probability", "then", "remarks"):
        table.add_column(heading, justify="right" if heading == "probability" else "left", overflow="fold")
    for answer in answers:
        if answer.status == "failed":
            table.add_row(escape(answer.id), "failed", "", "", escape(answer.error or ""))
            continue
        then = ", ".join(f"{score.label} {score.probability:.1%}" for score in answer.top[1:])
        probability = f"{answer.probability:.1%}" if answer.probability is not None else ""
        table.add_row(
            escape(answer.id),
            escape(answer.label or ""),
            probability,
            escape(then),
            ", ".join(answer.warnings),
        )
    print_table(table)


def _catalog(predictor: Predictor, argument: str, out: Path, top: int) -> int:
    """Stream a catalogue to `out`; how many rows failed."""
    from shelfwise.predict.stream import predict_catalog

    with progress("rows") as watch:
        counts = predict_catalog(predictor, argument, out, top=top, watch=watch)
    return tell_counts(counts, out)


@contextmanager
def progress(what: str) -> Iterator[Callable[[Counts], None]]:
    """A line that counts rows on a terminal; a log gets the summary alone."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn(f"{{task.completed:,.0f}} {what}, {{task.fields[failed]:,}} failed"),
    )
    # The length of a file is known only at its end.
    with Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("predict", total=None, failed=0)
        yield lambda seen: bar.update(task, completed=seen.rows, failed=seen.failed)


def tell_counts(counts: Counts, out: Path) -> int:
    """Say what became of a file's rows; how many failed."""
    print(f"{counts.rows:,} rows = {counts.ok:,} ok + {counts.failed:,} failed -> {out}")
    for kind, count in sorted(counts.kinds.items()):
        print(f"  {kind}: {count:,}")
    return counts.failed
