"""`shelfwise reviews embed REVIEWS --out STORE`: a vector of every review, by any text encoder."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shelfwise.cli import data_folders, reviews_app

if TYPE_CHECKING:
    import pyarrow as pa

    from shelfwise.config import ReviewData
    from shelfwise.enrich.embed import Progress
    from shelfwise.schema import RowError
    from shelfwise.store import Artifact, ArtifactStore

PRODUCER = "shelfwise reviews embed"
ROWS = 65_536


class Precision(StrEnum):
    """What the encoder computes in."""

    fp32 = "fp32"
    bf16 = "bf16"
    int8 = "int8"


class Pooling(StrEnum):
    """What becomes of the vectors of a text's tokens."""

    mean = "mean"
    first = "first"


@reviews_app.command("embed")
def reviews_embed(
    reviews: Annotated[str, typer.Argument(help="A reviews config, or a CSV, Parquet or JSONL file.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the ArtifactStore to write to.")],
    encoder: Annotated[
        str, typer.Option(help="minilm, a folder with a checkpoint, or an id of the Hugging Face hub.")
    ] = "minilm",
    name: Annotated[str, typer.Option(help="Name of the array; NAME_rows and more stand beside it.")] = (
        "embeddings"
    ),
    precision: Annotated[
        Precision, typer.Option(help="fp32 or bf16 by torch, int8 by onnxruntime.")
    ] = Precision.fp32,
    pooling: Annotated[
        Pooling, typer.Option(help="The mean of all tokens' vectors, or the first one.")
    ] = Pooling.mean,
    normalize: Annotated[bool, typer.Option("--normalize", help="Make every vector unit length.")] = False,
    max_tokens: Annotated[
        int | None, typer.Option(min=8, help="Cut longer reviews; 256, or what the encoder reads.")
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Begin anew, not where an earlier run was stopped.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace vectors of this name.")] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use; all when left out.")] = None,
    max_errors: Annotated[
        int, typer.Option(min=0, help="Unreadable rows to tolerate; more end with exit code 1.")
    ] = 0,
) -> None:
    """Turn reviews into vectors.

    Row i of the array NAME is the review in row i of the table NAME_rows. A run that was stopped goes on
    where it was when it is begun again."""
    embed_texts = _embed_function(threads)
    from shelfwise.data.suggest_reviews import resolve_reviews
    from shelfwise.errors import StoreError
    from shelfwise.store import ArtifactStore

    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    store = ArtifactStore(out)
    if name in store and not overwrite:
        raise StoreError(f"'{out}' has an array '{name}' already; give another --name, or say --overwrite")
    reading = _Reading(resolve_reviews(reviews, folders=data_folders()))
    with _progress() as watch:
        artifact = embed_texts(
            reading.texts(),
            encoder=encoder,
            store=store,
            name=name,
            precision=precision.value,
            pooling=pooling.value,
            normalize=normalize,
            max_tokens=max_tokens,
            resume=not anew,
            overwrite=overwrite,
            threads=threads,
            watch=watch,
            before_commit=lambda _: reading.keep(store, name),
        )
    _summary(reading, store, artifact)
    if reading.failed > max_errors:
        print(f"{reading.failed:,} failed, more than --max-errors {max_errors}", file=sys.stderr)
        raise typer.Exit(1)


def _embed_function(threads: int | None) -> Callable[..., Artifact]:
    """`enrich.embed.embed_texts`, or a clear word on what to install."""
    from shelfwise.errors import MissingExtraError

    try:
        import torch

        from shelfwise.enrich.embed import embed_texts
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", "train") from None
    if threads is not None:
        torch.set_num_threads(threads)
    return embed_texts


@dataclass
class _Reading:
    """The texts of a reviews file, and which review each one is."""

    config: ReviewData
    kinds: Counter[str] = field(default_factory=Counter)
    first_error: RowError | None = None
    _batches: list[pa.RecordBatch] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Rows that could not be read."""
        return self.kinds.total()

    def texts(self) -> Iterator[str]:
        """What a model reads of each review, in file order."""
        from shelfwise.data.review_tokens import review_text
        from shelfwise.data.reviews import read_reviews
        from shelfwise.schema import Review, RowError

        keys: list[tuple[str, str | None]] = []
        for row in read_reviews(self.config):
            if isinstance(row, RowError):
                self.kinds[row.kind] += 1
                self.first_error = self.first_error or row
            elif isinstance(row, Review):
                keys.append((row.id, row.product))
                if len(keys) == ROWS:
                    self._pack(keys)
                yield review_text(row)
        self._pack(keys)

    def _pack(self, keys: list[tuple[str, str | None]]) -> None:
        """Move keys to where they take a fraction of the memory."""
        import pyarrow as pa

        columns = [pa.array([key[i] for key in keys], pa.string()) for i in range(2)]
        self._batches.append(pa.record_batch(columns, ["id", "product"]))
        keys.clear()

    def keep(self, store: ArtifactStore, name: str) -> None:
        """Write which review each row is, and how the reading went."""
        import pyarrow as pa

        table = pa.Table.from_batches(self._batches)
        store.write_table(f"{name}_rows", table, producer=PRODUCER, overwrite=True)
        facts = {
            "source": self.config.source,
            "reviews": table.num_rows + self.failed,
            "failed": self.failed,
            "kinds": dict(sorted(self.kinds.items())),
        }
        store.write_json(f"{name}_source", facts, producer=PRODUCER, overwrite=True)


def _summary(reading: _Reading, store: ArtifactStore, artifact: Artifact) -> None:
    """What was read, what was written, and what the encoder did not see."""
    rows, width = artifact.shape
    print(f"{rows + reading.failed:,} reviews = {rows:,} ok + {reading.failed:,} failed")
    for kind, count in sorted(reading.kinds.items()):
        print(f"  {kind}: {count:,}")
    if reading.first_error is not None:
        print(f"  the first: {reading.first_error}")
    print(f"{artifact.name}: {rows:,} x {width:,} {artifact.dtype} in {store.root}")
    recipe = store.read_json(f"{artifact.name}_recipe")
    if recipe["cut_texts"]:
        print(
            f"{recipe['cut_texts']:,} reviews ({recipe['cut_texts_share']:.1%}) are longer than "
            f"{recipe['max_tokens']} tokens and were cut: {recipe['cut_tokens_share']:.1%} of all tokens"
        )


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A line on a terminal; the length of a file is known only at its end, and a log gets the summary."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} reviews"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("embed", total=None)
        yield lambda seen: bar.update(task, completed=seen.texts)
