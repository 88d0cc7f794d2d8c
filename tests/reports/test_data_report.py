"""The data report of a small drawn catalogue: its numbers, its page, its plots, and dirt in the rows."""

from __future__ import annotations

import csv
import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import KINDS, draw_catalog, draw_garment

from shelfwise.config import CatalogConfig, ColumnMap
from shelfwise.data import fashion_mnist
from shelfwise.data.labelled import LabelledPictures
from shelfwise.reports.data_page import file_names, summary
from shelfwise.reports.data_report import write_data_report
from shelfwise.reports.duplicates import conflicting_first

MAP = ColumnMap(
    id="id", images=("image",), title="title", labels={"category": "category", "colour": "colour"}
)
ROWS = 120
INJECTION = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The report of 120 garments, 4 more rows that repeat some, and 3 that cannot be used."""
    folder = tmp_path_factory.mktemp("shop")
    table = draw_catalog(folder, ROWS)
    with table.open(encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    shutil.copy(folder / rows[0][4], folder / "images" / "copy.png")
    (folder / "images" / "page.jpg").write_text("<html>not found</html>")
    (folder / "images" / "cut.png").write_bytes((folder / rows[1][4]).read_bytes()[:200])
    extra = [
        ["x1", "Another title", "trousers", "赤", "images/copy.png"],
        ["x2", rows[1][1].upper(), rows[1][2], "red", rows[2][4]],
        ["x3", INJECTION, INJECTION, "red", rows[3][4]],
        ["x4", "", "", "", rows[4][4]],
        ["e1", "not there", "shirt", "red", "images/none.png"],
        ["e2", "page", "shirt", "red", "images/page.jpg"],
        ["e3", INJECTION, "shirt", "red", f"images/{INJECTION}.png"],
    ]
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows, *extra])
    config = CatalogConfig(source=str(table), columns=MAP, target="category")
    out = folder / "report"
    stages: list[str] = []
    write_data_report(config, out, progress=lambda stage, rows: stages.append(stage))
    assert list(dict.fromkeys(stages))[:3] == ["reading", "duplicates", "features"]
    return out, json.loads((out / "report.json").read_text())


def test_rows_in_are_rows_ok_and_failed(reported: tuple[Path, dict[str, Any]]) -> None:
    rows = reported[1]["rows"]
    assert (rows["rows"], rows["ok"], rows["failed"]) == (ROWS + 7, ROWS + 4, 3)
    assert rows["errors"] == {"picture_missing": 2, "not_a_picture": 1}
    assert [error["row"] for error in reported[1]["row_errors"]] == [ROWS + 6, ROWS + 7, ROWS + 8]


def test_classes_and_missing_labels_are_counted(reported: tuple[Path, dict[str, Any]]) -> None:
    category = reported[1]["labels"]["category"]
    assert category["counts"] == {"trousers": 32, "bag": 30, "shirt": 30, "shoe": 30, INJECTION: 1}
    assert category["missing"] == 1
    assert reported[1]["labels"]["colour"]["missing"] == 1


def test_doubles_and_families_are_found(reported: tuple[Path, dict[str, Any]]) -> None:
    facts = reported[1]
    files = facts["duplicates"]["same_file"]
    assert {"p0000", "x1"} in [set(group) for group in files["examples"]]
    assert files["disagreeing"]["category"] >= 1
    assert ["p0001", "x2"] in facts["duplicates"]["same_title"]["examples"]
    assert facts["families"]["largest"] >= 3
    assert facts["split"]["leakage"]["same_file"] == 0
    assert facts["split"]["leakage"]["same_title"] == 0


def test_pixel_statistics_stand_for_all_and_for_each_class(reported: tuple[Path, dict[str, Any]]) -> None:
    pixels = reported[1]["pixels"]
    assert pixels["overall"]["pictures"] == ROWS + 4
    assert pixels["overall"]["pixels"] == (ROWS + 4) * 64 * 64
    assert set(pixels["classes"]) == {"shirt", "trousers", "shoe", "bag", INJECTION}
    assert 0 < pixels["overall"]["mean"][0] < 1


def test_the_page_is_one_escaped_file_with_everything_on_it(reported: tuple[Path, dict[str, Any]]) -> None:
    html = (reported[0] / "report.html").read_text(encoding="utf-8")
    assert INJECTION not in html
    assert "&lt;script&gt;alert(1)" in html
    assert not re.search(r"""(src|srcset|href)=["'](?!data:|\#)""", html)
    for anchor in ("rows", "classes", "pictures", "texts", "duplicates", "splits", "labels"):
        assert f'<section id="{anchor}">' in html
    assert "labels differ" in html
    assert "is an HTML page" in html


