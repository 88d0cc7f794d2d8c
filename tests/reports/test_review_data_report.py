"""The report on a reviews file: its numbers, its page, its plots, and dirt in the rows."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from shelfwise.config import CleanConfig, ReviewColumns, ReviewData
from shelfwise.data.synthetic_files import COLUMNS, write_reviews_csv
from shelfwise.data.synthetic_reviews import synthetic_reviews
from shelfwise.errors import DataError
from shelfwise.reports.review_data_report import MEANING, summary, write_review_data_report

MAP = ReviewColumns.model_validate(
    {name: name for name in COLUMNS if name not in ("category",)} | {"fields": {"category": "category"}}
)
INJECTION = "<script>alert(1)</script>"
ROWS = 120


def row(identity: str, **cells: str) -> list[str]:
    return [({"id": identity, "rating": "4"} | cells).get(name, "") for name in COLUMNS]


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The report of 120 constructed reviews, 5 odd ones and 2 that cannot be read."""
    folder = tmp_path_factory.mktemp("shop")
    table = folder / "reviews.csv"
    write_reviews_csv(synthetic_reviews(ROWS, seed=3), table)
    extra = [
        row("x1", text=f"Escaped &lt;i&gt;{INJECTION} $a^$ sooooooo good", product=INJECTION),
        row(
            "x2", text="The cafÃ© dress   is fine <b>really</b>, see https://example.com/a", title="A &amp; B"
        ),
        row("x3"),
        row("x4", text="I love it and it fits.", recommended="0", rating="5"),
        row(f"x5{INJECTION}", text="Das Kleid passt leider gar nicht und wurde sofort zurück geschickt"),
        row("e1", rating=INJECTION),
        row("x4", text="Twice."),
    ]
    with table.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(extra)
    stages: list[str] = []
    out = folder / "report"
    write_review_data_report(
        ReviewData(source=str(table), columns=MAP), out, progress=lambda stage, rows: stages.append(stage)
    )
    assert list(dict.fromkeys(stages)) == ["reading", "writing"]
    return out, json.loads((out / "report.json").read_text(encoding="utf-8"))


def test_rows_in_are_rows_ok_and_failed(reported: tuple[Path, dict[str, Any]]) -> None:
    rows = reported[1]["rows"]
    assert (rows["rows"], rows["ok"], rows["failed"]) == (ROWS + 7, ROWS + 5, 2)
    assert rows["errors"] == reported[1]["errors"] == {"bad_rating": 1, "duplicate_id": 1}
    assert [error["row"] for error in reported[1]["first_errors"]] == [ROWS + 7, ROWS + 8]


def test_flags_are_of_the_cleaned_texts_and_have_samples(reported: tuple[Path, dict[str, Any]]) -> None:
    flags = reported[1]["flags"]
    assert set(flags) == set(MEANING)
    assert [sample["id"] for sample in flags["empty_text"]["samples"]] == ["x3"]
    assert flags["contradictory"]["reviews"] >= 1
    assert flags["not_english"]["samples"][0]["id"] == f"x5{INJECTION}"
    assert {name: flag["reviews"] for name, flag in flags.items() if flag["reviews"]} == {
        name: count for name, count in reported[1]["rows"]["warnings"].items() if name in flags
    }


def test_the_cleaning_is_told_from_the_raw_texts(reported: tuple[Path, dict[str, Any]]) -> None:
    cleaning = reported[1]["cleaning"]
    changed = {name: repair["changed"] for name, repair in cleaning["text"]["repairs"].items()}
    assert changed == {"encoding": 1, "markup": 2, "urls": 1, "repeats": 1, "whitespace": 0}
    assert cleaning["text"]["overall"]["texts"] == ROWS + 5
    assert cleaning["text"]["overall"]["changed"] == 2
    assert cleaning["title"]["overall"]["changed"] == 1
    sample = cleaning["text"]["repairs"]["encoding"]["samples"][0]
    assert "cafÃ©" in sample["before"]
    assert "café" in sample["after"]


def test_the_page_is_one_escaped_file_with_everything_on_it(reported: tuple[Path, dict[str, Any]]) -> None:
    out, facts = reported
    html = (out / "report.html").read_text(encoding="utf-8")
    assert INJECTION not in html
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert not re.search(r"""(src|srcset|href)=["'](?!data:|\#)""", html)
    for anchor in ("overview", "stars", "lengths", "words", "products", "flags", "cleaning", "rows"):
        assert f'<section id="{anchor}">' in html
    assert "made by a generator" in html
    assert "prefers-color-scheme: dark" in html
    pictures = {path.stem for path in out.glob("*.png")}
    assert pictures >= {"ratings", "characters", "words", "months", "products"}
    assert f"{facts['rows']['rows']} rows in" in summary(facts)


def test_a_file_with_texts_alone_is_reported(tmp_path: Path) -> None:
    table = tmp_path / "texts.csv"
    table.write_text('text\n"Nice, it fits."\n赤い服です\n', encoding="utf-8")
    off = CleanConfig.model_validate(dict.fromkeys(CleanConfig.model_fields, False))
    facts = write_review_data_report(ReviewData(source=str(table), clean=off), tmp_path / "out")
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "The file has no stars" in html
    assert "Every repair is switched off" in html
    assert facts["ratings"]["without"] == 2
    assert "stars:" not in summary(facts)
    assert not (tmp_path / "out" / "ratings.png").exists()


def test_a_file_of_bad_rows_alone_still_has_its_report(tmp_path: Path) -> None:
    table = tmp_path / "bad.csv"
    table.write_text("text,stars\nNice,9\nFine,8\n", encoding="utf-8")
    columns = ReviewColumns(text="text", rating="stars")
    facts = write_review_data_report(ReviewData(source=str(table), columns=columns), tmp_path)
    assert (facts["reviews"], facts["rows"]["failed"]) == (0, 2)
    assert "No row could be read" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "empty.csv"
    table.write_text("text,stars\n", encoding="utf-8")
    with pytest.raises(DataError, match="has no rows to report on"):
        write_review_data_report(ReviewData(source=str(table)), tmp_path)


def test_the_same_file_gives_the_same_numbers_twice(tmp_path: Path) -> None:
    table = tmp_path / "reviews.csv"
    write_reviews_csv(synthetic_reviews(20, seed=4), table)
    data = ReviewData(source=str(table), columns=MAP)
    first = write_review_data_report(data, tmp_path / "out")
    assert first | {"seconds": 0} == write_review_data_report(data, tmp_path / "out") | {"seconds": 0}
