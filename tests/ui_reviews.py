"""A file of constructed reviews, as a shop has them."""

from __future__ import annotations

import csv
import io

from shelfwise.data.synthetic_reviews import synthetic_reviews


def csv_of(count: int) -> bytes:
    """`count` reviews with columns as in the women's clothing set."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["Clothing ID", "Title", "Review Text", "Rating"])
    for review in synthetic_reviews(count, seed=9):
        writer.writerow([review.product, review.title, review.text, review.rating])
    return file.getvalue().encode()
