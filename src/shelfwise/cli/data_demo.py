"""`shelfwise data demo --out DIR`: a generated shop to try things on, with Fashion-MNIST's pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shelfwise.cli import data_app


@data_app.command("demo")
def data_demo(
    out: Annotated[Path, typer.Option(help="Folder for products.csv, images, reviews.csv and a README.txt.")],
    products: Annotated[int, typer.Option(min=1, help="How many listings.")] = 600,
    seed: Annotated[int, typer.Option(help="Seed of all random choices.")] = 0,
    folder: Annotated[Path | None, typer.Option(help="Look here first for Fashion-MNIST.")] = None,
) -> None:
    """Make a demo shop.

    Pictures are Fashion-MNIST's test rows; titles, fields and reviews are generated, and some trouble is
    planted. A second run does no work twice, and one that was interrupted goes on where it was."""
    from shelfwise.data import fashion_mnist
    from shelfwise.data.demo_files import finished, write_demo_shop

    if finished(out, products=products, seed=seed):
        print(f"{out}: the demo shop is there already")
        return
    write_demo_shop(out, fashion_mnist.load("test", folder), products=products, seed=seed)
    print(f"{out}: {products:,} generated listings with pictures, and constructed reviews of them")
    print(f"{out / 'README.txt'} says what is made up and what is planted")
