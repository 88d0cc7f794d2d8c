"""Pictures and titles that learn from each other alone: a bundle without targets trains and answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import draw_catalog
from small_products import products_config

from shelfwise.bundle import ProductsBundle
from shelfwise.config import ProductsConfig
from shelfwise.data.catalog import read_catalog
from shelfwise.data.product_rows import load_products
from shelfwise.errors import ConfigError, DataError
from shelfwise.evaluate.product_pairs import compare_products
from shelfwise.evaluate.products import evaluate_products
from shelfwise.explain.by_answers import explain_by_answers
from shelfwise.explain.neighbours import known_products, nearest_products
from shelfwise.predict.products import ProductPredictor
from shelfwise.reports.product_report import write_product_report
from shelfwise.schema import Product
from shelfwise.service.analysis import analyze
from shelfwise.service.models import OpenModel, self_test
from shelfwise.train.fit import Watch
from shelfwise.train.product_inputs import load_product_inputs
from shelfwise.train.products import train_products
from shelfwise.tune.objective import TASKS


def alone(table: Path, **sections: Any) -> ProductsConfig:
    columns = {"images": ["image"], "title": "title"}
    sections = {"fusion": {"kind": "late"}} | sections
    return products_config(table, data={"source": str(table), "columns": columns}, **sections)


@pytest.fixture(scope="module")
def bundle(alone_bundle: Path) -> ProductsBundle:
    return ProductsBundle.open(alone_bundle)


@pytest.fixture(scope="module")
def predictor(bundle: ProductsBundle) -> ProductPredictor:
    return ProductPredictor.load(bundle.path, threads=1)


def products(table: Path) -> list[Product]:
    return [item for item in read_catalog(alone(table).data) if isinstance(item, Product)]


def test_titles_come_to_find_their_pictures(bundle: ProductsBundle, products_table: Path) -> None:
    assert (dict(bundle.reading.targets), bundle.classes, bundle.meta.target) == ({}, (), "")
    rows = load_product_inputs(alone(products_table)).validation
    by_chance = float(np.mean(1 / np.arange(1, len(rows) + 1)))
    assert bundle.info["search"]["mrr"] > 2 * by_chance
    assert max(gap for name, gap in bundle.info["parity"].items() if "int8" not in name) < 1e-4
    card = (bundle.path / "README.md").read_text()
    assert "Makes vectors of products, from picture and text" in card
    assert "Titles find their pictures on validation" in card
    assert "has learned no classes" in card


def test_onnx_and_torch_make_the_same_vectors_and_answers_are_ok(
    bundle: ProductsBundle, predictor: ProductPredictor, products_table: Path
) -> None:
    asked = products(products_table)[:6]
    asked[0] = asked[0].model_copy(update={"title": None})
    asked[1] = asked[1].model_copy(update={"images": ()})
    other = ProductPredictor.load(bundle.path, backend="torch")
    ours, theirs = (
        side.scores(side.encode(side.read(asked, products_table.parent))).vectors
        for side in (predictor, other)
    )
    assert ours is not None
    assert theirs is not None
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
    answers = list(predictor.predict([*asked, Product(id="empty")], products_table.parent))
    assert [answer.status for answer in answers] == ["ok"] * 6 + ["failed"]
    assert answers[2].known == ("picture", "text")
    assert not answers[2].targets
    named = next(predictor.predict(asked[2:3], products_table.parent, among=predictor.named(["shoe", "bag"])))
    assert set(named.targets) == {"asked"}


def test_what_is_alike_is_told_and_nothing_is_explained(
    bundle: ProductsBundle, predictor: ProductPredictor, products_table: Path
) -> None:
    known = known_products(bundle)
    assert not isinstance(known, str)
    near = nearest_products(bundle, known, known.vectors[3], top=1)[0]
    assert (near.id, near.label) == (known.ids[3], None)
    with pytest.raises(DataError, match="has learned no targets, so there is no answer to explain"):
        explain_by_answers(predictor, products(products_table)[0], products_table.parent)


def test_only_search_is_measured(predictor: ProductPredictor, products_table: Path, tmp_path: Path) -> None:
    rows = load_products(alone(products_table)).parts["test"]
    found = evaluate_products(predictor, rows, part="test", source="shop.csv")
    json.dumps(found, allow_nan=False)
    assert (found["main"], found["targets"], found["fusion"]) == (None, {}, {})
    assert found["retrieval"]["title_to_picture"]["queries"] == len(rows)
    assert found["retrieval"]["name_to_picture"] == {}
    page = write_product_report(found, predictor.bundle.journal(), tmp_path).read_text(encoding="utf-8")
    assert "learned no targets: only search is measured" in page
    assert "Title finds picture" in page
    assert 'id="targets"' not in page
    with pytest.raises(DataError, match="has learned no targets, by which two bundles are compared"):
        compare_products(predictor, predictor, rows, part="test", source="shop.csv")


def test_a_server_says_what_such_a_bundle_cannot(bundle: ProductsBundle, predictor: ProductPredictor) -> None:
    model = OpenModel(predictor)
    self_test(model)
    assert model.card().targets == {}
    assert model.card().vectors == 16
    said = analyze(Product(id="p", title="red shoe"), [], product_model=model, review_model=None)
    assert (said.status, said.category) == ("ok", None)
    assert said.missing["category"] == f"the bundle {bundle.label} has learned no targets, only what is alike"


@pytest.mark.parametrize(
    "sections",
    [
        {"shared": {"loss": "sigmoid", "chunk": 8}},
        {"train": {"epochs": 1, "accumulate": 2}, "fusion": {"kind": "gated", "subsets": "dropout"}},
    ],
)
def test_every_contrast_trains_alone(sections: dict[str, Any], products_table: Path, tmp_path: Path) -> None:
    losses = list[float]()
    config = alone(products_table, **{"train": {"epochs": 2}, **sections})
    bundle = train_products(config, tmp_path, watch=lambda moment: losses.append(moment.record.loss))
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    assert bundle.reading.shared == 16


def test_a_run_alone_goes_on_to_the_same_weights(products_table: Path, tmp_path: Path) -> None:
    config = alone(products_table, train={"epochs": 1, "checkpoint_every": 2, "evaluate_every": 0.5})
    scores = dict[int, float | None]()

    def stop(moment: Watch) -> None:
        scores[moment.record.step] = moment.validation
        if moment.record.step == 3:
            raise KeyboardInterrupt

    whole = train_products(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train_products(config, tmp_path / "cut", watch=stop)
    resumed = train_products(config, tmp_path / "cut", resume=True)
    assert whole.meta.files["model.safetensors"] == resumed.meta.files["model.safetensors"]
    assert scores[3] is not None


def test_a_run_with_targets_starts_from_a_bundle_without(
    alone_bundle: Path, products_table: Path, tmp_path: Path
) -> None:
    config = products_config(products_table, fusion={"kind": "late"}, train={"epochs": 0.01, "lr": 1e-6})
    found = train_products(config, tmp_path, init_from=alone_bundle)
    assert list(found.reading.targets) == ["category", "colour"]


def test_a_study_has_nothing_to_judge_trials_by(products_table: Path) -> None:
    assert not TASKS["products"].judged(load_product_inputs(alone(products_table)))


def test_products_that_lack_either_are_no_pairs(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 20, size=24)
    lines = table.read_text().splitlines()
    halves = [line.replace("images/", "") if i % 2 else line for i, line in enumerate(lines[1:])]
    titleless = [",".join([line.split(",")[0], "", *line.split(",")[2:]]) for line in lines[1:]]
    table.write_text("\n".join([lines[0], *titleless]))
    with pytest.raises(ConfigError, match="no label to learn, and 0 training products with both"):
        load_product_inputs(alone(table))
    table.write_text("\n".join([lines[0], *halves]))
    assert len(load_product_inputs(alone(table)).train) > 0


def test_a_bundle_of_pictures_and_titles_alone_is_searched(alone_bundle: Path, products_table: Path) -> None:
    from shelfwise.predict.embedder import open_embedder

    embedder = open_embedder(alone_bundle, threads=1)
    assert embedder.dimension == 16
    vectors = embedder.embed(products(products_table)[:3], products_table.parent)
    assert all(isinstance(vector, np.ndarray) for vector in vectors)
    assert isinstance(embedder.ask("a red shoe", None), np.ndarray)
