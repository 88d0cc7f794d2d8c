"""A whole catalogue to Parquet and CSV: a line for every row, and no file unless it is whole."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from drawn import draw_catalog
from pyarrow import parquet

from shelfwise.errors import DataError
from shelfwise.predict import Predictor
from shelfwise.predict.predictor import CHUNK
from shelfwise.predict.stream import COLUMNS, WRITERS, Counts, predict_catalog
from shelfwise.schema import Prediction

GOOD = 20


@pytest.fixture(scope="module")
def predictor(tiny_bundle: Path) -> Predictor:
    return Predictor.load(tiny_bundle, threads=1)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A drawn catalogue of `GOOD` rows and five that cannot be answered."""
    table = draw_catalog(tmp_path / "shop", GOOD)
    (table.parent / "images" / "page.jpg").write_text("<html>")
    whole = (table.parent / "images" / "p0000.png").read_bytes()
    (table.parent / "images" / "half.png").write_bytes(whole[: len(whole) // 2])
    with table.open("a", encoding="utf-8") as file:
        file.write("p9001,Lost shirt,shirt,red,images/lost.png\n")
        file.write("p9002,A page,shirt,red,images/page.jpg\n")
        file.write("p9003,Half a shirt,shirt,red,images/half.png\n")
        file.write("p0000,Twice,shirt,red,images/p0001.png\n")
        file.write(",Nameless,shirt,red,images/p0001.png\n")
    return table


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of an answer file, in the types of the Parquet file."""
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pylist()
    with path.open(newline="", encoding="utf-8") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    for row in rows:
        scores = [some.rpartition(":") for some in row["top"].split("|") if some]
        row["top"] = [{"label": label, "probability": float(value)} for label, _, value in scores]
        row["warnings"] = [word for word in row["warnings"].split("|") if word]
        row["probability"] = float(row["probability"]) if row["probability"] else None
        for key in ("target", "label", "error", "error_kind"):
            row[key] = row[key] or None
    return rows


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_row_gets_a_line_and_bad_ones_a_reason(
    predictor: Predictor, table: Path, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / "deep" / "down" / f"answers{suffix}"
    counts = predict_catalog(predictor, str(table), out, top=2)
    rows = read(out)
    assert (counts.ok, counts.failed, counts.rows) == (GOOD, 5, GOOD + 5) == (GOOD, 5, len(rows))
    assert tuple(rows[0]) == COLUMNS
    assert [row["status"] for row in rows] == ["ok"] * GOOD + ["failed"] * 5
    assert [row["id"] for row in rows[-5:]] == ["p9001", "p9002", "p9003", "p0000", "row 26"]
    for row, word in zip(rows[-5:], ("lost.png", "HTML", "ends too early", "same id", "id"), strict=True):
        assert word in row["error"]
        assert row["label"] is None
        assert row["probability"] is None
    assert counts.kinds["duplicate_id"] == counts.kinds["missing_id"] == counts.kinds["picture_missing"] == 1
    assert all(bool(row["error_kind"]) == (row["status"] == "failed") for row in rows)
    assert all(len(row["top"]) == 2 and row["top"][0]["label"] == row["label"] for row in rows[:GOOD])
    assert {row["bundle"] for row in rows} == {predictor.bundle.label}
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_parquet_and_csv_hold_the_same(predictor: Predictor, table: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"answers{suffix}" for suffix in WRITERS]
    for out in files:
        predict_catalog(predictor, str(table), out)
    for one, other in zip(*map(read, files), strict=True):
        for row in (one, other):
            for score in row["top"]:
                score["probability"] = pytest.approx(score["probability"], rel=1e-5)
        assert one == other


def test_more_rows_than_a_chunk_come_in_order(predictor: Predictor, tmp_path: Path) -> None:
    table = draw_catalog(tmp_path / "shop", 4, size=28)
    lines = table.read_text().splitlines()
    rows = [f"q{i}," + lines[1 + i % 4].partition(",")[2] for i in range(CHUNK + 5)]
    table.write_text("\n".join([lines[0], *rows]) + "\n")
    out = tmp_path / "answers.parquet"
    counts = predict_catalog(predictor, str(table), out)
    found = read(out)
    assert counts.ok == len(found) == CHUNK + 5
    assert [row["id"] for row in found] == [f"q{i}" for i in range(CHUNK + 5)]
    assert len({row["probability"] for row in found[::4]}) == 1
    assert parquet.ParquetFile(out).num_row_groups == 2


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_table_without_rows_gives_a_file_without_rows(
    predictor: Predictor, tmp_path: Path, suffix: str
) -> None:
    empty = tmp_path / "empty.toml"
    (tmp_path / "empty.csv").write_text("id,image\n")
    empty.write_text('[data]\nsource = "empty.csv"\n[data.columns]\nimages = ["image"]\n')
    out = tmp_path / f"answers{suffix}"
    assert predict_catalog(predictor, str(empty), out) == Counts()
    assert read(out) == []


def test_fashion_mnist_is_a_catalogue_whose_pixels_arrive_as_they_are(
    predictor: Predictor, drawn_pictures: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = drawn_pictures(20, seed=300)
    monkeypatch.setattr("shelfwise.data.fashion_mnist.load", lambda split, folder: data)
    out = tmp_path / "answers.parquet"
    assert predict_catalog(predictor, "fashion-mnist", out) == Counts(ok=20)
    rows = read(out)
    assert [row["id"] for row in rows] == list(data.ids)
    best = predictor.probabilities(data.images).max(axis=1)
    assert [row["probability"] for row in rows] == pytest.approx(best.tolist(), abs=1e-6)


@pytest.mark.parametrize("name", ["answers", "answers.json", "answers.parquet.gz"])
def test_another_ending_is_refused_before_anything_is_read(
    predictor: Predictor, tmp_path: Path, name: str
) -> None:
    with pytest.raises(DataError, match=r"expected a \.parquet or \.csv file"):
        predict_catalog(predictor, "nowhere.csv", tmp_path / "new" / name)
    assert not (tmp_path / "new").exists()


def test_a_place_that_cannot_be_written_is_said_at_once(
    predictor: Predictor, table: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").write_text("")
    for out, words in (
        (tmp_path / "folder.csv", "is a folder"),
        (tmp_path / "file" / "answers.csv", "cannot be made"),
        (table, "is the catalogue itself"),
    ):
        before = table.read_bytes()
        with pytest.raises(DataError, match=words):
            predict_catalog(predictor, str(table), out)
        assert table.read_bytes() == before


@pytest.mark.parametrize("suffix", WRITERS)
def test_an_interrupted_write_leaves_no_file_and_an_old_one_whole(
    predictor: Predictor, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = draw_catalog(tmp_path / "shop", 8, size=28)
    out = tmp_path / "out" / f"answers{suffix}"
    monkeypatch.setattr("shelfwise.predict.stream.CHUNK", 4)
    answer, calls = Predictor.predict, []

    def interrupted(self: Predictor, *rest: Any, **named: Any) -> list[Prediction]:
        calls.append(1)
        if len(calls) % 2 == 0:
            raise KeyboardInterrupt
        return answer(self, *rest, **named)

    monkeypatch.setattr(Predictor, "predict", interrupted)
    for old in ([], ["old"]):
        for text in old:
            out.write_text(text)
        with pytest.raises(KeyboardInterrupt):
            predict_catalog(predictor, str(table), out)
        assert [path.read_text() for path in out.parent.iterdir()] == old
    assert len(calls) == 4
