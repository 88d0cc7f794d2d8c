"""A shop's reviews through a reviews bundle: what buyers say, as tables, JSON, and a summary for the page.

`summarize(predictor, data, folder)` writes

    reviews.parquet      one row a review, in the order of the file (`review_tables.REVIEWS`)
    products.parquet     one row a product, most reviewed first (`review_tables.products_schema`)
    summary.json         format, bundle, domain, source, rows (rows, ok, failed, errors, warnings),
                         min_mentions, unassigned, products_total; catalogue and products, each as in
                         `schema.ProductSummary`
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

import pyarrow as pa
from pyarrow import parquet

from shelfwise.config import ReviewData
from shelfwise.data.catalog import ReadCount
from shelfwise.data.reviews import read_reviews
from shelfwise.enrich.review_tables import ReviewRow, ReviewsWriter, product_row, products_schema
from shelfwise.errors import DataError
from shelfwise.files import replacing
from shelfwise.reviews.rollup import MIN_MENTIONS, Rollup
from shelfwise.schema import ProductSummary, Review, ReviewPrediction, RowError, RowWarning

FORMAT = 1
CHUNK = 512
"""Reviews given to the predictor at once."""
LISTED = 200
"""Products, most reviewed first, that the summary holds; the files have them all."""
FAILURES = 20
"""Failed rows that the summary holds."""
FILES = ("reviews.parquet", "products.parquet", "summary.json")

Item = tuple[Review | RowError, tuple[str, ...]]
"""What one row of the file became, and the kinds of its warnings."""


@runtime_checkable
class Labelled(Protocol):
    """What is asked of a bundle."""

    @property
    def label(self) -> str:
        """Name and version."""

    @property
    def info(self) -> dict[str, Any]:
        """How it was trained; `source` is its domain."""


@runtime_checkable
class ReviewReader(Protocol):
    """What is asked of a predictor, such as `predict.reviews.ReviewPredictor`."""

    @property
    def bundle(self) -> Labelled:
        """Who answers."""

    def predict(self, reviews: Sequence[Review]) -> list[ReviewPrediction]:
        """One answer for each review, in their order."""


@dataclass(frozen=True)
class Summary:
    """What buyers say, as far as a page can hold it."""

    bundle: str
    domain: str
    """What the bundle was trained on."""
    source: str
    counts: ReadCount
    """Rows in = rows ok + rows failed."""
    failures: tuple[ReviewPrediction, ...]
    """The first rows that failed."""
    min_mentions: int
    unassigned: int
    """Reviews without a product."""
    products_total: int
    catalogue: ProductSummary
    products: tuple[ProductSummary, ...]
    """The most reviewed ones."""
    seconds: float


def summarize(
    predictor: ReviewReader,
    data: ReviewData,
    out: Path,
    *,
    min_mentions: int = MIN_MENTIONS,
    watch: Callable[[ReadCount], None] = lambda _: None,
) -> Summary:
    """Read, ask, roll up and write, in memory that does not grow with the reviews' texts.

    The files in `out` appear together when all are whole; a row that cannot be used is in them with status
    `failed` and the reason. `watch` sees the counts after every chunk. DataError where the source as a
    whole cannot be read or `out` cannot be used."""
    started = time.perf_counter()
    _check_out(out, data.source)
    run = _Run(predictor, Rollup(min_mentions=min_mentions))
    with ExitStack() as stack:
        reviews, products, summary = (stack.enter_context(replacing(out / name)) for name in FILES)
        with ReviewsWriter(reviews) as writer:
            for chunk in _chunks(_items(read_reviews(data))):
                writer.write(run.answer(chunk))
                watch(run.counts)
        catalogue = run.rollup.catalogue()
        facts: dict[str, Any] = {
            "format": FORMAT,
            "bundle": predictor.bundle.label,
            "domain": str(predictor.bundle.info["source"]),
            "source": data.source,
            "rows": run.counts.as_dict(),
            "min_mentions": min_mentions,
            "unassigned": run.rollup.unassigned,
            "products_total": len(run.rollup),
        }
        with summary.open("w", encoding="utf-8") as file:
            listed = _write_products(run.rollup, catalogue, facts, products, file)
    return Summary(
        bundle=facts["bundle"],
        domain=facts["domain"],
        source=data.source,
        counts=run.counts,
        failures=tuple(run.failures),
        min_mentions=min_mentions,
        unassigned=run.rollup.unassigned,
        products_total=len(run.rollup),
        catalogue=catalogue,
        products=listed,
        seconds=time.perf_counter() - started,
    )


@dataclass
class _Run:
    """What grows while the reviews stream by."""

    predictor: ReviewReader
    rollup: Rollup
    counts: ReadCount = field(default_factory=ReadCount)
    failures: list[ReviewPrediction] = field(default_factory=list)

    def answer(self, chunk: Sequence[Item]) -> list[ReviewRow]:
        """Ask for a chunk and count it; rows in its order."""
        reviews = [item for item, _ in chunk if isinstance(item, Review)]
        found = self.predictor.predict(reviews)
        if len(found) != len(reviews):
            raise ValueError(f"{len(found)} answers for {len(reviews)} reviews")
        answers, rows = iter(found), []
        for item, warnings in chunk:
            if isinstance(item, Review):
                row = ReviewRow(item, next(answers), warnings)
                self.rollup.add(item, row.prediction)
            else:
                row = ReviewRow(None, _failed(item, self.predictor.bundle.label), warnings)
            self._count(row)
            rows.append(row)
        return rows

    def _count(self, row: ReviewRow) -> None:
        self.counts.warnings.update(row.warnings)
        self.counts.warnings.update(row.prediction.warnings)
        if row.prediction.status == "ok":
            self.counts.ok += 1
            return
        self.counts.failed += 1
        self.counts.errors[row.prediction.error_kind or "unknown"] += 1
        if len(self.failures) < FAILURES:
            self.failures.append(row.prediction)


def _failed(error: RowError, bundle: str) -> ReviewPrediction:
    return ReviewPrediction(
        id=error.id or f"row {error.row}",
        status="failed",
        error=str(error),
        error_kind=error.kind,
        bundle=bundle,
    )


def _check_out(out: Path, source: str) -> None:
    """Make the folder `out`; DataError where it cannot be made, or the reviews would be overwritten."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"--out '{out}' cannot be made a folder: {error.strerror}") from None
    for name in FILES:
        path = out / name
        if path.exists() and Path(source).exists() and path.samefile(source):
            raise DataError(f"--out '{out}' would overwrite the reviews in '{source}'; name another folder")


