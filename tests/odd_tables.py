"""Odd tables as shops write them, and what `shelfwise data inspect` says of one."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drawn import KINDS, draw_garment, title_of
from typer.testing import CliRunner, Result

from shelfwise.cli import app

Cells = dict[str, Any]
ROWS = 80
DEPARTMENTS = {"shirt": "clothes", "trousers": "clothes", "shoe": "shoes & bags", "bag": "shoes & bags"}
MATERIALS = (["cotton", "wool"], ["wool", "farmer's linen"], ["silk"], ["cotton", "silk"])


def table(path: Path, row: Callable[[int], Cells], *, delimiter: str = ",", pictures: bool = False) -> Path:
    """A table of so many rows, and the pictures 0.png and so on beside it."""
    rows = [row(i) for i in range(ROWS)]
    if pictures:
        for i in range(ROWS):
            draw_garment(KINDS[i % 4], i, 24).save(path.parent / f"{i}.png")
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(cells) + "\n" for cells in rows), encoding="utf-8")
        return path
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def product(i: int) -> Cells:
    """A product's id and title."""
    return {"id": f"p{i}", "title": title_of(KINDS[i % 4], i)}


def kind(i: int) -> Cells:
    """The label that goes with its title."""
    return {"type": KINDS[i % 4]}


def german(i: int) -> Cells:
    """A product as a German shop writes it: decimal commas, one of them before a unit."""
    price = f"{(19, 29, 39, 49, 59)[i % 5]},{(90, 95, 99)[i % 3]}"
    sizes = {"groesse": f"{36 + i % 5},5", "preis": price, "breite": f"{i % 5},{i % 2 * 5} cm"}
    return {"id": f"p{i}", "titel": title_of(KINDS[i % 4], i), "typ": KINDS[i % 4], **sizes}


def inspected(path: Path, *more: str) -> Result:
    """What the command says of a table; its config is written beside it."""
    out = path.with_suffix(".toml")
    return CliRunner().invoke(app, ["data", "inspect", str(path), "--out", str(out), "--force", *more])
