"""The keystone of reviews: one review gives one answer through every door."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet
from small_reviews import small_bundle
from typer.testing import CliRunner

from shelfwise.cli import app
from shelfwise.config import ReviewColumns, ReviewData
from shelfwise.data.synthetic_reviews import synthetic_reviews
from shelfwise.predict.review_stream import predict_reviews
from shelfwise.predict.reviews import ReviewPredictor
from shelfwise.schema import Review

Answers = list[dict[str, Any]]
COLUMNS = ReviewColumns(id="id", product="product", title="title", text="text")


def reviews() -> list[Review]:
    """Constructed ones, with text and title, one alone or none, long or in another language."""
    drawn = [
        Review(id=f"r{i}", product=review.product, title=review.title, text=review.text)
        for i, review in enumerate(synthetic_reviews(9, seed=8))
    ]
    return [
        *drawn,
        Review(id="title", product="p", title="Too small"),
        Review(id="none", product="p"),
        Review(id="long", product="p", title="On time", text="The fit is great, but it came late. " * 30),
        Review(id="foreign", product="p", text="Größer als erwartet, „sehr schön“ 很好"),
    ]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reviews as a shop would hand them over."""
    path = tmp_path_factory.mktemp("shop") / "reviews.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "product", "title", "text"])
        writer.writerows([r.id, r.product, r.title, r.text] for r in reviews())
    return path


def by_predictor(bundle: Path, table: Path, **how: Any) -> Answers:
    predictor = ReviewPredictor.load(bundle, threads=1, **how)
    return [answer.model_dump() for answer in predictor.predict(reviews())]


def by_ones(bundle: Path, table: Path) -> Answers:
    predictor = ReviewPredictor.load(bundle, threads=1)
    return [predictor.predict([review])[0].model_dump() for review in reviews()]


def by_stream(bundle: Path, table: Path) -> Answers:
    predictor = ReviewPredictor.load(bundle, threads=1)
    return [answer.model_dump() for answer in predictor.stream(iter(reviews()))]


def by_text(bundle: Path, table: Path) -> Answers:
    """The command line, a review a call; it knows neither ids nor products, and refuses what is empty."""
    answers: Answers = []
    for review, known in zip(reviews(), by_predictor(bundle, table), strict=True):
        if not review.title and not review.text:
            answers.append(known)
            continue
        options = ["--title", review.title, "--text", review.text]
        result = CliRunner().invoke(app, ["predict", str(bundle), *options, "--json", "--threads", "1"])
        assert result.exit_code == 0, result.output
        answers.append({**json.loads(result.stdout), "id": review.id, "product": review.product})
    return answers


def by_file(bundle: Path, table: Path, ending: str) -> Path:
    out = table.parent / "answers" / f"answers{ending}"
    predictor = ReviewPredictor.load(bundle, threads=1)
    counts = predict_reviews(predictor, ReviewData(source=str(table), columns=COLUMNS), out)
    assert (counts.rows, counts.failed) == (len(reviews()), 1)
    return out


def by_parquet(bundle: Path, table: Path) -> Answers:
    rows: Answers = parquet.read_table(by_file(bundle, table, ".parquet")).to_pylist()
    return rows


def by_csv(bundle: Path, table: Path) -> Answers:
    with by_file(bundle, table, ".csv").open(newline="", encoding="utf-8") as file:
        rows: Answers = list(csv.DictReader(file))
    for row in rows:
        for name in ("star_probabilities", "sentiment_probabilities"):
            row[name] = [float(value) for value in row[name].split("|") if value]
        for name in ("stars", "recommended"):
            row[name] = float(row[name]) if row[name] else None
        row["rating"] = int(row["rating"]) if row["rating"] else None
        row["opinions"] = json.loads(row["opinions"])
        row["warnings"] = [word for word in row["warnings"].split("|") if word]
    return rows


DOORS: dict[str, Callable[[Path, Path], Answers]] = {
    "ones": by_ones,
    "stream": by_stream,
    "text": by_text,
    "parquet": by_parquet,
    "csv": by_csv,
    "torch": lambda bundle, table: by_predictor(bundle, table, backend="torch"),
}
EXACT = ("id", "status", "product", "rating", "sentiment", "error", "error_kind", "bundle")
NUMBERS = ("stars", "star_probabilities", "sentiment_probabilities", "recommended")


@pytest.mark.parametrize("door", DOORS)
def test_one_review_gives_one_answer_through_every_door(bundle: Path, table: Path, door: str) -> None:
    expected, found = by_predictor(bundle, table), DOORS[door](bundle, table)
    within = 1e-4 if door == "torch" else 1e-5
    assert len(found) == len(expected) == len(reviews())
    for one, other in zip(expected, found, strict=True):
        assert {key: other[key] or None for key in EXACT} == {key: one[key] for key in EXACT}
        # A file's reader has warnings of its own, such as that a text is not English.
        assert set(one["warnings"]) <= set(other["warnings"])
        for key in NUMBERS:
            assert np.allclose(one[key] or 0, other[key] or 0, atol=within)
        for opinion, same in zip(one["opinions"], other["opinions"], strict=True):
            assert same["probability"] == pytest.approx(opinion["probability"], abs=10 * within)
            assert {**same, "probability": 0} == {**opinion, "probability": 0}


def test_the_reviews_have_what_the_doors_must_agree_on(bundle: Path, table: Path) -> None:
    answers = {answer["id"]: answer for answer in by_predictor(bundle, table)}
    assert [id for id, answer in answers.items() if answer["status"] == "failed"] == ["none"]
    assert answers["foreign"]["warnings"] == ("unknown_words",)
    said = [opinion for answer in answers.values() for opinion in answer["opinions"]]
    assert {opinion["part"] for opinion in said} == {"title", "text"}
    assert any(opinion["term"] for opinion in said)
    assert len({answer["sentiment"] for answer in answers.values()}) > 2
