"""`shelfwise reviews summarize` through the real command: files, the table, bad rows, and exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import parquet

from shelfwise import cli
from shelfwise.data.synthetic_files import reviews_toml, write_reviews_csv
from shelfwise.data.synthetic_reviews import synthetic_reviews

Run = Callable[..., tuple[int, str, str]]
FILES = {"report.html", "summary.json", "products.parquet", "reviews.parquet"}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process; exit code, stdout and stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["shelfwise", "reviews", "summarize", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return call


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder to run in: sixty reviews and a config that reads them."""
    write_reviews_csv(synthetic_reviews(60, seed=8), tmp_path / "reviews.csv")
    (tmp_path / "reviews.toml").write_text(reviews_toml("reviews.csv", "the tests"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    return tmp_path


def test_a_reviews_file_becomes_tables_numbers_and_a_page(
    run: Run, tiny_reviews_bundle: Path, shop: Path
) -> None:
    code, out, _ = run(tiny_reviews_bundle, "reviews.csv", "--out", "said", "--threads", 1)
    assert code == 0
    assert out.splitlines()[0] == "60 rows = 60 ok + 0 failed"
    assert out.splitlines()[-2:] == [
        "page: said/report.html (every number: said/summary.json)",
        "tables: said/reviews.parquet, said/products.parquet",
    ]
    assert {path.name for path in (shop / "said").iterdir()} == FILES
    rows = parquet.read_table(shop / "said" / "reviews.parquet").to_pylist()
    assert [row["status"] for row in rows] == ["ok"] * 60
    for row in rows:
        for opinion in row["opinions"]:
            assert row[opinion["part"]][opinion["start"] : opinion["end"]] == opinion["quote"]


def test_a_config_and_its_file_give_the_same(run: Run, tiny_reviews_bundle: Path, shop: Path) -> None:
    for source, out in (("reviews.csv", "one"), ("reviews.toml", "other")):
        assert run(tiny_reviews_bundle, source, "--out", out)[0] == 0
    one, other = (json.loads((shop / out / "summary.json").read_text()) for out in ("one", "other"))
    assert one["catalogue"]["reviews"] == other["catalogue"]["reviews"] == 60
    assert one["catalogue"]["stars"] == other["catalogue"]["stars"]
    assert one["products_total"] == other["products_total"]


def test_the_summary_is_printed_as_json_where_asked(run: Run, tiny_reviews_bundle: Path, shop: Path) -> None:
    code, out, _ = run(tiny_reviews_bundle, "reviews.csv", "--out", "said", "--json")
    assert code == 0
    assert json.loads(out) == json.loads((shop / "said" / "summary.json").read_text())["catalogue"]


def test_rows_that_fail_are_counted_and_are_in_the_exit_code(
    run: Run, tiny_reviews_bundle: Path, shop: Path
) -> None:
    with (shop / "reviews.csv").open("a", encoding="utf-8") as file:
        file.write("x1,dress-1,Dress,Odd,Some text,5,1,2024-05-01,true,one cell too many\n")
    code, out, err = run(tiny_reviews_bundle, "reviews.csv", "--out", "said")
    assert code == 1
    assert out.splitlines()[0] == "61 rows = 60 ok + 1 failed"
    assert err.splitlines()[-1] == "1 failed, more than --max-errors 0"
    assert {path.name for path in (shop / "said").iterdir()} == FILES
    assert run(tiny_reviews_bundle, "reviews.csv", "--out", "said", "--max-errors", 1)[0] == 0


def test_what_a_user_can_mend_is_one_line_and_exit_code_2(
    run: Run, tiny_reviews_bundle: Path, tiny_bundle: Path, shop: Path
) -> None:
    (shop / "file").write_text("")
    for arguments, words in (
        (("nowhere", "reviews.csv", "--out", "said"), "bundle 'nowhere' not found"),
        ((tiny_bundle, "reviews.csv", "--out", "said"), "this needs one of reviews"),
        ((tiny_reviews_bundle, "nowhere.csv", "--out", "said"), "nowhere.csv"),
        ((tiny_reviews_bundle, "reviews.csv", "--out", "file"), "cannot be made a folder"),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert words in err
        assert err.splitlines()[-1].startswith("shelfwise: ")
    assert not (shop / "said").exists()
