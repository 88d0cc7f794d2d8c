"""Summaries of review files: every row accounted for, verbatim evidence, whole files or none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from answered import PlantedReader
from pyarrow import parquet

from shelfwise.config import ReviewColumns, ReviewData
from shelfwise.data.catalog import ReadCount
from shelfwise.data.synthetic_files import write_reviews_csv
from shelfwise.data.synthetic_reviews import Planted, synthetic_opinions
from shelfwise.enrich import review_tables
from shelfwise.enrich import summarize as module
from shelfwise.enrich.summarize import CHUNK, FILES, Summary, summarize
from shelfwise.errors import DataError
from shelfwise.schema import ProductSummary, Review, ReviewPrediction

COLUMNS = ReviewColumns(
    id="id",
    product="product",
    title="title",
    text="text",
    rating="rating",
    recommended="recommended",
    time="time",
)


@pytest.fixture(scope="module")
def planted() -> list[Planted]:
    return list(synthetic_opinions(700, seed=5, noise=0.05))


@pytest.fixture
def table(planted: list[Planted], tmp_path: Path) -> ReviewData:
    """All of `planted` as a CSV file."""
    write_reviews_csv((each.review for each in planted), tmp_path / "reviews.csv")
    return ReviewData(source=str(tmp_path / "reviews.csv"), columns=COLUMNS)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return list(parquet.read_table(path).to_pylist())


def told(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "summary.json").read_text(encoding="utf-8")))


def test_every_row_is_in_the_table_in_order_with_its_evidence(
    planted: list[Planted], table: ReviewData, tmp_path: Path
) -> None:
    seen: list[int] = []
    summary = summarize(
        PlantedReader(planted), table, tmp_path / "out", watch=lambda count: seen.append(count.rows)
    )
    rows = rows_of(tmp_path / "out" / "reviews.parquet")
    assert [row["id"] for row in rows] == [each.review.id for each in planted]
    assert (summary.counts.ok, summary.counts.failed) == (700, 0)
    assert seen == [CHUNK, 700]
    for row, each in zip(rows, planted, strict=True):
        assert (row["status"], row["product"], row["given_rating"]) == (
            *("ok", each.review.product),
            each.review.rating,
        )
        assert (row["title"], row["text"], row["time"]) == (
            *(each.review.title, each.review.text),
            each.review.time,
        )
        assert row["rating"] == each.told
        assert [opinion["quote"] for opinion in row["opinions"]] == [one.quote for one in each.opinions]
        for opinion in row["opinions"]:
            assert row[opinion["part"]][opinion["start"] : opinion["end"]] == opinion["quote"]


def test_a_row_that_fails_stands_in_its_place_with_its_reason(planted: list[Planted], tmp_path: Path) -> None:
    some = [replace(each, review=each.review.model_copy(update={"text": "kurz"})) for each in planted[:5]]
    long = some[2].review.model_copy(update={"text": "sehr lang " * 20})
    write_reviews_csv([some[0].review, some[1].review, long, some[3].review], tmp_path / "reviews.csv")
    data = ReviewData(source=str(tmp_path / "reviews.csv"), columns=COLUMNS, max_characters=100)
    known = [replace(some[0], opinions=()), replace(some[3], opinions=())]
    summary = summarize(PlantedReader(known), data, tmp_path / "out")
    rows = rows_of(tmp_path / "out" / "reviews.parquet")
    assert [row["status"] for row in rows] == ["ok", "failed", "failed", "ok"]
    assert (rows[1]["error_kind"], rows[1]["text"], rows[1]["bundle"]) == ("no_text", "kurz", "drawn@1")
    assert rows[2]["text"] is None
    assert "row 4" in rows[2]["error"]
    assert (summary.counts.ok, summary.counts.failed, summary.counts.rows) == (2, 2, 4)
    assert [failure.id for failure in summary.failures] == [rows[1]["id"], rows[2]["id"]]
    assert told(tmp_path / "out")["rows"]["failed"] == 2
    assert sum(told(tmp_path / "out")["rows"]["errors"].values()) == 2


def test_the_json_file_holds_the_catalogue_and_every_product(
    planted: list[Planted], table: ReviewData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LISTED", 3)
    summary = summarize(PlantedReader(planted), table, tmp_path / "out")
    facts = told(tmp_path / "out")
    products = [ProductSummary.model_validate_json(json.dumps(each)) for each in facts.pop("products")]
    assert ProductSummary.model_validate_json(json.dumps(facts.pop("catalogue"))) == summary.catalogue
    assert tuple(products[:3]) == summary.products
    assert len(products) == summary.products_total == facts.pop("products_total") > 40
    assert facts.pop("rows")["ok"] == 700
    assert facts == {
        "format": 1,
        "bundle": "drawn@1",
        "domain": "constructed",
        "source": table.source,
        "min_mentions": 5,
        "unassigned": 0,
    }


def test_the_products_table_says_the_same_flat(
    planted: list[Planted], table: ReviewData, tmp_path: Path
) -> None:
    summary = summarize(PlantedReader(planted), table, tmp_path / "out", min_mentions=20)
    rows = rows_of(tmp_path / "out" / "products.parquet")
    assert len(rows) == summary.products_total
    for row, product in zip(rows, summary.products, strict=True):
        assert (row["product"], row["reviews"]) == (product.product, product.reviews)
        assert row["given_5"] == product.given[4]
        assert row["negative"] == product.sentiment["negative"]
        assert row["stars_change"] == (product.change and product.change.difference)
        for aspect in product.aspects:
            assert row[f"{aspect.aspect}_mentions"] == aspect.mentions
            assert row[f"{aspect.aspect}_share_positive"] == aspect.share_positive
            assert (row[f"{aspect.aspect}_low"] is None) == (aspect.mentions < 20)


def test_a_second_run_writes_the_same_and_replaces_the_first(
    planted: list[Planted], table: ReviewData, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    summarize(PlantedReader(planted), table, out)
    first = {name: (out / name).read_bytes() for name in FILES}
    (out / "summary.json").write_text("old")
    summarize(PlantedReader(planted), table, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first


def test_rows_are_written_in_groups(
    planted: list[Planted], table: ReviewData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 100)
    monkeypatch.setattr(review_tables, "GROUP", 250)
    summarize(PlantedReader(planted), table, tmp_path / "out")
    file = parquet.ParquetFile(tmp_path / "out" / "reviews.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [300, 300, 100]


def test_a_file_without_rows_gives_whole_files_without_rows(tmp_path: Path) -> None:
    write_reviews_csv([], tmp_path / "reviews.csv")
    data = ReviewData(source=str(tmp_path / "reviews.csv"), columns=COLUMNS)
    summary = summarize(PlantedReader([]), data, tmp_path / "out")
    assert summary.counts == ReadCount()
    assert (
        rows_of(tmp_path / "out" / "reviews.parquet") == rows_of(tmp_path / "out" / "products.parquet") == []
    )
    assert told(tmp_path / "out")["products"] == []


def test_reviews_without_products_and_dates_are_summed_up_together(
    planted: list[Planted], table: ReviewData, tmp_path: Path
) -> None:
    data = table.model_copy(update={"columns": ReviewColumns(id="id", text="text")})
    bare = [replace(each, opinions=tuple(o for o in each.opinions if o.part == "text")) for each in planted]
    summary = summarize(PlantedReader(bare), data, tmp_path / "out")
    assert (summary.products_total, summary.unassigned, summary.catalogue.reviews) == (0, 700, 700)
    assert summary.catalogue.given_mean is None
    assert summary.catalogue.periods == ()


def test_other_scripts_stay_as_they_are(planted: list[Planted], tmp_path: Path) -> None:
    text = "Größe passt 👗, 質が良い"
    one = planted[0].review.model_copy(update={"text": text, "title": "", "product": "Kleid “Ä”"})
    write_reviews_csv([one], tmp_path / "reviews.csv")
    data = ReviewData(source=str(tmp_path / "reviews.csv"), columns=COLUMNS)
    summary = summarize(PlantedReader([replace(planted[0], review=one, opinions=())]), data, tmp_path / "out")
    assert rows_of(tmp_path / "out" / "reviews.parquet")[0]["text"] == text
    assert summary.products[0].product == "Kleid “Ä”"
    assert "Kleid “Ä”" in (tmp_path / "out" / "summary.json").read_text(encoding="utf-8")


def test_the_reviews_themselves_are_never_overwritten(planted: list[Planted], tmp_path: Path) -> None:
    source = tmp_path / "reviews.parquet"
    source.write_bytes(b"PAR1")
    with pytest.raises(DataError, match="would overwrite the reviews"):
        summarize(PlantedReader(planted), ReviewData(source=str(source)), tmp_path)
    assert source.read_bytes() == b"PAR1"


def test_a_folder_that_cannot_be_made_is_said_at_once(
    planted: list[Planted], table: ReviewData, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "in"):
        with pytest.raises(DataError, match="cannot be made a folder"):
            summarize(PlantedReader(planted), table, out)


def test_an_interrupted_run_leaves_no_file_and_old_ones_whole(
    planted: list[Planted], table: ReviewData, tmp_path: Path
) -> None:
    class Interrupted(PlantedReader):
        def predict(self, reviews: Sequence[Review]) -> list[ReviewPrediction]:
            if reviews[0].id != planted[0].review.id:
                raise KeyboardInterrupt
            return super().predict(reviews)

    out = tmp_path / "out"
    for old in ({}, dict.fromkeys(FILES, "old")):
        for name, text in old.items():
            (out / name).write_text(text)
        with pytest.raises(KeyboardInterrupt):
            summarize(Interrupted(planted), table, out)
        assert {path.name: path.read_text() for path in out.iterdir()} == old


def test_a_predictor_that_loses_a_review_is_a_bug_and_not_a_wrong_table(
    planted: list[Planted], table: ReviewData, tmp_path: Path
) -> None:
    class Losing(PlantedReader):
        def predict(self, reviews: Sequence[Review]) -> list[ReviewPrediction]:
            return super().predict(reviews)[1:]

    with pytest.raises(ValueError, match="answers for"):
        summarize(Losing(planted), table, tmp_path / "out")


def test_a_summary_is_what_the_page_needs(planted: list[Planted], table: ReviewData, tmp_path: Path) -> None:
    summary = summarize(PlantedReader(planted), table, tmp_path / "out")
    assert isinstance(summary, Summary)
    assert (summary.bundle, summary.domain, summary.min_mentions) == ("drawn@1", "constructed", 5)
    assert summary.seconds > 0
