"""Review files recognised by their columns: the published forms, shops' own, and what is no reviews file."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from drawn import draw_catalog
from typer.testing import CliRunner

from shelfwise.cli import app
from shelfwise.config import ReviewData, load_reviews_config
from shelfwise.data.inspect import inspect_file
from shelfwise.data.reviews import read_reviews
from shelfwise.data.suggest_reviews import is_reviews, resolve_reviews, suggest_reviews
from shelfwise.data.synthetic_files import reviews_toml, write_reviews_csv
from shelfwise.data.synthetic_reviews import synthetic_reviews
from shelfwise.errors import ConfigError, DataError
from shelfwise.schema import Review

TEXT = "It fits well, and the fabric is softer than I had thought it would be."


def amazon_2014(row: int) -> dict[str, Any]:
    return {
        **{"reviewerID": f"A{row:05}", "asin": f"B{row % 3:05}", "reviewerName": f"Buyer {row}"},
        **{"helpful": [0, 1], "reviewText": f"{TEXT} {row}", "overall": float(row % 5 + 1)},
        **{"summary": f"Nice {row}", "unixReviewTime": 1_400_000_000 + row, "reviewTime": "05 13, 2014"},
    }


def amazon_2023(row: int) -> dict[str, Any]:
    return {
        **{"rating": float(row % 5 + 1), "title": f"Nice {row}", "text": f"{TEXT} {row}"},
        **{"asin": f"C{row:05}", "parent_asin": f"B{row % 3:05}", "user_id": f"U{row:05}"},
        **{"timestamp": 1_600_000_000_000 + row, "helpful_vote": 0, "verified_purchase": True},
    }


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def roles(path: Path) -> dict[str, str]:
    parts = suggest_reviews(path).data.columns.model_dump(exclude={"fields"})
    return {part: column for part, column in parts.items() if column is not None}


def first(data: ReviewData) -> Review:
    return next(item for item in read_reviews(data) if isinstance(item, Review))


def test_amazons_form_of_2014_is_known(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "reviews.jsonl", [amazon_2014(row) for row in range(20)])
    assert is_reviews(inspect_file(path))
    assert roles(path) == {
        **{"text": "reviewText", "rating": "overall", "title": "summary"},
        **{"product": "asin", "time": "unixReviewTime"},
    }
    review = first(suggest_reviews(path).data)
    assert (review.rating, review.title) == (1, "Nice 0")
    assert review.time is not None
    assert review.time.year == 2014


def test_amazons_form_of_2023_is_known_and_its_products_are_the_parents(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "reviews.jsonl", [amazon_2023(row) for row in range(20)])
    assert is_reviews(inspect_file(path))
    assert roles(path) == {
        **{"text": "text", "rating": "rating", "title": "title"},
        **{"product": "parent_asin", "time": "timestamp"},
    }
    review = first(suggest_reviews(path).data)
    assert review.time is not None
    assert review.time.year == 2020


def test_the_womens_clothing_reviews_are_known(tmp_path: Path) -> None:
    head = ",Clothing ID,Age,Title,Review Text,Rating,Recommended IND,Positive Feedback Count,Class Name\n"
    rows = [
        f'{i},{1000 + i % 3},{30 + i},Nice {i},"{TEXT} {i}",{i % 5 + 1},{i % 2},0,Dresses' for i in range(20)
    ]
    path = tmp_path / "womens.csv"
    path.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    assert is_reviews(inspect_file(path))
    assert roles(path) == {
        **{"text": "Review Text", "rating": "Rating", "title": "Title"},
        **{"product": "Clothing ID", "recommended": "Recommended IND"},
    }


def test_a_file_of_unknown_names_is_read_by_what_is_in_it(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "own.jsonl", [{"words": f"{TEXT} {i}", "stars": i % 5 + 1} for i in range(20)])
    suggestion = suggest_reviews(path)
    assert roles(path) == {"text": "words", "rating": "stars"}
    assert suggestion.reasons["data.columns.text"] == "the longest texts"
    assert any("no column looks like a product's id" in note for note in suggestion.notes)


def test_a_rating_that_is_no_stars_is_not_taken_for_them(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "own.jsonl", [{"text": f"{TEXT} {i}", "score": i * 10} for i in range(20)])
    assert "rating" not in roles(path)
    assert not is_reviews(inspect_file(path))
    assert any("no column looks like stars" in note for note in suggest_reviews(path).notes)


def test_a_table_of_products_is_no_reviews(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 12)
    assert not is_reviews(inspect_file(table))


def test_a_file_without_a_text_is_refused_with_its_columns(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "numbers.jsonl", [{"a": i, "b": i} for i in range(5)])
    with pytest.raises(DataError, match="no column that looks like a review's text; it has: a, b"):
        suggest_reviews(path)


def test_resolving_a_config_gives_its_data(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    write_reviews_csv(synthetic_reviews(5), folder / "reviews.csv")
    config = tmp_path / "reviews.toml"
    config.write_text(reviews_toml("reviews.csv", "a test"), encoding="utf-8")
    data = resolve_reviews(str(config), folders=(folder,))
    assert data.columns.fields == {"category": "category"}
    assert first(data).constructed


def test_resolving_a_table_guesses_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = tmp_path / "reviews.csv"
    write_reviews_csv(synthetic_reviews(30), table)
    with caplog.at_level(logging.WARNING):
        data = resolve_reviews(str(table))
    assert (data.columns.id, data.columns.constructed, data.columns.time) == ("id", "constructed", "time")
    assert "text=text, title=title, rating=rating, product=product" in caplog.text


def test_resolving_a_config_of_products_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "shop.toml"
    config.write_text('task = "pictures"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="this needs one of task 'reviews'"):
        resolve_reviews(str(config))


def test_inspect_tells_reviews_and_writes_a_config_that_reads_them(tmp_path: Path) -> None:
    table, out = tmp_path / "reviews.csv", tmp_path / "own.toml"
    write_reviews_csv(synthetic_reviews(30), table)
    result = CliRunner().invoke(app, ["data", "inspect", str(table), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert first(load_reviews_config(out).data).product is not None


@pytest.mark.parametrize(("task", "written"), [("reviews", "reviews"), ("products", "products")])
def test_inspect_takes_a_file_for_what_it_is_told(tmp_path: Path, task: str, written: str) -> None:
    table, out = tmp_path / "reviews.csv", tmp_path / "own.toml"
    write_reviews_csv(synthetic_reviews(30), table)
    command = ["data", "inspect", str(table), "--out", str(out), "--task", task, "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["task"] == written
    assert ('task = "reviews"' in out.read_text(encoding="utf-8")) == (written == "reviews")


def test_a_few_bad_cells_are_bad_rows_and_not_another_kind_of_column(tmp_path: Path) -> None:
    rows = [amazon_2023(row) | {"review_id": f"r{row}"} for row in range(100)]
    rows[3]["rating"], rows[4]["timestamp"], rows[5]["review_id"] = 9.0, "oops", "r6"
    rows[7]["text"] = ["a", "list"]
    found = roles(jsonl(tmp_path / "reviews.jsonl", rows))
    assert (found["rating"], found["time"], found["id"], found["text"]) == (
        "rating",
        "timestamp",
        "review_id",
        "text",
    )


@pytest.mark.parametrize("form", ["{day:02}.05.2024", "2024-05-{day:02}", "20/{day:02}/2024"])
def test_days_that_can_be_read_are_the_time(tmp_path: Path, form: str) -> None:
    rows = [amazon_2023(row) for row in range(60)]
    for row, one in enumerate(rows):
        one["timestamp"] = form.format(day=row % 12 + 1)
    path = jsonl(tmp_path / "reviews.jsonl", rows)
    assert roles(path)["time"] == "timestamp"
    assert first(suggest_reviews(path).data).time is not None


def test_days_that_may_be_months_are_no_time_and_this_is_said(tmp_path: Path) -> None:
    rows = [amazon_2023(row) | {"timestamp": f"{row % 28 + 1:02}/05/2024"} for row in range(60)]
    path = jsonl(tmp_path / "reviews.jsonl", rows)
    assert "time" not in roles(path)
    assert "days and months of 'timestamp' cannot be told apart" in suggest_reviews(path).notes[-1]


def test_points_out_of_ten_are_no_stars(tmp_path: Path) -> None:
    rows = [amazon_2023(row) | {"rating": row % 10 + 1} for row in range(100)]
    assert "rating" not in roles(jsonl(tmp_path / "reviews.jsonl", rows))
