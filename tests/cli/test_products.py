"""`train`, `evaluate` and `predict` of products through the real command: what they print and refuse."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import parquet
from small_products import products_config

from shelfwise import cli

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the command line in this process; exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["shelfwise", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return call


@pytest.fixture
def config(products_table: Path, tmp_path: Path) -> Path:
    path = tmp_path / "shop.json"
    path.write_text(products_config(products_table).model_dump_json())
    return path


def test_a_catalogue_is_learned_and_the_next_command_is_named(run: Run, config: Path) -> None:
    code, out, _ = run(
        "train", config, "--set", "train.epochs=1", "--set", "fusion.kind=late", "--out", "run"
    )
    assert code == 0
    assert "validation category 0." in out
    assert "next:   shelfwise evaluate run/bundle" in out
    code, _, err = run("train", config, "--set", "fusion.kind=early", "--out", "other")
    assert code == 2
    assert "fusion.kind" in err


def test_every_target_is_measured_from_every_subset(
    run: Run, config: Path, tiny_products_bundle: Path, tmp_path: Path
) -> None:
    code, out, err = run("evaluate", tiny_products_bundle, config, "--out", "found", "--part", "train")
    assert code == 0, err
    assert "picture + text" in out
    assert "a title finds its picture among" in out
    found = json.loads((tmp_path / "found" / "metrics.json").read_text())
    for target in ("category", "colour"):
        assert set(found["targets"][target]) == {"picture", "text", "picture+text"}
        for figures in found["targets"][target].values():
            low, high = figures["accuracy"]["ci95"]
            assert low <= figures["accuracy"]["value"] <= high
            assert figures["ece"]["value"] >= 0
    assert found["fusion"]["category"]["best_single"] in ("picture", "text")
    assert found["retrieval"]["name_to_picture"]["classes"] == 4
    assert found["retrieval"]["title_to_picture"]["recall@10"]["value"] > 0.2
    assert found["data"]["rows"] == found["data"]["pictures"]
    assert "report:  found/report.html\nmetrics: found/metrics.json\n" in out
    assert sorted(path.name for path in (tmp_path / "found").iterdir()) == [
        "accuracy.png", "learning_curves.png", "metrics.json", "reliability.png", "report.html", "rows.png",
    ]  # fmt: skip


def test_a_product_is_told_by_picture_title_or_both(
    run: Run, tiny_products_bundle: Path, products_table: Path
) -> None:
    picture = products_table.parent / "images" / "p0002.png"
    code, out, err = run("predict", tiny_products_bundle, picture, "--title", "Elder Red wool shoe 2")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("category  shoe ")
    assert "from picture and text, by tiny@" in out
    code, out, _ = run("predict", tiny_products_bundle, "--title", "Fir Blue wool bag 7", "--json")
    answer = json.loads(out)
    assert answer["known"] == ["text"]
    assert answer["targets"]["category"]["labels"] == ["bag"]
    code, out, _ = run("predict", tiny_products_bundle, "none.png")
    assert (code, out.startswith("failed: ")) == (1, True)


def test_a_catalogue_is_answered_row_by_row(
    run: Run, tiny_products_bundle: Path, config: Path, tmp_path: Path
) -> None:
    code, out, _ = run("predict", tiny_products_bundle, config, "--out", "answers.parquet")
    assert code == 0
    assert "240 rows = 240 ok + 0 failed" in out
    table = parquet.read_table(tmp_path / "answers.parquet").to_pylist()
    assert table[2]["category"] == ["shoe"]
    assert table[2]["known"] == ["picture", "text"]
    run("predict", tiny_products_bundle, config, "--out", "answers.csv")
    with (tmp_path / "answers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 240
    assert rows[2]["category"] == "shoe"
    assert rows[2]["known"] == "picture|text"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name pictures, a --title, or both"),
        (("--text", "Good."), "--text and --int8 are for reviews bundles"),
        (("shop.csv",), "is a catalogue: add --out"),
        (("shop.csv", "--title", "Shoe", "--out", "a.csv"), "--title is of one product"),
        (("shop.csv", "--out", "a.txt"), "expected a .parquet or .csv file"),
    ],
)
def test_what_cannot_be_asked_is_one_line(
    run: Run, tiny_products_bundle: Path, arguments: tuple[str, ...], said: str
) -> None:
    code, _, err = run("predict", tiny_products_bundle, *arguments)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1
