"""A whole reviews file to Parquet and CSV: a line for every row, and no file unless it is whole."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from small_reviews import small_bundle

from shelfwise.config import ReviewColumns, ReviewData
from shelfwise.errors import DataError
from shelfwise.predict import review_stream
from shelfwise.predict.answer_files import Counts
from shelfwise.predict.review_stream import COLUMNS, WRITERS, predict_reviews
from shelfwise.predict.reviews import ReviewPredictor
from shelfwise.schema import ReviewPrediction

GOOD = 6


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> ReviewPredictor:
    return ReviewPredictor.load(small_bundle(tmp_path_factory.getbasetemp()), threads=1)


@pytest.fixture
def data(tmp_path: Path) -> ReviewData:
    """`GOOD` good rows, and five that cannot be answered."""
    path = tmp_path / "reviews.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "title", "text", "stars"])
        writer.writerows([f"r{i}", "Größe, passt", f"The fit is great {'!' * i}", 5] for i in range(GOOD))
        writer.writerow(["empty", "", " ", 5])
        writer.writerow(["r0", "", "Twice.", 5])
        writer.writerow(["bad", "", "Nine stars.", 9])
        writer.writerow(["", "", "Nameless.", 5])
        writer.writerow(["short"])
    return ReviewData(source=str(path), columns=ReviewColumns(id="id", title="title", rating="stars"))


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of an answer file, as far as both forms hold the same."""
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pylist()
    with path.open(newline="", encoding="utf-8") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    for row in rows:
        for key, value in row.items():
            row[key] = value or None
        row["opinions"] = json.loads(row["opinions"])
    return rows


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_row_gets_a_line_and_bad_ones_a_reason(
    predictor: ReviewPredictor, data: ReviewData, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / "deep" / "down" / f"answers{suffix}"
    seen: list[int] = []
    counts = predict_reviews(predictor, data, out, watch=lambda some: seen.append(some.rows))
    rows = read(out)
    assert (counts.ok, counts.failed, counts.rows) == (GOOD, 5, len(rows))
    assert seen == [len(rows)]
    assert tuple(rows[0]) == COLUMNS
    assert [row["status"] for row in rows] == ["ok"] * GOOD + ["failed"] * 5
    assert all(row["id"] for row in rows)
    assert rows[GOOD]["id"] == "empty"
    kinds = ["empty_text", "duplicate_id", "bad_rating", "missing_id", "column_count"]
    assert [row["error_kind"] for row in rows[-5:]] == kinds
    assert all(counts.kinds[kind] == 1 for kind in kinds)
    assert all(row["error"] and row["rating"] is None for row in rows[-5:])
    assert all(row["opinions"] == [] for row in rows[-5:])
    assert any(row["opinions"] for row in rows[:GOOD])
    assert {row["bundle"] for row in rows} == {predictor.bundle.label}
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_more_rows_than_a_chunk_come_in_order(
    predictor: ReviewPredictor, data: ReviewData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict_reviews(predictor, data, tmp_path / "whole.csv")
    monkeypatch.setattr(review_stream, "CHUNK", 2)
    predict_reviews(predictor, data, tmp_path / "parts.parquet")
    whole, parts = read(tmp_path / "whole.csv"), read(tmp_path / "parts.parquet")
    assert [row["id"] for row in whole] == [row["id"] for row in parts]
    assert [row["sentiment"] for row in whole] == [row["sentiment"] for row in parts]
    assert parquet.ParquetFile(tmp_path / "parts.parquet").num_row_groups == 6


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_without_rows_gives_a_file_without_rows(
    predictor: ReviewPredictor, tmp_path: Path, suffix: str
) -> None:
    (tmp_path / "empty.csv").write_text("text\n")
    out = tmp_path / f"answers{suffix}"
    assert predict_reviews(predictor, ReviewData(source=str(tmp_path / "empty.csv")), out) == Counts()
    assert read(out) == []


def test_a_place_that_cannot_be_written_is_said_at_once(
    predictor: ReviewPredictor, data: ReviewData, tmp_path: Path
) -> None:
    before = Path(data.source).read_bytes()
    for out, words in (
        (Path(data.source), "is the reviews file itself"),
        (tmp_path / "answers.json", r"expected a \.parquet or \.csv file"),
    ):
        with pytest.raises(DataError, match=words):
            predict_reviews(predictor, data, out)
    assert Path(data.source).read_bytes() == before


@pytest.mark.parametrize("suffix", WRITERS)
def test_an_interrupted_write_leaves_no_file_and_an_old_one_whole(
    predictor: ReviewPredictor,
    data: ReviewData,
    tmp_path: Path,
    suffix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out" / f"answers{suffix}"
    monkeypatch.setattr(review_stream, "CHUNK", 4)
    answers = review_stream._answers

    def interrupted(reader: ReviewPredictor, chunk: Any) -> list[ReviewPrediction]:
        if chunk[0][0].id != "r0":
            raise KeyboardInterrupt
        return answers(reader, chunk)

    monkeypatch.setattr(review_stream, "_answers", interrupted)
    for old in ([], ["old"]):
        for text in old:
            out.write_text(text)
        with pytest.raises(KeyboardInterrupt):
            predict_reviews(predictor, data, out)
        assert [path.read_text() for path in out.parent.iterdir()] == old
