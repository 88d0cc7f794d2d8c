"""The Parquet tables of a review summary: one row a review with its texts and evidence, one row a product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from shelfwise.schema import AspectSummary, Opinion, ProductSummary, Review, ReviewPrediction

GROUP = 8192
"""Rows in a row group of reviews: what is held back before it is written."""

_TEXT, _NUMBER, _WHOLE = pa.string(), pa.float64(), pa.int32()
OPINION = pa.struct(
    [
        ("aspect", _TEXT),
        ("polarity", _TEXT),
        ("quote", _TEXT),
        ("part", _TEXT),
        ("start", _WHOLE),
        ("end", _WHOLE),
        ("probability", _NUMBER),
        ("term", _TEXT),
    ]
)
"""An opinion as in `schema.Opinion`; `start` and `end` count characters of the row's `title` or `text`."""
REVIEWS = pa.schema(
    [
        ("id", _TEXT),
        ("product", _TEXT),
        ("status", _TEXT),
        ("given_rating", pa.int8()),
        ("given_recommended", pa.bool_()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("stars", _NUMBER),
        ("rating", pa.int8()),
        ("sentiment", _TEXT),
        ("recommended", _NUMBER),
        ("opinions", pa.list_(OPINION)),
        ("title", _TEXT),
        ("text", _TEXT),
        ("constructed", pa.bool_()),
        ("warnings", pa.list_(_TEXT)),
        ("error", _TEXT),
        ("error_kind", _TEXT),
        ("bundle", _TEXT),
    ]
)
"""`given_...` and `time` are the buyer's; `stars` to `opinions` the bundle's, as in `ReviewPrediction`. Texts
are cleaned ones; of a row that could not be read they are null."""
_PREDICTED = ("status", "stars", "rating", "sentiment", "recommended", "error", "error_kind", "bundle")


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """One row of the table: a review, unless it could not be read, and what the bundle says of it."""

    review: Review | None
    prediction: ReviewPrediction
    warnings: tuple[str, ...] = ()
    """Of the reader; the bundle's own are in the prediction."""


class ReviewsWriter:
    """Writes rows to a Parquet file in groups of `GROUP`; close it with `with`."""

    def __init__(self, path: Path) -> None:
        self._writer = parquet.ParquetWriter(path, REVIEWS)
        self._waiting: list[pa.Table] = []

    def write(self, rows: Sequence[ReviewRow]) -> None:
        """Add rows, which may stay in memory until there are enough of them."""
        self._waiting.append(reviews_table(rows))
        if sum(table.num_rows for table in self._waiting) >= GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
            self._waiting = []

    def __enter__(self) -> ReviewsWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._writer.close()


def reviews_table(rows: Sequence[ReviewRow]) -> pa.Table:
    """Return rows as a table of the schema `REVIEWS`; made by columns, which is much faster than by rows."""
    reviews = [row.review for row in rows]
    predictions = [row.prediction for row in rows]
    columns: dict[str, Any] = {
        "id": [prediction.id for prediction in predictions],
        "product": [prediction.product for prediction in predictions],
        "given_rating": _column(reviews, "rating"),
        "given_recommended": _column(reviews, "recommended"),
        "time": _column(reviews, "time"),
        "title": _column(reviews, "title"),
        "text": _column(reviews, "text"),
        "constructed": _column(reviews, "constructed"),
        "warnings": [[*row.warnings, *row.prediction.warnings] for row in rows],
        "opinions": _opinions([prediction.opinions for prediction in predictions]),
    }
    for name in _PREDICTED:
        columns[name] = [getattr(prediction, name) for prediction in predictions]
    return pa.table([pa.array(columns[field.name], field.type) for field in REVIEWS], schema=REVIEWS)


def _column(reviews: Sequence[Review | None], name: str) -> list[Any]:
    return [None if review is None else getattr(review, name) for review in reviews]


def _opinions(found: Sequence[tuple[Opinion, ...]]) -> pa.ListArray:
    """Return lists of structs, made of flat columns."""
    ends = [0]
    for opinions in found:
        ends.append(ends[-1] + len(opinions))
    flat = [opinion for opinions in found for opinion in opinions]
    fields = [pa.array([getattr(o, field.name) for o in flat], field.type) for field in OPINION]
    structs = pa.StructArray.from_arrays(fields, fields=list(OPINION))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), structs)


def products_schema(aspects: Sequence[str]) -> pa.Schema:
    """Return the columns of the products' table: those of `ProductSummary`, and six for each aspect.

    `fit_mentions`, `fit_share_positive` (null where suppressed) and its interval `fit_low` to `fit_high`;
    `fit_change` is that of the later half of the reviews, `fit_change_flagged` whether its interval
    excludes 0."""
    whole = ("reviews", "failed", "constructed", *(f"given_{star}" for star in range(1, 6)))
    means = ("given_mean", "stars", "stars_low", "stars_high", "negative", "neutral", "positive")
    fields = [("product", _TEXT), *((name, pa.int64()) for name in whole)]
    fields += [(name, _NUMBER) for name in (*means, "recommended", "recommended_given")]
    fields += [
        ("contradictions", pa.int64()),
        ("stars_change", _NUMBER),
        ("stars_change_flagged", pa.bool_()),
    ]
    for aspect in aspects:
        fields += [(f"{aspect}_mentions", pa.int64()), (f"{aspect}_share_positive", _NUMBER)]
        fields += [(f"{aspect}_{name}", _NUMBER) for name in ("low", "high", "change")]
        fields.append((f"{aspect}_change_flagged", pa.bool_()))
    return pa.schema(fields)


def product_row(summary: ProductSummary) -> dict[str, Any]:
    """Return one product as a row of the schema `products_schema`; a column that is absent is null."""
    row: dict[str, Any] = summary.model_dump(
        include={
            *(
                "product",
                "reviews",
                "failed",
                "constructed",
                "given_mean",
                "stars",
                "stars_low",
                "stars_high",
            ),
            *("recommended", "recommended_given", "contradictions"),
        }
    )
    row.update({f"given_{star}": count for star, count in enumerate(summary.given, 1)})
    row.update({str(name): share for name, share in summary.sentiment.items()})
    if summary.change is not None:
        row.update(stars_change=summary.change.difference, stars_change_flagged=summary.change.flagged)
    for aspect in summary.aspects:
        row.update(_aspect_columns(aspect))
    return row


def _aspect_columns(aspect: AspectSummary) -> dict[str, Any]:
    change = aspect.change
    values = {
        "mentions": aspect.mentions,
        "share_positive": aspect.share_positive,
        "low": aspect.low,
        "high": aspect.high,
        "change": None if change is None else change.difference,
        "change_flagged": None if change is None else change.flagged,
    }
    return {f"{aspect.aspect}_{name}": value for name, value in values.items()}
