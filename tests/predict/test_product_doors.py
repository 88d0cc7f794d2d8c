"""The keystone of products: one product gives one answer through every door, whatever is known of it."""

from __future__ import annotations

import asyncio
import base64
import csv
import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pyarrow as pa
import pytest
from drawn import draw_catalog
from pyarrow import parquet
from small_products import products_config
from typer.testing import CliRunner

from shelfwise.api.app import create_app
from shelfwise.cli import app
from shelfwise.config.serving import ServeConfig
from shelfwise.data.product_rows import load_products
from shelfwise.evaluate.products import ask_subsets
from shelfwise.predict.products import ProductPredictor
from shelfwise.schema import Picture, Product

MODALITIES = ("picture", "text", "table")
SUBSETS = tuple(some for size in (1, 2, 3) for some in combinations(MODALITIES, size))
TITLE = "Größe M: Élan red wool shoe 鞋 2"
FIELDS = {"price": "9.75", "maker": "Ålesund & Söner"}
TARGETS = ("category", "colour", "tags")
ALL = 99
Answers = dict[str, dict[str, Any]]
"""By id: the subset."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn catalogue with a number, a text and a list besides."""
    table = draw_catalog(tmp_path_factory.mktemp("shop"), 96, size=24)
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for i, row in enumerate(rows):
        row |= {"price": f"{5 + i % 9}.5", "maker": f"maker {i % 5}", "tags": ("new|warm", "warm", "")[i % 3]}
    rows[2] |= {"title": TITLE, **FIELDS}
    write(table, rows)
    return table


