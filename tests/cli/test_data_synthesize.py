"""`shelfwise data synthesize`: files that are ready to use, never in the place of a shop's own."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shelfwise.cli import app
from shelfwise.config import load_reviews_config
from shelfwise.data import fashion_mnist
from shelfwise.data.pair_tables import read_pairs
from shelfwise.data.reviews import read_reviews
from shelfwise.errors import DataError
from shelfwise.schema import Review, RowError


def run(out: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["data", "synthesize", "--out", str(out), *arguments])
    if isinstance(result.exception, Exception):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "reviews.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_reviews_and_their_config_are_written(tmp_path: Path) -> None:
    out = tmp_path / "new" / "ünder"
    said = run(out, "--reviews", "200", "--pairs", "0", "--noise", "0.1")
    assert f"{out / 'reviews.csv'}: 200 constructed reviews" in said
    found = rows(out)
    assert Counter(row["rating"] for row in found) == {"1": 20, "2": 20, "3": 40, "4": 60, "5": 60}
    assert {row["constructed"] for row in found} == {"true"}
    config = load_reviews_config(out / "reviews.toml")
    read = list(read_reviews(config.data))
    assert [item for item in read if isinstance(item, RowError)] == []
    assert all(item.constructed for item in read if isinstance(item, Review))
    assert config.data.source == str(out / "reviews.csv")
    columns = config.data.columns
    single = {name for name in columns.model_dump(exclude={"fields"}).values() if name}
    assert single | set(columns.fields.values()) == set(found[0])
    assert sorted(path.name for path in out.iterdir()) == ["reviews.csv", "reviews.toml"]


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        run(tmp_path / name, "--reviews", "30", "--pairs", "0", "--seed", seed)
    a, b, c = ((tmp_path / name / "reviews.csv").read_bytes() for name in "abc")
    assert a == b != c


def test_pairs_are_written_where_fashion_mnist_is(tmp_path: Path) -> None:
    try:
        fashion_mnist.locate(addresses=())
    except DataError:
        pytest.skip("Fashion-MNIST is not on this machine; install dataset-fashion-mnist")
    said = run(tmp_path, "--reviews", "50", "--pairs", "300")
    assert "300 constructed pairs" in said
    pairs = read_pairs(tmp_path / "pairs.parquet")
    assert len(pairs) == 300
    assert {review.id for review in pairs.reviews} == {row["id"] for row in rows(tmp_path)}
    assert all(name.startswith("train-") for name in pairs.picture_ids)
    with pytest.raises(DataError, match="ask for fewer pairs or make more reviews"):
        run(tmp_path / "none", "--reviews", "10", "--pairs", "100000")
    assert not (tmp_path / "none").exists()


def test_without_fashion_mnist_the_pairs_are_left_out_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: object, **__: object) -> Path:
        raise DataError("Fashion-MNIST is nowhere")

    monkeypatch.setattr(fashion_mnist, "locate", nowhere)
    said = run(tmp_path, "--reviews", "10")
    assert "pairs.parquet: left out" in said
    assert "shelfwise data get fashion-mnist" in said
    assert not (tmp_path / "pairs.parquet").exists()


def test_existing_files_are_kept_unless_forced(tmp_path: Path) -> None:
    own = tmp_path / "reviews.csv"
    own.write_text("a shop's own")
    with pytest.raises(DataError, match=r"reviews.csv' exists; choose another --out, or --force"):
        run(tmp_path, "--pairs", "0")
    assert own.read_text() == "a shop's own"
    run(tmp_path, "--pairs", "0", "--reviews", "5", "--force")
    assert len(rows(tmp_path)) == 5


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        run(tmp_path / "file" / "below", "--pairs", "0", "--reviews", "5")


def test_senseless_numbers_are_refused(tmp_path: Path) -> None:
    for arguments in (["--reviews", "0"], ["--pairs", "-1"], ["--noise", "1.1"]):
        result = CliRunner().invoke(app, ["data", "synthesize", "--out", str(tmp_path), *arguments])
        assert result.exit_code == 2
