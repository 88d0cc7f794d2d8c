"""Products measured: every target and subset, and sense where something is missing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shelfwise.bundle import ProductsBundle, TargetInfo
from shelfwise.config import TargetConfig
from shelfwise.data.product_rows import ProductRows, load_products
from shelfwise.evaluate.product_scores import main_target, target_samples, truths_of
from shelfwise.evaluate.products import ask_subsets, evaluate_products, fullest
from shelfwise.metrics.calibration import expected_calibration_error, reliability
from shelfwise.predict.products import ProductPredictor
from shelfwise.tune.benches import judge_products
from shelfwise.tune.judged import judged_samples


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


def test_a_class_that_was_not_learned_counts_as_wrong(predictor: ProductPredictor, rows: ProductRows) -> None:
    learned = evaluate_products(predictor, rows.take(np.arange(20, 80)), part="train", source="shop.csv")
    labels = {**rows.labels, "category": ("hat", "cap") * 10 + rows.labels["category"][20:]}
    unlearned = replace(rows, labels=labels)
    found = evaluate_products(predictor, unlearned, part="train", source="shop.csv")
    json.dumps(found, allow_nan=False)
    about = found["about"]["category"]
    assert (about["classes"], about["labelled"], about["not_learned"]) == (4, 80, 20)
    figures, known = found["targets"]["category"]["text"], learned["targets"]["category"]["text"]
    assert (figures["rows"], figures["not_learned"], known["not_learned"]) == (80, 20, 0)
    assert figures["accuracy"]["value"] == pytest.approx(known["accuracy"]["value"] * 60 / 80)
    assert figures["accuracy_known"] == known["accuracy"] == known["accuracy_known"]
    assert figures["nll"] == known["nll"]
    said = ask_subsets(predictor, unlearned).probabilities["text"]["category"]
    truth = truths_of(predictor.bundle, unlearned)["category"].labels[:, -1]
    assert figures["ece"]["value"] == pytest.approx(expected_calibration_error(said, truth))
    assert sum(found["reliability"]["text"]["count"]) == 80
    f1 = {row["class"]: row["f1"] for row in found["classes"]["per_class"]}
    whole = found["targets"]["category"]["picture+text"]
    assert whole["macro_f1"]["value"] == pytest.approx(sum(f1.values()) / 6)
    assert sum(row["predicted"] for row in found["classes"]["per_class"]) == 80
    assert found["classes"]["long_tail"]["tail"]["rows"] >= 20
    assert whole["accuracy_tail"]["value"] < whole["accuracy_known"]["value"]
    wrong = sum(pair["rows"] for pair in found["cases"]["confused_pairs"])
    assert wrong == round(60 * (1 - whole["accuracy_known"]["value"]))
    assert found["fusion"]["category"]["together"] == whole["accuracy"]


def test_evaluation_and_ablation_say_the_same_of_a_class_that_was_not_learned(
    predictor: ProductPredictor, rows: ProductRows
) -> None:
    unlearned = replace(rows, labels={**rows.labels, "colour": ("teal",) * 30 + rows.labels["colour"][30:]})
    found = evaluate_products(predictor, unlearned, part="train", source="shop.csv")
    judgement = judge_products(predictor, unlearned)
    samples = judged_samples(judgement.judged, judgement.questions)
    for target in ("category", "colour"):
        for subset in ("picture", "text", "picture+text"):
            value = samples[f"accuracy/{target}/{subset}"].value
            assert found["targets"][target][subset]["accuracy"]["value"] == pytest.approx(value)
    for figure in ("macro_f1", "ece"):
        value = samples[f"{figure}/category/text"].value
        assert found["targets"]["category"]["text"][figure]["value"] == pytest.approx(value)


def test_where_no_class_was_learned_nothing_is_right(predictor: ProductPredictor, rows: ProductRows) -> None:
    labels = dict.fromkeys(rows.labels, ("hat",) * 80)
    found = evaluate_products(predictor, replace(rows, labels=labels), part="train", source="shop.csv")
    json.dumps(found, allow_nan=False)
    figures = found["targets"]["category"]["text"]
    assert figures["accuracy"]["value"] == 0
    assert figures["nll"] == figures["accuracy_known"] == {"value": None, "ci95": None}
    assert "classes" not in found


def test_levels_above_a_class_that_was_not_learned_count_as_what_they_are(
    predictor: ProductPredictor, rows: ProductRows
) -> None:
    levels = ("master", "type")
    paths = (("shoes", "boot"), ("shoes", "sandal"), ("tops", "shirt"))
    info = TargetInfo(levels=levels, paths=paths, temperatures={}, counts=(5, 5, 5))
    real = predictor.bundle
    meta = real.meta.model_copy(
        update={"products": real.reading.model_copy(update={"targets": {"kind": info}})}
    )
    config = real.config.model_copy(update={"targets": {"kind": TargetConfig(labels=levels)}})
    labels = {"master": ("shoes", "shoes", "hats", "tops"), "type": ("boot", "clog", "cap", None)}
    some = replace(rows.take(np.arange(4)), labels=labels)
    truth = truths_of(ProductsBundle(real.path, meta, config), some)["kind"]
    assert truth.labels.tolist() == [[0, 0], [0, 3], [2, 4], [1, -1]]
    assert truth.unlearned.tolist() == [False, True, True, False]
    said = np.eye(3, dtype=np.float32)[[0, 1, 2, 2]]
    found = target_samples(said, truth, truth.known, np.arange(4), 0)
    assert found["accuracy"].value == found["accuracy_type"].value == pytest.approx(1 / 3)
    assert found["accuracy_master"].value == pytest.approx(2 / 3)
    assert found["error_height"].value == (1 + 2) / 2
    assert found["accuracy_known"].value == 1


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
    assert truths["tags"].as_json()["not_learned"] == 1
    missed = evaluate_products(predictor, unlearned, part="train", source="shop.csv")
    found = evaluate_products(predictor, some, part="train", source="shop.csv")
    figures = found["targets"]["tags"]["picture+text"]
    assert figures["micro_f1"]["value"] > 0.3
    assert figures["rows"] == 60
    lower = missed["targets"]["tags"]["picture+text"]
    assert (lower["rows"], lower["not_learned"]) == (60, 1)
    assert lower["micro_recall"]["value"] < lower["micro_f1_known"]["value"]
    assert lower["micro_f1"]["value"] < lower["micro_f1_known"]["value"]
    assert figures["micro_f1_known"] == figures["micro_f1"]
    said = ask_subsets(predictor, unlearned).probabilities["picture+text"]["tags"] >= 0.5
    learned = truths["tags"].labels[:, : said.shape[1]] == 1
    assert lower["exact_match"]["value"] == pytest.approx((said == learned)[1:].all(axis=1).sum() / 60)
    said = ask_subsets(predictor, some).probabilities["picture+text"]["tags"] >= 0.5
    assert figures["micro_precision"]["value"] == pytest.approx(
        (said & (truths_tags(some, predictor))).sum() / said.sum()
    )
    probabilities = ask_subsets(predictor, some).probabilities["picture+text"]["tags"].astype(np.float64)
    by_value = reliability(probabilities.reshape(-1), truths_tags(some, predictor).reshape(-1))
    assert figures["ece"]["value"] == pytest.approx(by_value.ece, abs=0.02)  # less what resampling adds
    assert lower["ece"]["value"] >= 0
    assert found["fusion"]["tags"]["figure"] == "micro_f1"
    assert "retrieval" not in found
    assert "classes" not in found


def truths_tags(rows: ProductRows, predictor: ProductPredictor) -> np.ndarray:
    return truths_of(predictor.bundle, rows)["tags"].labels == 1