def test_the_plots_lie_beside_the_page(reported: tuple[Path, dict[str, Any]]) -> None:
    names = {path.name for path in reported[0].glob("*.png")}
    assert {"balance-category.png", "brightness.png", "inflation.png", "words-title.png"} <= names
    assert not list(reported[0].glob(".*"))


def test_labels_whose_names_are_alike_keep_a_plot_each(tmp_path: Path) -> None:
    names = file_names(["a_b", "a-b", "A b", "a-b-2", "赤"])
    assert list(names.values()) == ["a-b", "a-b-2", "a-b-3", "a-b-2-2", "赤"]
    table = draw_catalog(tmp_path, 8)
    labels = {"a_b": "category", "a-b": "colour"}
    config = CatalogConfig(source=str(table), columns=ColumnMap(id="id", images=("image",), labels=labels))
    write_data_report(config, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").glob("balance-*")} == {
        "balance-a-b.png",
        "balance-a-b-2.png",
    }
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert html.count("Rows per class of a_b") == html.count("Rows per class of a-b") > 0


def test_doubles_that_disagree_come_first_however_many_there_are() -> None:
    groups = [[2 * i, 2 * i + 1] for i in range(40_000)]
    numbers = np.repeat(np.arange(40_000) % 2, 2) * (np.arange(80_000) % 2)
    start = time.process_time()
    found = conflicting_first(groups, numbers)
    assert time.process_time() - start < 2
    assert found == [*groups[1::2], *groups[::2]]


def test_the_summary_says_what_matters(reported: tuple[Path, dict[str, Any]]) -> None:
    text = summary(reported[1])
    assert f"{ROWS + 7} rows in = {ROWS + 4} ok + 3 failed" in text
    assert "families" in text
    assert "a naive row split would" in text


def test_inflation_has_an_interval_around_its_value(reported: tuple[Path, dict[str, Any]]) -> None:
    gain = reported[1]["inflation"]["category"]
    assert gain["low"] <= gain["difference"] <= gain["high"]
    assert gain["rows"] == ROWS + 3


def test_a_catalogue_without_titles_and_labels_is_reported_too(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 12, size=(40, 60))
    config = CatalogConfig(source=str(table), columns=ColumnMap(id="id", images=("image",)))
    facts = write_data_report(config, tmp_path / "out")
    assert facts["target"] is None
    assert facts["texts"] == {}
    assert facts["pictures"]["sizes"] == [{"width": 40, "height": 60, "pictures": 12}]
    assert '<section id="classes">' not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_catalogue_without_a_usable_row_is_reported_too(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 3)
    for picture in (tmp_path / "images").iterdir():
        picture.unlink()
    facts = write_data_report(CatalogConfig(source=str(table), columns=MAP), tmp_path / "out")
    assert facts["rows"]["failed"] == 3
    assert facts["families"]["families"] == 0
    assert (tmp_path / "out" / "report.html").exists()


def test_a_second_report_says_the_same_and_replaces_the_first(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 8)
    config = CatalogConfig(source=str(table), columns=ColumnMap(id="id", images=("image",)))
    write_data_report(config, tmp_path / "out")
    (tmp_path / "out" / "report.html").write_text("old")
    first = json.loads((tmp_path / "out" / "report.json").read_text())
    second = write_data_report(config, tmp_path / "out")
    assert first | {"seconds": 0} == second | {"seconds": 0}
    assert "Data report" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_published_test_set_is_kept_and_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small stand-in for Fashion-MNIST's files, of which one test picture is in training too."""

    def load(part: str, folder: Path | None) -> LabelledPictures:
        count, first = (40, 0) if part == "train" else (12, 1_000)
        seeds = [first + i for i in range(count)]
        if part == "test":
            seeds[0] = 0
        drawn = [np.asarray(draw_garment(KINDS[s % 4], s, 28).convert("L")) for s in seeds]
        labels = np.array([s % 4 for s in seeds], dtype=np.int64)
        ids = tuple(f"{part}-{i:05}" for i in range(count))
        return LabelledPictures(255 - np.stack(drawn)[..., None], labels, KINDS, ids)

    monkeypatch.setattr(fashion_mnist, "load", load)
    facts = write_data_report(CatalogConfig(), tmp_path)
    assert facts["split"]["by"] == "published"
    assert {name: part["rows"] for name, part in facts["split"]["parts"].items()} == {"train": 40, "test": 12}
    assert facts["split"]["leakage"]["same_file"] == 1
    assert facts["pixels"]["parts"]["train"]["pictures"] == 40
    assert "as published" in (tmp_path / "report.html").read_text(encoding="utf-8")
