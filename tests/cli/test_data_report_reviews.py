"""`shelfwise data report` on reviews: what is taken for reviews, exit codes, and what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from shelfwise.cli import app
from shelfwise.data.synthetic_files import reviews_toml, write_reviews_csv
from shelfwise.data.synthetic_reviews import synthetic_reviews
from shelfwise.errors import ConfigError


def report(source: Path, out: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["data", "report", str(source), "--out", str(out), *options])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    write_reviews_csv(synthetic_reviews(40, seed=1), path)
    return path


@pytest.fixture
def config(tmp_path: Path, table: Path) -> Path:
    path = tmp_path / "reviews.toml"
    path.write_text(reviews_toml(table.name, "a test"), encoding="utf-8")
    return path


def test_a_reviews_config_is_reported(config: Path, tmp_path: Path) -> None:
    result = report(config, tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "40 rows in = 40 ok + 0 failed" in result.stdout
    assert "constructed: 40, which no buyer wrote" in result.stdout
    assert str(tmp_path / "out" / "report.html") in result.stdout
    assert json.loads((tmp_path / "out" / "report.json").read_text())["task"] == "reviews"


def test_a_table_that_looks_like_reviews_is_reported_as_such(table: Path, tmp_path: Path) -> None:
    result = report(table, tmp_path / "out")
    assert result.exit_code == 0, result.output
    facts = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (facts["task"], facts["columns"]["rating"]) == ("reviews", "rating")


def test_failed_rows_past_the_budget_are_exit_code_1(config: Path, table: Path, tmp_path: Path) -> None:
    with table.open("a", encoding="utf-8") as file:
        file.write("bad,p,c,t,words,eleven,1,2024-01-01,true\n")
    result = report(config, tmp_path / "out")
    assert result.exit_code == 1
    assert "1 rows failed, more than --max-errors 0" in result.stderr
    assert (tmp_path / "out" / "report.html").exists()
    assert report(config, tmp_path / "out", "--max-errors", "1").exit_code == 0


def test_a_configs_file_is_found_in_the_data_folder(
    config: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    table.rename(folder / table.name)
    monkeypatch.setenv("SHELFWISE_DATA", str(folder))
    result = report(config, tmp_path / "out")
    assert result.exit_code == 0, result.output


def test_reviews_have_no_target(config: Path, tmp_path: Path) -> None:
    result = report(config, tmp_path / "out", "--target", "category")
    assert isinstance(result.exception, ConfigError)
    assert "--target 'category'" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_an_out_that_cannot_be_fails_before_the_work(config: Path) -> None:
    result = report(config, config)
    assert isinstance(result.exception, FileExistsError)
    assert "reading" not in result.stderr
