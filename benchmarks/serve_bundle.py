"""A products bundle that reads titles by MiniLM, made in a minute: for measuring speed, not answers.

    python benchmarks/serve_bundle.py runs/speed-minilm

The network is that of configs/catalog-minilm.toml, and reads 64 tokens of a title. It learns for one epoch
from a few drawn products, so its answers mean nothing; what they cost is what they cost in any such bundle.
Needs the extras `train` and `text`.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from record import ROOT

from shelfwise.config import ProductsConfig

CONFIG = ROOT / "configs" / "catalog-minilm.toml"
NAME = "speed-minilm"
TOKENS = 64
PRODUCTS = 160
KINDS = ("shirt", "shoe", "bag", "watch")
COLOURS = {"red": (190, 40, 50), "blue": (40, 70, 170), "green": (40, 130, 70)}


def main() -> None:
    """Draw, learn, and say where the bundle is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the run; the bundle is in its folder `bundle`")
    options = parser.parse_args()
    if (options.out / "bundle" / "bundle.json").exists():
        print(f"{options.out / 'bundle'} is there already")
        return
    from shelfwise.train.products import train_products

    with tempfile.TemporaryDirectory() as drawn:
        bundle = train_products(speed_config(draw(Path(drawn), PRODUCTS)), options.out)
    print(f"{bundle.label} in {bundle.path}")


def draw(folder: Path, count: int) -> Path:
    """Write a catalogue of coloured blocks, a shape for each kind; the path of its table."""
    table = folder / "drawn.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "image", "title", "kind", "colour"])
        rng = np.random.default_rng(0)
        for number in range(count):
            kind = number % len(KINDS)
            colour = str(rng.choice(list(COLOURS)))
            pixels = np.full((80, 60, 3), 255, np.uint8)
            top, left = rng.integers(2, 20, 2)
            pixels[top : top + 12 * (kind + 2), left : left + 10 * (5 - kind)] = COLOURS[colour]
            # Noise, and a number in the title, so that no two are taken for one product.
            pixels = np.clip(pixels + rng.normal(0, 25, pixels.shape), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
            writer.writerow(
                [number, f"{number}.png", f"{colour} {KINDS[kind]} {number}", KINDS[kind], colour]
            )
    return table


def speed_config(table: Path) -> ProductsConfig:
    """The shipped configuration, on the drawn table and for one epoch."""
    values: dict[str, Any] = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
    values |= {
        "name": NAME,
        "data": {
            "source": str(table),
            "columns": {
                **{"id": "id", "images": ["image"], "title": "title"},
                "labels": {"kind": "kind", "colour": "colour"},
            },
        },
        "split": {},
        "title": values["title"] | {"max_tokens": TOKENS},
        "targets": {"kind": {"labels": ["kind"]}, "colour": {"labels": ["colour"]}},
        "train": values["train"] | {"epochs": 1, "batch_size": 32, "device": "cpu"},
    }
    return ProductsConfig.model_validate(values)


if __name__ == "__main__":
    main()
