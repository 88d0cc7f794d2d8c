"""What a products run learns: targets of any name, and the one of them by which it is judged."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from small_products import products_config

from shelfwise.bundle import ProductsBundle
from shelfwise.config import ProductsConfig
from shelfwise.data.catalog import read_catalog
from shelfwise.data.product_rows import load_products
from shelfwise.errors import ConfigError
from shelfwise.evaluate.product_scores import truths_of
from shelfwise.evaluate.products import ask_subsets
from shelfwise.metrics.multilabel import multilabel_scores
from shelfwise.predict.product_stream import columns_of, predict_products
from shelfwise.predict.products import ProductPredictor
from shelfwise.schema import Product
from shelfwise.train.products import train_products

NAMES = (
    "type",
    "a.b",
    "cat",
    "linear",
    "picture_vector",
    "status",
    "id",
    "known",
    "price",
    "price_probability",
    "",
)


@pytest.fixture(scope="module")
def named(products_table: Path, tmp_path_factory: pytest.TempPathFactory) -> ProductsBundle:
    """A bundle whose targets are called like things in torch, in the graph and in an answers file."""
    return train_products(named_config(products_table), tmp_path_factory.mktemp("named"))


def named_config(table: Path, **sections: Any) -> ProductsConfig:
    targets = {name: {"labels": ["colour" if i else "category"]} for i, name in enumerate(NAMES)}
    return products_config(table, **{"targets": targets, "train": {"epochs": 1}, **sections})


def products(table: Path, count: int) -> list[Product]:
    found = read_catalog(products_config(table).data)
    return [item for item in found if isinstance(item, Product)][:count]


def test_targets_may_be_called_like_anything_in_torch_or_in_the_graph(
    named: ProductsBundle, products_table: Path, tmp_path: Path
) -> None:
    assert tuple(named.reading.targets) == NAMES
    sides = [ProductPredictor.load(named.path, backend=backend) for backend in ("onnx", "torch")]
    asked = products(products_table, 1)
    ours, theirs = (next(side.predict(asked, products_table.parent)) for side in sides)
    for name in NAMES:
        expected = theirs.targets[name].probabilities
        assert ours.targets[name].probabilities == pytest.approx(expected, abs=1e-4)
    again = named_config(products_table, train={"epochs": 0.01, "lr": 1e-9})
    grown = train_products(again, tmp_path, init_from=named.path)
    before, after = (one.info["validation"]["picture+text"]["type"] for one in (named, grown))
    assert after == pytest.approx(before, abs=0.1)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_no_column_of_an_answers_file_is_taken_by_a_target(
    suffix: str, named: ProductsBundle, products_table: Path, tmp_path: Path
) -> None:
    predictor, out = ProductPredictor.load(named.path), tmp_path / f"answers{suffix}"
    predict_products(predictor, named.config.data, out)
    if suffix == ".csv":
        with out.open(newline="", encoding="utf-8") as file:
            rows: list[dict[str, Any]] = list(csv.DictReader(file))
    else:
        rows = parquet.read_table(out).to_pylist()
    asked = products(products_table, 3)
    answers = list(predictor.predict(asked, products_table.parent))
    for row, answer in zip(rows, answers, strict=False):
        assert (row["id"], row["status"]) == (answer.id, "ok")
        assert row["known"] in ("picture|text", ["picture", "text"])
        for target, column in (("status", "target_status"), ("id", "target_id"), ("cat", "cat")):
            assert row[column] in (answer.targets[target].labels[0], [*answer.targets[target].labels])
    assert len(rows) == 240


def test_columns_are_called_after_targets_where_they_can_be() -> None:
    found = columns_of(("kind", "bundle", "price_probability", "price", "target_bundle"))
    assert [labels for labels, _ in found.values()] == [
        *("kind", "target_bundle", "price_probability", "target_price", "target_target_bundle")
    ]
    names = [name for both in found.values() for name in both]
    assert len({*names}) == len(names)


@pytest.mark.parametrize("name", ["vectors", "asked"])
def test_a_target_with_the_name_of_something_else_in_answers_is_refused(
    name: str, products_table: Path, tmp_path: Path
) -> None:
    config = products_config(products_table, targets={name: {"labels": ["category"]}})
    with pytest.raises(
        ConfigError, match=f"target '{name}': answers use this name .* such as '{name}_label'"
    ):
        train_products(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def tagged(table: Path, folder: Path, **sections: Any) -> ProductsConfig:
    """A configuration whose first target has several values a product: the words for its kind and colour."""
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    source = folder / "tagged.csv"
    with source.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "tags"])
        writer.writeheader()
        writer.writerows({**row, "tags": f"{row['category']}|{row['colour']}"} for row in rows)
    (folder / "images").symlink_to(table.parent / "images")
    columns = {"images": ["image"], "title": "title", "multi_valued": ["tags"]}
    labels = {"category": "category", "tags": "tags"}
    data = {"source": str(source), "columns": {**columns, "labels": labels}}
    return products_config(source, data=data, **sections)


SEVERAL = {"labels": ["tags"], "several": True}


def test_joined_values_that_are_read_as_one_are_refused(products_table: Path, tmp_path: Path) -> None:
    config = tagged(products_table, tmp_path, targets={"tags": SEVERAL})
    columns = config.data.columns.model_copy(update={"multi_valued": ()})
    config = config.model_copy(update={"data": config.data.model_copy(update={"columns": columns})})
    with pytest.raises(ConfigError, match=r"targets\.tags has several values, but .*\|.* add 'tags' to data"):
        train_products(config, tmp_path / "run")


def test_the_main_target_is_the_first_with_one_value_a_product(products_table: Path, tmp_path: Path) -> None:
    targets = {"tags": SEVERAL, "kind": {"labels": ["category"]}}
    config = tagged(products_table, tmp_path, targets=targets, train={"epochs": 4, "evaluate_every": 1})
    seen: list[tuple[str | None, float | None]] = []
    bundle = train_products(
        config, tmp_path / "run", watch=lambda one: seen.append((one.metric, one.validation))
    )
    assert list(bundle.reading.targets) == ["kind", "tags"]
    assert bundle.meta.target == "kind"
    metric, score = seen[-1]
    assert metric == "accuracy"
    assert score == pytest.approx(bundle.info["validation"]["picture+text"]["kind"], abs=0.03)
    assert score is not None
    assert score > 0.9


def test_several_values_alone_are_judged_by_micro_f1(products_table: Path, tmp_path: Path) -> None:
    config = tagged(
        products_table, tmp_path, targets={"tags": SEVERAL}, train={"epochs": 8, "precision": "fp32"}
    )
    seen: list[tuple[str | None, float | None]] = []
    bundle = train_products(
        config, tmp_path / "run", watch=lambda one: seen.append((one.metric, one.validation))
    )
    metric, score = seen[-1]
    assert metric == "micro_f1"
    found = bundle.info["validation"]["picture+text"]["tags"]
    assert score == pytest.approx(found, abs=0.03)
    rows = load_products(config).parts["validation"]
    asked, truths = ask_subsets(ProductPredictor.load(bundle.path), rows), truths_of(bundle, rows)
    said = asked.probabilities["picture+text"]["tags"] >= 0.5
    assert found == pytest.approx(multilabel_scores(said, truths["tags"].labels == 1)["micro_f1"], abs=0.03)
    assert f"tags {found:.4f} (micro-F1)" in (bundle.path / "README.md").read_text()
    shared = config.shared.model_copy(update={"category": 0.2})
    with pytest.raises(
        ConfigError, match=r"shared\.category is 0\.2, but the main target, 'tags', has several"
    ):
        train_products(config.model_copy(update={"shared": shared}), tmp_path / "category")