def _items(rows: Iterator[Review | RowError | RowWarning]) -> Iterator[Item]:
    """Each row with its warnings, which the reader tells before it."""
    warnings: list[str] = []
    for row in rows:
        if isinstance(row, RowWarning):
            warnings.append(row.kind)
            continue
        yield row, tuple(warnings)
        warnings.clear()


def _chunks(items: Iterator[Item]) -> Iterator[list[Item]]:
    while chunk := list(islice(items, CHUNK)):
        yield chunk


def _write_products(
    rollup: Rollup, catalogue: ProductSummary, facts: dict[str, Any], table: Path, file: IO[str]
) -> tuple[ProductSummary, ...]:
    """Write every product to the table and the JSON file, one at a time; the most reviewed are returned."""
    listed: list[ProductSummary] = []
    rows: list[dict[str, Any]] = []
    schema = products_schema(rollup.aspects)
    file.write(json.dumps(facts, indent=1, ensure_ascii=False).removesuffix("\n}"))
    file.write(f',\n "catalogue": {catalogue.model_dump_json()},\n "products": [')
    with parquet.ParquetWriter(table, schema) as writer:
        for number, product in enumerate(rollup.products()):
            file.write(f"{',' if number else ''}\n  {product.model_dump_json()}")
            rows.append(product_row(product))
            if number < LISTED:
                listed.append(product)
            if len(rows) == CHUNK:
                writer.write_table(pa.Table.from_pylist(rows, schema))
                rows.clear()
        writer.write_table(pa.Table.from_pylist(rows, schema))
    file.write("\n ]\n}\n")
    return tuple(listed)
