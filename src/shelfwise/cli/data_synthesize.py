"""`shelfwise data synthesize --out DIR`: constructed reviews, a config that reads them, constructed pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shelfwise.cli import data_app
from shelfwise.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shelfwise.data.pairs import Pairs
    from shelfwise.schema import Review


@data_app.command("synthesize")
def data_synthesize(
    out: Annotated[Path, typer.Option(help="Folder for reviews.csv, reviews.toml and pairs.parquet.")],
    reviews: Annotated[int, typer.Option(min=1, help="How many reviews.")] = 1_000,
    pairs: Annotated[int, typer.Option(min=0, help="How many picture-review pairs; 0 for none.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of all random choices.")] = 0,
    noise: Annotated[
        float, typer.Option(min=0, max=1, help="Share of reviews with typos and another star level's text.")
    ] = 0.0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
) -> None:
    """Make constructed reviews and pairs.

    They are for trying things out: no buyer wrote them, and no figure from them is one of products."""
    from shelfwise.data.pair_tables import write_pairs
    from shelfwise.data.synthetic_files import reviews_toml, write_reviews_csv
    from shelfwise.data.synthetic_reviews import synthetic_reviews
    from shelfwise.files import replacing

    table, config, joined = (out / name for name in ("reviews.csv", "reviews.toml", "pairs.parquet"))
    _refuse_existing([table, config, joined] if pairs else [table, config], force)
    made = list(synthetic_reviews(reviews, seed=seed, noise=noise))
    matched = _pairs(made, pairs, seed) if pairs else None  # or fail now, before anything is written
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_reviews_csv(made, table)
        with replacing(config) as partial:
            how = f"shelfwise data synthesize --reviews {reviews} --seed {seed} --noise {noise:g}"
            partial.write_text(reviews_toml(table.name, how), encoding="utf-8")
        if matched is not None:
            write_pairs(matched, joined)
    except OSError as error:
        raise DataError(f"'{out}' cannot be written: {error}") from None
    print(f"{table}: {len(made):,} constructed reviews")
    print(f"{config}: reads them; for `shelfwise train`")
    if matched is not None:
        print(f"{joined}: {len(matched):,} constructed pairs of Fashion-MNIST's training pictures and these")
        print(
            "  reviews, by category: the text carries the label, so no accuracy from them is one of products"
        )
    elif pairs:
        print(f"{joined}: left out, because Fashion-MNIST is not on this machine;")
        print("  run `shelfwise data get fashion-mnist`, then this again with --force")


def _refuse_existing(paths: Sequence[Path], force: bool) -> None:
    """A shop's own reviews.csv must not be lost to constructed ones."""
    found = next((path for path in paths if path.exists()), None)
    if found is not None and not force:
        raise DataError(f"'{found}' exists; choose another --out, or --force to overwrite it")


def _pairs(reviews: Sequence[Review], count: int, seed: int) -> Pairs | None:
    """Pairs with Fashion-MNIST's training pictures; None where these would have to be downloaded."""
    from shelfwise.data import fashion_mnist
    from shelfwise.data.pairs import constructed_pairs

    try:
        place = fashion_mnist.locate(addresses=())
    except DataError:
        return None
    return constructed_pairs(fashion_mnist.load("train", place), reviews, count, seed)
