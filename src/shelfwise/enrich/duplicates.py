"""The duplicates of an index as a CSV file, in bounded memory."""

from __future__ import annotations

import csv
from pathlib import Path

from shelfwise.errors import DataError
from shelfwise.files import replacing
from shelfwise.search.duplicates import NEAR, duplicates
from shelfwise.search.index import OpenedIndex

COLUMNS = ("kind", "id", "first", "cosine", "title", "first_title")


def list_duplicates(index: Path, out: Path, *, near: float = NEAR) -> tuple[int, int]:
    """Write a row for each product that repeats an earlier one; how many do exactly, and how many nearly."""
    if out.suffix != ".csv":
        raise DataError(f"--duplicates '{out}': expected a .csv file")
    opened = OpenedIndex.open(index)
    products = opened.view.products
    counts = {"exact": 0, "near": 0}
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for found in duplicates(opened.view, near):
            counts[found.kind] += 1
            own, first = products.row(found.row), products.row(found.first)
            writer.writerow(
                [found.kind, own["id"], first["id"], f"{found.cosine:.6f}", own["title"], first["title"]]
            )
    return counts["exact"], counts["near"]
