"""A whole reviews file through a predictor, streamed to Parquet or CSV, a status per row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from shelfwise.config import ReviewData
from shelfwise.data.reviews import read_reviews
from shelfwise.files import replacing
from shelfwise.predict.answer_files import (
    Counts,
    Row,
    Write,
    Writer,
    check_out,
    check_suffix,
    csv_file,
    parquet_file,
)
from shelfwise.predict.reviews import CHUNK, ReviewPredictor
from shelfwise.schema import Opinion, Review, ReviewPrediction, RowError, RowWarning

COLUMNS = tuple(name for name in ReviewPrediction.model_fields if not name.startswith("read_"))
"""Of a file the texts are read by its reader, so there is no other to tell apart from them."""

Item = tuple[Review | RowError, tuple[str, ...]]
"""What one row of the file became, and the kinds of its warnings."""


def predict_reviews(
    predictor: ReviewPredictor,
    data: ReviewData,
    out: Path,
    *,
    watch: Callable[[Counts], None] = lambda _: None,
) -> Counts:
    """Answer for every row of a reviews file in bounded memory; `out` appears only when it is whole.

    A row that cannot be read is written with status `failed` and the reason. `watch` sees the counts
    after every chunk."""
    check_suffix(out)
    check_out(out, "the reviews file", data.source)
    counts = Counts()
    with replacing(out) as partial, WRITERS[out.suffix](partial) as write:
        for chunk in _chunks(read_reviews(data)):
            answers = _answers(predictor, chunk)
            for answer in answers:
                counts.add(answer)
            write([answer.model_dump(include=set(COLUMNS)) for answer in answers])
            watch(counts)
    return counts


def _chunks(rows: Iterator[Review | RowError | RowWarning]) -> Iterator[list[Item]]:
    """Rows in lists of `CHUNK`, each with its warnings, which the reader tells before it."""
    chunk: list[Item] = []
    warnings: list[str] = []
    for row in rows:
        if isinstance(row, RowWarning):
            warnings.append(row.kind)
            continue
        chunk.append((row, tuple(warnings)))
        warnings.clear()
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _answers(predictor: ReviewPredictor, chunk: Sequence[Item]) -> list[ReviewPrediction]:
    """Predictions for one chunk, in row order, with the reader's warnings."""
    found = predictor.stream(item for item, _ in chunk if isinstance(item, Review))
    answers = []
    for item, warnings in chunk:
        if isinstance(item, Review):
            answer = next(found)
        else:
            answer = ReviewPrediction(
                id=item.id or f"row {item.row}",
                status="failed",
                error=str(item),
                error_kind=item.kind,
                bundle=predictor.bundle.label,
            )
        # What made the row fail is no warning as well.
        noted = tuple(kind for kind in warnings if kind != answer.error_kind)
        answers.append(answer.model_copy(update={"warnings": noted + answer.warnings}) if noted else answer)
    return answers


def _parquet(path: Path) -> AbstractContextManager[Write]:
    """A Parquet file of answers; `opinions` is a list of structs as in `schema.Opinion`."""
    import pyarrow as pa

    numbers = {"start": pa.int32(), "end": pa.int32(), "probability": pa.float64()}
    opinion = pa.struct([(name, numbers.get(name, pa.string())) for name in Opinion.model_fields])
    kinds = {
        "rating": pa.int8(),
        "stars": pa.float64(),
        "recommended": pa.float64(),
        "star_probabilities": pa.list_(pa.float64()),
        "sentiment_probabilities": pa.list_(pa.float64()),
        "opinions": pa.list_(opinion),
        "warnings": pa.list_(pa.string()),
    }
    return parquet_file(path, pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS]))


def _csv(path: Path) -> AbstractContextManager[Write]:
    """A CSV file of answers; probabilities joined by `|`, opinions as JSON."""
    return csv_file(path, COLUMNS, _cells)


def _cells(row: Row) -> Row:
    joined = {
        name: "|".join(f"{value:.6g}" for value in row[name])
        for name in ("star_probabilities", "sentiment_probabilities")
    }
    opinions = json.dumps(row["opinions"], ensure_ascii=False)
    return {**row, **joined, "opinions": opinions, "warnings": "|".join(row["warnings"])}


WRITERS: dict[str, Writer] = {".parquet": _parquet, ".csv": _csv}
