"""Reviews from a shop's own files, streaming: every row becomes a Review or a RowError, never an exception.

Kinds of row error: `bad_rating`, `bad_flag`, `text_too_long`, `missing_id`, `duplicate_id`, and those of
`data.tables`. Kinds of warning: `bad_time`, `mixed_encoding`, and those of `data.review_flags`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from shelfwise.config import CatalogConfig, ReviewData, ReviewsConfig, SplitConfig, TextSplitConfig
from shelfwise.data.catalog import ReadCount, check_columns
from shelfwise.data.review_cells import CellError, ReviewRow, review_of
from shelfwise.data.review_flags import Flags
from shelfwise.data.splits import PARTS, Part, part_of
from shelfwise.data.tables import BadRow, RawRow, open_table
from shelfwise.errors import DataError
from shelfwise.schema import Review, RowError, RowWarning


@dataclass
class ReviewParts:
    """The three parts of a reviews file, and what could not be read."""

    parts: dict[Part, list[Review]]
    count: ReadCount
    errors: list[RowError] = field(default_factory=list)


def read_reviews(config: ReviewData) -> Iterator[Review | RowError | RowWarning]:
    """The file's rows in order: a row's warnings first, then its Review or its RowError.

    DataError where the file as a whole cannot be read or lacks a mapped column."""
    for row in review_rows(config):
        yield from row.warnings
        yield row.outcome


def review_rows(config: ReviewData) -> Iterator[ReviewRow]:
    """As `read_reviews`, one ReviewRow for each row of the file. Keeps 8-byte hashes of ids and texts."""
    if Path(config.source).is_dir():
        raise DataError(f"'{config.source}' is a folder; reviews are read from a CSV, Parquet or JSONL file")
    columns = mapped_columns(config)
    table = open_table(
        CatalogConfig(source=config.source, encoding=config.encoding, delimiter=config.delimiter), columns
    )
    check_columns(columns, table.columns, config.source)
    seen: set[bytes] = set()
    flags = Flags()
    for raw in table.rows:
        yield _judged(raw, config, seen, flags)


def load_reviews(config: ReviewsConfig) -> ReviewParts:
    """All reviews of the configured file, dealt by product; see `part_of_review`."""
    found = ReviewParts({part: [] for part in PARTS}, ReadCount())
    split = split_of(config.split)
    for item in found.count.watch(read_reviews(config.data)):
        if isinstance(item, RowError):
            found.errors.append(item)
        elif isinstance(item, Review):
            found.parts[part_of_review(item, split)].append(item)
    return found


def part_of_review(review: Review, split: SplitConfig) -> Part:
    """The part that all reviews of a product belong to; without a product the text's own."""
    family = review.product
    if family is None:
        family = hashlib.sha256(f"{review.title}\n{review.text}".encode("utf-8", "replace")).hexdigest()
    return part_of(family, split)


def split_of(config: TextSplitConfig) -> SplitConfig:
    """The same split in the terms of `data.splits`."""
    return SplitConfig.model_validate(config.model_dump())


def mapped_columns(config: ReviewData) -> tuple[str, ...]:
    """Every column that the map mentions."""
    columns = config.columns
    single = (
        *(columns.id, columns.product, columns.title, columns.text),
        *(columns.rating, columns.recommended, columns.time, columns.constructed),
    )
    return tuple(dict.fromkeys([*(name for name in single if name is not None), *columns.fields.values()]))


def _judged(raw: RawRow, config: ReviewData, seen: set[bytes], flags: Flags) -> ReviewRow:
    """The row as a review, unless it could not be read, or its id is missing or known already."""
    number = raw.number
    noted = tuple(RowWarning(row=number, column="row", kind=kind) for kind in raw.warnings)
    if isinstance(raw.cells, BadRow):
        bad = raw.cells
        return ReviewRow(
            number,
            RowError(row=number, column=bad.column, value=bad.value, kind=bad.kind, why=bad.why),
            noted,
        )
    try:
        review, unread = review_of(number, raw.cells, config)
        _refuse_twice(review, config, seen)
    except CellError as error:
        return ReviewRow(
            number,
            RowError(row=number, column=error.column, value=error.value, kind=error.kind, why=error.why),
            noted,
        )
    noted += unread
    odd = flags.of(review)
    if odd:
        column = config.columns.text
        noted += tuple(RowWarning(row=number, column=column, kind=kind, id=review.id) for kind in odd)
    return ReviewRow(number, review, noted)


def _refuse_twice(review: Review, config: ReviewData, seen: set[bytes]) -> None:
    """CellError where the file has an id column and the id was seen before."""
    if config.columns.id is None:
        return
    key = hashlib.blake2b(review.id.encode("utf-8", "replace"), digest_size=8).digest()
    if key in seen:
        raise CellError(config.columns.id, review.id, "duplicate_id", "an earlier row has the same id")
    seen.add(key)
