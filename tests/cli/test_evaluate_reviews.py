"""`shelfwise evaluate` and `train` on reviews, as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shelfwise import cli
from shelfwise.data.synthetic_files import reviews_toml, write_reviews_csv
from shelfwise.data.synthetic_reviews import synthetic_reviews
from shelfwise.errors import ConfigError, DataError


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli.app, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reviews")
    write_reviews_csv(list(synthetic_reviews(400, seed=3)), folder / "reviews.csv")
    (folder / "reviews.toml").write_text(reviews_toml("reviews.csv", "a test"), encoding="utf-8")
    return folder / "reviews.toml"


SMALL = (
    *("--set", "encoder.width=16", "--set", "encoder.layers=2", "--set", "encoder.pretrain=1"),
    *("--set", "train.epochs=2", "--set", "aspects.epochs=1", "--set", "aspects.weak=200"),
)


def test_train_evaluate_and_compare_go_together(config: Path, tmp_path: Path) -> None:
    said = run("train", str(config), "--out", str(tmp_path / "run"), *SMALL)
    assert "validation accuracy" in said
    assert "qwk" in said
    bundle = str(tmp_path / "run" / "bundle")
    said = run("evaluate", bundle, str(config), "--out", str(tmp_path / "report"))
    assert "TF-IDF" in said
    assert "…" not in said, "the table is too wide for a terminal of 80 columns"
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert metrics["task"] == "reviews"
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Quadratic weighted kappa" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    said = run("evaluate", bundle, bundle, str(config), "--out", str(tmp_path / "both"))
    assert "comparison.json" in said
    assert "…" not in said
    compared = json.loads((tmp_path / "both" / "comparison.json").read_text())
    assert compared["data"]["source"] == "reviews.csv"
    assert all(row["difference"]["value"] == 0 for row in compared["metrics"].values())


def test_baselines_can_be_left_out(config: Path, tiny_reviews_bundle: Path, tmp_path: Path) -> None:
    said = run("evaluate", str(tiny_reviews_bundle), str(config), "--out", str(tmp_path), "--no-baselines")
    assert "TF-IDF" not in said
    assert "baselines" not in json.loads((tmp_path / "metrics.json").read_text())


def test_a_wrong_column_an_empty_and_a_binary_file_are_clear_errors(
    tiny_reviews_bundle: Path, tmp_path: Path
) -> None:
    bundle, out = str(tiny_reviews_bundle), str(tmp_path / "out")
    (tmp_path / "wrong.toml").write_text(
        'task = "reviews"\n[data]\nsource = "r.csv"\n[data.columns]\ntext = "body"\nrating = "stars"\n'
    )
    (tmp_path / "r.csv").write_text("text,stars\nGood.,5\n")
    with pytest.raises(DataError, match="has no column 'body'"):
        run("evaluate", bundle, str(tmp_path / "wrong.toml"), "--out", out)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match="is empty"):
        run("evaluate", bundle, str(tmp_path / "empty.csv"), "--out", out)
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)) * 50)
    with pytest.raises(DataError, match="is a binary file"):
        run("evaluate", bundle, str(tmp_path / "binary.csv"), "--out", out)
    (tmp_path / "plain.csv").write_text("text,size\nA long review without any stars which is a pity.,small\n")
    with pytest.raises(ConfigError, match="needs the stars"):
        run("evaluate", bundle, str(tmp_path / "plain.csv"), "--out", out)


def test_bundles_of_two_tasks_are_not_compared(
    config: Path, tiny_reviews_bundle: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="compare bundles of one task"):
        run("evaluate", str(tiny_reviews_bundle), str(tiny_bundle), str(config), "--out", str(tmp_path))
