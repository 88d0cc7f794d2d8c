"""Constructed pairs as Parquet files and in the store; every row says that it is constructed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from shelfwise.data.pairs import Pairs, join_pairs
from shelfwise.errors import DataError
from shelfwise.files import replacing
from shelfwise.schema import Review
from shelfwise.store import Artifact, ArtifactStore

NOTE = (
    "constructed pairs: pictures and reviews joined by category; the text carries the label, "
    "so no accuracy from them is one of products"
)
SCHEMA = pa.schema(
    [
        ("picture_id", pa.string()),
        ("category", pa.string()),
        ("review_id", pa.string()),
        ("product", pa.string()),
        ("title", pa.string()),
        ("text", pa.string()),
        ("rating", pa.int8()),
        ("recommended", pa.bool_()),
        ("time", pa.timestamp("us", "UTC")),
        ("review_constructed", pa.bool_()),
        ("constructed", pa.bool_()),
    ],
    metadata={"constructed": "true", "note": NOTE},
)
"""`constructed` is true in every row; `review_constructed` where no buyer wrote the review either."""


def write_pairs(pairs: Pairs, path: Path) -> None:
    """Write one row per pair to a Parquet file; of a review's fields only the category is kept."""
    try:
        with replacing(path) as partial:
            pq.write_table(pairs_table(pairs), partial, compression="zstd")
    except OSError as error:
        raise DataError(f"'{path}' cannot be written: {error}") from None


def read_pairs(path: Path) -> Pairs:
    """The pairs in a file of `write_pairs`; DataError for any other file."""
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise DataError(f"pairs '{path}' not found; make them with: shelfwise data synthesize") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"pairs '{path}' cannot be read: {error}") from None
    return pairs_from_table(table, where=f"pairs '{path}'")


def store_pairs(
    store: ArtifactStore, name: str, pairs: Pairs, *, producer: str, overwrite: bool = False
) -> Artifact:
    """Keep the pairs in the store; the artifact's producer says that they are constructed."""
    made = f"{producer} (constructed pairs, not of products)"
    return store.write_table(name, pairs_table(pairs), producer=made, overwrite=overwrite)


def stored_pairs(store: ArtifactStore, name: str) -> Pairs:
    """The pairs kept by `store_pairs`."""
    return pairs_from_table(store.read_table(name), where=f"artifact '{name}'")


def pairs_table(pairs: Pairs) -> pa.Table:
    """One row per pair, `SCHEMA`."""
    rows = [
        {
            "picture_id": picture,
            "category": review.fields["category"],
            "review_id": review.id,
            "review_constructed": review.constructed,
            "constructed": True,
        }
        | review.model_dump(include={"product", "title", "text", "rating", "recommended", "time"})
        for picture, review in zip(
            pairs.picture_ids, (pairs.reviews[row] for row in pairs.review_rows), strict=True
        )
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def pairs_from_table(table: pa.Table, *, where: str) -> Pairs:
    """The pairs in a table of `pairs_table`; DataError names `where` and what is wrong."""
    if missing := [name for name in SCHEMA.names if name not in table.column_names]:
        raise DataError(f"{where}: no column {', '.join(missing)}; this is no table of constructed pairs")
    try:
        rows = table.select(SCHEMA.names).cast(SCHEMA).to_pylist()
    except pa.ArrowInvalid as error:
        raise DataError(f"{where}: no table of constructed pairs: {error}") from None
    if bad := [i for i, row in enumerate(rows) if row["constructed"] is not True]:
        raise DataError(
            f"{where}: row {bad[0] + 1} is not marked as constructed; pairs of real reviews and their own "
            "products do not belong here"
        )
    reviews = [
        Review(
            id=row["review_id"],
            fields={"category": row["category"]},
            constructed=row["review_constructed"],
            **{key: row[key] for key in ("product", "title", "text", "rating", "recommended", "time")},
        )
        for row in rows
    ]
    return join_pairs([row["picture_id"] for row in rows], reviews)
