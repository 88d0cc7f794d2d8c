"""Products measured: every target and subset, and sense where something is missing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shelfwise.data.product_rows import ProductRows, load_products
from shelfwise.evaluate.product_scores import main_target, truths_of
from shelfwise.evaluate.products import ask_subsets, evaluate_products, fullest
from shelfwise.predict.products import ProductPredictor


@pytest.fixture(scope="module")
def predictor(tiny_products_bundle: Path) -> ProductPredictor:
    return ProductPredictor.load(tiny_products_bundle, threads=1)


@pytest.fixture(scope="module")
def rows(predictor: ProductPredictor) -> ProductRows:
    """80 drawn products."""
    return load_products(predictor.bundle.config).parts["train"].take(np.arange(80))


def without_pictures(rows: ProductRows) -> ProductRows:
    return replace(rows, places=np.zeros(0, np.int64), first=np.zeros(len(rows) + 1, np.int64))


def test_all_that_a_page_shows_is_measured(predictor: ProductPredictor, rows: ProductRows) -> None:
    found = evaluate_products(predictor, rows, part="train", source="shop.csv")
    json.dumps(found, allow_nan=False)
    assert (found["main"], found["modalities"]) == ("category", ["picture", "text"])
    assert fullest(found["targets"]["category"]) == "picture+text"
    per_class = found["classes"]["per_class"]
    assert sum(row["support"] for row in per_class) == 80
    right = sum(row["support"] * row["recall"] for row in per_class) / 80
    assert found["targets"]["category"]["picture+text"]["accuracy"]["value"] == pytest.approx(right)
    assert sum(part["rows"] for part in found["classes"]["long_tail"].values()) == 80
    assert sum(found["reliability"]["text"]["count"]) == 80
    wrong = sum(pair["rows"] for pair in found["cases"]["confused_pairs"])
    assert wrong == 80 - round(80 * right)
    assert found["seconds"]["train"] == predictor.bundle.meta.info["training"]["seconds_train"]


def test_fusion_is_compared_on_the_same_products(predictor: ProductPredictor, rows: ProductRows) -> None:
    titles = tuple("" if i < 30 else title for i, title in enumerate(rows.titles))
    found = evaluate_products(predictor, replace(rows, titles=titles), part="train", source="shop.csv")
    assert found["targets"]["category"]["picture"]["rows"] == 80
    assert found["targets"]["category"]["text"]["rows"] == 50
    fusion = found["fusion"]["category"]
    whole = evaluate_products(predictor, rows.take(np.arange(30, 80)), part="train", source="shop.csv")
    assert fusion == whole["fusion"]["category"]
    assert fusion["rows"] == 50
    ahead = fusion["together"]["value"] - fusion["single"]["value"]
    assert fusion["difference"]["value"] == pytest.approx(ahead)


def test_a_catalogue_without_pictures_is_measured_by_titles(
    predictor: ProductPredictor, rows: ProductRows
) -> None:
    found = evaluate_products(predictor, without_pictures(rows), part="train", source="shop.csv")
    assert found["targets"]["category"]["picture"] == {"rows": 0}
    assert found["targets"]["category"]["text"]["rows"] == 80
    assert (found["fusion"], found["retrieval"]) == ({}, {})
    assert found["classes"]["subset"] == "text"
    assert list(found["reliability"]) == ["text"]


def test_products_without_labels_have_no_figures(predictor: ProductPredictor, rows: ProductRows) -> None:
    nothing = replace(rows, labels=dict.fromkeys(rows.labels, (None,) * 80))
    found = evaluate_products(predictor, nothing, part="train", source="shop.csv")
    assert found["targets"]["colour"] == {s: {"rows": 0} for s in ("picture", "text", "picture+text")}
    assert found["retrieval"]["title_to_picture"]["queries"] == 80
    assert found["retrieval"]["name_to_picture"] == {}
    assert fullest(found["targets"]["category"]) is None
    assert "classes" not in found


def test_a_class_that_was_not_learned_is_counted_and_left_out(
    predictor: ProductPredictor, rows: ProductRows
) -> None:
    labels = {**rows.labels, "category": ("hat", *rows.labels["category"][1:])}
    found = evaluate_products(predictor, replace(rows, labels=labels), part="train", source="shop.csv")
    assert found["about"]["category"]["not_learned"] == 1
    assert found["targets"]["category"]["text"]["rows"] == 79


def test_one_product_is_enough(predictor: ProductPredictor, rows: ProductRows) -> None:
    found = evaluate_products(predictor, rows.take(np.arange(1)), part="train", source="shop.csv")
    assert found["targets"]["category"]["text"]["rows"] == 1
    json.dumps(found, allow_nan=False)


def test_several_values_at_once_get_precision_recall_and_f1(several_bundle: Path) -> None:
    predictor = ProductPredictor.load(several_bundle, threads=1)
    some = load_products(predictor.bundle.config).parts["train"].take(np.arange(60))
    unlearned = replace(some, labels={"tags": (("shirt", "café"), *some.labels["tags"][1:])})
    truths = truths_of(predictor.bundle, unlearned)
    assert main_target(truths) == "tags"
    assert truths["tags"].not_learned == 1
    found = evaluate_products(predictor, some, part="train", source="shop.csv")
    figures = found["targets"]["tags"]["picture+text"]
    assert figures["micro_f1"]["value"] > 0.3
    assert figures["rows"] == 60
    said = ask_subsets(predictor, some).probabilities["picture+text"]["tags"] >= 0.5
    assert figures["micro_precision"]["value"] == pytest.approx(
        (said & (truths_tags(some, predictor))).sum() / said.sum()
    )
    assert found["fusion"]["tags"]["figure"] == "micro_f1"
    assert "retrieval" not in found
    assert "classes" not in found


def truths_tags(rows: ProductRows, predictor: ProductPredictor) -> np.ndarray:
    return truths_of(predictor.bundle, rows)["tags"].labels == 1
