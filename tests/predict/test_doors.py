"""The keystone: one row gives one answer through every door."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import draw_catalog
from PIL import Image
from pyarrow import parquet
from typer.testing import CliRunner

from shelfwise.cli import app
from shelfwise.predict import Predictor
from shelfwise.schema import Picture, Product

ROWS = 12
Answers = list[dict[str, Any]]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn catalogue, one of whose pictures is no picture and one in a mode of its own."""
    table = draw_catalog(tmp_path_factory.mktemp("shop"), ROWS, seed=11, size=(50, 70))
    images = table.parent / "images"
    (images / "p0003.png").write_text("<html>")
    Image.open(images / "p0005.png").convert("P").save(images / "p0005.png")
    return table


def products(table: Path) -> list[Product]:
    with table.open(newline="", encoding="utf-8") as file:
        return [Product(id=row["id"], images=(Picture(path=row["image"]),)) for row in csv.DictReader(file)]


def by_predictor(bundle: Path, table: Path, backend: Any = "onnx", precision: Any = "fp32") -> Answers:
    predictor = Predictor.load(bundle, threads=1, backend=backend, precision=precision)
    return [a.model_dump() for a in predictor.predict(products(table), image_root=table.parent)]


def by_bytes(bundle: Path, table: Path) -> Answers:
    """The pictures' bytes instead of their paths, one product a call."""
    predictor = Predictor.load(bundle, threads=1)
    answers = []
    for product in products(table):
        data = (table.parent / str(product.images[0].path)).read_bytes()
        answers += predictor.predict([Product(id=product.id, images=(Picture(data=data),))])
    return [answer.model_dump() for answer in answers]


def by_stream(bundle: Path, table: Path) -> Answers:
    predictor = Predictor.load(bundle, threads=1)
    return [a.model_dump() for a in predictor.stream(iter(products(table)), image_root=table.parent)]


def by_files(bundle: Path, table: Path, *options: str) -> Answers:
    files = [str(table.parent / str(product.images[0].path)) for product in products(table)]
    words = ["predict", str(bundle), *files, "--json", "--max-errors", "1", *options]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    answers: Answers = [json.loads(line) for line in result.stdout.splitlines()]
    return [{**answer, "id": Path(answer["id"]).stem} for answer in answers]


def by_parquet(bundle: Path, table: Path, *options: str) -> Answers:
    out = table.parent / "answers" / "answers.parquet"
    arguments = ["predict", str(bundle), str(table), "--out", str(out), "--max-errors", "1", *options]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    rows: Answers = parquet.read_table(out).to_pylist()
    return rows


def by_csv(bundle: Path, table: Path) -> Answers:
    out = table.parent / "answers" / "answers.csv"
    arguments = ["predict", str(bundle), str(table), "--out", str(out), "--max-errors", "1"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    with out.open(newline="", encoding="utf-8") as file:
        rows: Answers = list(csv.DictReader(file))
    for row in rows:
        scores = [some.rpartition(":") for some in row["top"].split("|") if some]
        row["top"] = [{"label": label, "probability": float(value)} for label, _, value in scores]
        row["warnings"] = [word for word in row["warnings"].split("|") if word]
    return rows


DOORS: dict[str, Callable[[Path, Path], Answers]] = {
    "bytes": by_bytes,
    "stream": by_stream,
    "files": by_files,
    "parquet": by_parquet,
    "csv": by_csv,
    "torch": lambda bundle, table: by_predictor(bundle, table, "torch"),
}
INT8_DOORS: dict[str, Callable[[Path, Path], Answers]] = {
    "files": lambda bundle, table: by_files(bundle, table, "--int8"),
    "parquet": lambda bundle, table: by_parquet(bundle, table, "--int8"),
}


@pytest.mark.parametrize("door", DOORS)
def test_one_row_gives_one_answer_through_every_door(tiny_bundle: Path, table: Path, door: str) -> None:
    expected = by_predictor(tiny_bundle, table)
    found = DOORS[door](tiny_bundle, table)
    compare(expected, found, 1e-4 if door == "torch" else 1e-6)


@pytest.mark.parametrize("door", INT8_DOORS)
def test_one_row_gives_one_answer_in_8_bits_too(tiny_bundle: Path, table: Path, door: str) -> None:
    expected = by_predictor(tiny_bundle, table, precision="int8")
    compare(expected, INT8_DOORS[door](tiny_bundle, table), 1e-6)
    floats = by_predictor(tiny_bundle, table)
    assert [row["label"] for row in expected] == [row["label"] for row in floats]
    assert expected != floats


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_openvino_gives_the_same_answers(tiny_bundle: Path, table: Path, precision: str) -> None:
    pytest.importorskip("openvino", reason="needs the extra 'openvino'")
    expected = by_predictor(tiny_bundle, table, precision=precision)
    compare(expected, by_predictor(tiny_bundle, table, "openvino", precision), 1e-4)


def compare(expected: Answers, found: Answers, tolerance: float) -> None:
    assert (
        [row["id"] for row in found] == [row["id"] for row in expected] == [f"p{i:04}" for i in range(ROWS)]
    )
    for one, other in zip(expected, found, strict=True):
        for key in ("status", "target", "label", "bundle"):
            assert (other[key] or None) == one[key]
        assert tuple(other["warnings"]) == one["warnings"]
        assert bool(other["error"]) == (one["status"] == "failed")
        assert [score["label"] for score in other["top"]] == [score["label"] for score in one["top"]]
        probabilities = [[score["probability"] for score in row["top"]] for row in (one, other)]
        assert np.allclose(*probabilities, atol=tolerance)


def test_the_catalogue_has_what_the_doors_must_agree_on(tiny_bundle: Path, table: Path) -> None:
    answers = by_predictor(tiny_bundle, table)
    assert [row["id"] for row in answers if row["status"] == "failed"] == ["p0003"]
    assert answers[5]["warnings"] == ("palette",)
    assert len({row["label"] for row in answers}) > 2
