"""`shelfwise predict`: what a bundle says of pictures, or of every row of a catalogue."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shelfwise.cli import app
from shelfwise.errors import DataError

if TYPE_CHECKING:
    from shelfwise.predict import Predictor
    from shelfwise.schema import Prediction

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"}


@app.command()
def predict(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    files: Annotated[list[str], typer.Argument(help="Pictures, or one catalogue together with --out.")],
    out: Annotated[
        Path | None, typer.Option(help="Write a catalogue's answers to this .parquet or .csv file.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")] = False,
    top: Annotated[int, typer.Option(min=1, help="How many labels to show.")] = 3,
    max_errors: Annotated[
        int, typer.Option(min=0, help="Failed rows to put up with before exit code 1.")
    ] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use; all when left out.")] = None,
) -> None:
    """Answer for pictures or a catalogue.

    Pictures may have any size and mode; a catalogue's answers are streamed to a file."""
    from shelfwise.predict import Predictor

    if out is not None and len(files) != 1:
        raise DataError("--out goes with exactly one catalogue")
    predictor = Predictor.load(bundle, threads=threads)
    if out is not None:
        failed = _catalog(predictor, files[0], out, top)
    else:
        failed = _pictures(predictor, files, top, as_json=json_)
    if failed > max_errors:
        print(f"{failed:,} failed, more than --max-errors {max_errors}", file=sys.stderr)
        raise typer.Exit(1)


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
    from rich.console import Console
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
    console = Console()
    # A pipe or a log has no width: rich would take 80 columns and fold every line.
    (console if console.is_terminal else Console(width=200)).print(table)


def _catalog(predictor: Predictor, argument: str, out: Path, top: int) -> int:
    """Stream a catalogue to `out`; how many rows failed."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from shelfwise.predict.stream import predict_catalog

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} rows, {task.fields[failed]:,} failed"))
    # The length of a catalogue is known only at its end; a log gets the summary alone.
    with Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("predict", total=None, failed=0)
        counts = predict_catalog(
            predictor,
            argument,
            out,
            top=top,
            watch=lambda seen: bar.update(task, completed=seen.rows, failed=seen.failed),
        )
    print(f"{counts.rows:,} rows = {counts.ok:,} ok + {counts.failed:,} failed -> {out}")
    for kind, count in sorted(counts.kinds.items()):
        print(f"  {kind}: {count:,}")
    return counts.failed