@pytest.fixture(scope="module")
def bundle(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of all three modalities."""
    from shelfwise.train.products import train_products

    return train_products(config_of(shop), tmp_path_factory.mktemp("run")).path


def config_of(shop: Path) -> Any:
    labels = {"category": "category", "colour": "colour", "tags": "tags"}
    columns = {"images": ["image"], "title": "title", "labels": labels, "multi_valued": ["tags"]}
    columns |= {"fields": {"price": "price", "maker": "maker"}}
    return products_config(
        shop,
        data={"columns": columns},
        targets={name: {"labels": [name], "several": name == "tags"} for name in TARGETS},
        table={"fields": ["price", "maker"]},
        fusion={"kind": "cross_attention"},
        train={"epochs": 4},
    )


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def named(subset: tuple[str, ...]) -> str:
    return "+".join(subset)


def product(shop: Path, subset: tuple[str, ...]) -> Product:
    """The product, as if the subset were all that is known."""
    return Product(
        id=named(subset),
        images=(Picture(path="images/p0002.png"),) if "picture" in subset else (),
        title=TITLE if "text" in subset else None,
        fields=dict(FIELDS) if "table" in subset else {},
    )


def by_predictor(bundle: Path, shop: Path, backend: Any = "onnx", precision: Any = "fp32") -> Answers:
    """All at once."""
    predictor = ProductPredictor.load(bundle, threads=1, backend=backend, precision=precision)
    found = predictor.predict([product(shop, subset) for subset in SUBSETS], shop.parent, top=ALL)
    return {answer.id: answer.model_dump() for answer in found}


def by_ones(bundle: Path, shop: Path) -> Answers:
    """One product a call, its picture as bytes, its price as the number that a Parquet file has."""
    predictor = ProductPredictor.load(bundle, threads=1)
    found = {}
    for subset in SUBSETS:
        given = product(shop, subset)
        images = tuple(Picture(data=(shop.parent / str(one.path)).read_bytes()) for one in given.images)
        fields = given.fields | ({"price": 9.75} if given.fields else {})
        given = given.model_copy(update={"images": images, "fields": fields})
        (answer,) = predictor.predict([given], Path(), top=ALL)
        found[given.id] = answer.model_dump()
    return found


def by_command(bundle: Path, shop: Path, *options: str) -> Answers:
    """`predict BUNDLE FILE --title --field --json`."""
    found = {}
    for subset in SUBSETS:
        words = [str(shop.parent / "images" / "p0002.png")] if "picture" in subset else []
        words += ["--title", TITLE] if "text" in subset else []
        if "table" in subset:
            words += [word for name, value in FIELDS.items() for word in ("--field", f"{name}={value}")]
        words += ["--json", "--top", str(ALL), *options]
        result = CliRunner().invoke(app, ["predict", str(bundle), *words])
        assert result.exit_code == 0, result.output
        found[named(subset)] = json.loads(result.stdout)
    return found


def rows_of(shop: Path) -> list[dict[str, str]]:
    """A row for each subset; what is not known is an empty cell."""
    return [
        {
            "id": named(subset),
            "title": TITLE if "text" in subset else "",
            "image": "images/p0002.png" if "picture" in subset else "",
            **{name: value if "table" in subset else "" for name, value in FIELDS.items()},
        }
        for subset in SUBSETS
    ]


def by_catalogue(bundle: Path, table: Path, out: Path) -> None:
    result = CliRunner().invoke(app, ["predict", str(bundle), str(table), "--out", str(out)])
    assert result.exit_code == 0, result.output


def by_parquet(bundle: Path, shop: Path) -> Answers:
    """A bare CSV file in, Parquet out."""
    table, out = shop.parent / "asked.csv", shop.parent / "answers" / "answers.parquet"
    write(table, rows_of(shop))
    by_catalogue(bundle, table, out)
    return unflattened(parquet.read_table(out).to_pylist())


def by_csv(bundle: Path, shop: Path) -> Answers:
    """A Parquet file whose prices are numbers in, CSV out."""
    table, out = shop.parent / "asked.parquet", shop.parent / "answers" / "answers.csv"
    rows = [{**row, "price": float(row["price"]) if row["price"] else None} for row in rows_of(shop)]
    parquet.write_table(pa.Table.from_pylist(rows), table)
    by_catalogue(bundle, table, out)
    with out.open(newline="", encoding="utf-8") as file:
        found: list[dict[str, Any]] = list(csv.DictReader(file))
    for row in found:
        row["known"] = row["known"].split("|")
        for name in TARGETS:
            joint = "|" if name == "tags" else " > "
            row[name] = [label for label in row[name].split(joint) if label]
            row[f"{name}_probability"] = [float(p) for p in row[f"{name}_probability"].split("|") if p]
    return unflattened(found)


def unflattened(rows: list[dict[str, Any]]) -> Answers:
    """A file's rows in the form of answers; a file has no `top`."""
    return {
        row["id"]: {
            **row,
            "targets": {
                name: {"labels": row[name], "probabilities": row[f"{name}_probability"]} for name in TARGETS
            },
        }
        for row in rows
    }


def by_http(bundle: Path, shop: Path) -> Answers:
    """JSON to `/v1/products/analyze`, all at once, its price as a number."""
    items = []
    for subset in SUBSETS:
        given = product(shop, subset)
        pictures = [(shop.parent / str(image.path)).read_bytes() for image in given.images]
        fields = given.fields | ({"price": 9.75} if given.fields else {})
        about = {"id": given.id, "title": given.title, "fields": fields}
        items.append(about | {"pictures": [{"data": base64.b64encode(one).decode()} for one in pictures]})
    serving = create_app(ServeConfig(threads=1, precision="fp32"), [str(bundle)])

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(serving)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.post(f"/v1/products/analyze?top={ALL}", json={"items": items})

    response = asyncio.run(ask())
    assert response.status_code == 200, response.text
    found = {}
    for item in response.json()["items"]:
        targets = {TARGETS[0]: item["category"], **item["attributes"]}
        found[item["id"]] = item | {"targets": targets, "bundle": item["by"]["product"]["bundle"]}
    return found


DOORS: dict[str, Callable[[Path, Path], Answers]] = {
    "ones": by_ones,
    "torch": lambda bundle, shop: by_predictor(bundle, shop, "torch"),
    "command": by_command,
    "http": by_http,
    "parquet": by_parquet,
    "csv": by_csv,
}


@pytest.mark.parametrize("door", DOORS)
def test_one_product_gives_one_answer_through_every_door(bundle: Path, shop: Path, door: str) -> None:
    compare(by_predictor(bundle, shop), DOORS[door](bundle, shop))


def test_one_product_gives_one_answer_in_8_bits_too(bundle: Path, shop: Path) -> None:
    expected = by_predictor(bundle, shop, precision="int8")
    compare(expected, by_command(bundle, shop, "--int8"))
    floats = by_predictor(bundle, shop)
    assert expected["picture"] != floats["picture"]
    assert expected["text"] == floats["text"]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_openvino_gives_the_same_answers(bundle: Path, shop: Path, precision: str) -> None:
    pytest.importorskip("openvino", reason="needs the extra 'openvino'")
    expected = by_predictor(bundle, shop, precision=precision)
    compare(expected, by_predictor(bundle, shop, "openvino", precision))


def compare(expected: Answers, found: Answers) -> None:
    assert list(found) == list(expected) == [named(subset) for subset in SUBSETS]
    for subset in SUBSETS:
        one, other = expected[named(subset)], found[named(subset)]
        assert one["status"] == other["status"] == "ok"
        assert tuple(other["known"]) == subset
        assert other["bundle"] == one["bundle"]
        for name, said in one["targets"].items():
            again = other["targets"][name]
            assert tuple(again["labels"]) == said["labels"]
            assert again["probabilities"] == pytest.approx(list(said["probabilities"]), abs=1e-4)
            if "top" in again:
                scores = [{s["label"]: s["probability"] for s in each["top"]} for each in (said, again)]
                assert scores[1] == pytest.approx(scores[0], abs=1e-4)


def test_what_is_measured_is_what_is_answered(bundle: Path, shop: Path) -> None:
    predictor = ProductPredictor.load(bundle, threads=1)
    parts = load_products(config_of(shop)).parts
    rows = next(part for part in parts.values() if "p0002" in part.ids)
    asked = ask_subsets(predictor, rows)
    place = rows.ids.index("p0002")
    for subset, said in asked.probabilities.items():
        answer = by_predictor(bundle, shop)[subset]
        for name, probabilities in said.items():
            paths = predictor.bundle.reading.targets[name].paths
            measured = {path[-1]: float(p) for path, p in zip(paths, probabilities[place], strict=True)}
            told = {score["label"]: score["probability"] for score in answer["targets"][name]["top"]}
            assert told == pytest.approx(measured, abs=1e-4)
    assert set(asked.probabilities) == set(map(named, SUBSETS))


def test_what_is_explained_is_what_is_answered(bundle: Path, shop: Path, tmp_path: Path) -> None:
    words = [str(shop.parent / "images" / "p0002.png"), "--title", TITLE, "--target", "category"]
    words += [word for name, value in FIELDS.items() for word in ("--field", f"{name}={value}")]
    result = CliRunner().invoke(app, ["explain", str(bundle), *words, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    said = json.loads((tmp_path / "explanation.json").read_text(encoding="utf-8"))
    answer = by_predictor(bundle, shop)[named(MODALITIES)]["targets"]["category"]["top"][0]
    assert said["answer"]["label"] == answer["label"]
    assert said["answer"]["probability"] == pytest.approx(answer["probability"], abs=1e-4)
    assert set(said["modalities"]) == set(MODALITIES)


def test_the_subsets_have_what_the_doors_must_agree_on(bundle: Path, shop: Path) -> None:
    answers = by_predictor(bundle, shop)
    said = [
        [score["probability"] for target in answer["targets"].values() for score in target["top"]]
        for answer in answers.values()
    ]
    assert not any(np.allclose(one, other, atol=1e-3) for one, other in combinations(said, 2))
    assert any(answer["targets"]["tags"]["labels"] for answer in answers.values())


def test_a_field_that_the_bundle_does_not_read_is_named(bundle: Path, shop: Path, tiny_bundle: Path) -> None:
    def refused(*words: str) -> str:
        return str(CliRunner().invoke(app, ["predict", *words]).exception)

    assert "reads the fields: price, maker" in refused(str(bundle), "--field", "size=M")
    assert "expected NAME=VALUE" in refused(str(bundle), "--field", "price")
    assert "--field is of one product" in refused(
        str(bundle), str(shop), "--field", "price=1", "--out", "a.csv"
    )
    assert "--field is for these" in refused(str(tiny_bundle), "x.png", "--field", "price=1")
    words = ["explain", str(tiny_bundle), "x.png", "--field", "a=1", "--out", "why"]
    explained = CliRunner().invoke(app, words)
    assert "--field is for these" in str(explained.exception)


def test_a_table_with_other_columns_is_guessed_and_a_part_of_them_is_enough(
    bundle: Path, shop: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [{"id": row["id"], "title": TITLE} for row in rows_of(shop)]
    table, out = shop.parent / "few.csv", shop.parent / "answers" / "few.parquet"
    write(table, rows)
    by_catalogue(bundle, table, out)
    assert {tuple(row["known"]) for row in parquet.read_table(out).to_pylist()} == {("text",)}
    assert "are guessed" not in caplog.text
    write(table, [{"sku": f"s{i}", "name": TITLE} for i in range(3)])
    by_catalogue(bundle, table, out)
    assert [row["id"] for row in parquet.read_table(out).to_pylist()] == ["s0", "s1", "s2"]
    assert "are guessed" in caplog.text
