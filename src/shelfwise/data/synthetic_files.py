"""Constructed reviews as a shop would hand its own over: a CSV file, and a configuration that reads it."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from shelfwise.files import replacing
from shelfwise.schema import Review

COLUMNS = ("id", "product", "category", "title", "text", "rating", "recommended", "time", "constructed")


def write_reviews_csv(reviews: Iterable[Review], path: Path) -> int:
    """Write one row per review, UTF-8, and return how many; `constructed` stands in its own column."""
    rows = 0
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for review in reviews:
            writer.writerow(_cells(review))
            rows += 1
    return rows


def reviews_toml(source: str, how: str) -> str:
    """A configuration of a reviews run for such a file; `how` is the command that made it."""
    return f"""# Written by `{how}`.
# These reviews are constructed: no buyer wrote them, and no figure from them says anything of a product.
task = "reviews"
name = "constructed-reviews"

[data]
source = "{source}"

[data.columns]
id = "id"
product = "product"
title = "title"
text = "text"
rating = "rating"
recommended = "recommended"
time = "time"
constructed = "constructed"

[data.columns.fields]
category = "category"
"""


def _cells(review: Review) -> tuple[str | int | None, ...]:
    return (
        review.id,
        review.product,
        str(review.fields.get("category") or ""),
        review.title,
        review.text,
        review.rating,
        None if review.recommended is None else int(review.recommended),
        None if review.time is None else review.time.isoformat(),
        str(review.constructed).lower(),
    )
