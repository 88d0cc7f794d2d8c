"""The page of a products bundle, and of two: whole, safe, and plain about what is missing."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shelfwise.data.product_rows import ProductRows, load_products
from shelfwise.evaluate.product_pairs import compare_products
from shelfwise.evaluate.products import evaluate_products
from shelfwise.predict.products import ProductPredictor
from shelfwise.reports.page import percent
from shelfwise.reports.product_comparison import measured as measured_of
from shelfwise.reports.product_comparison import product_comparison, shown, write_product_comparison
from shelfwise.reports.product_plots import running_mean
from shelfwise.reports.product_report import missing, product_report, verdict, write_product_report

PLOTS = ["accuracy.png", "learning_curves.png", "reliability.png", "rows.png"]


@pytest.fixture(scope="module")
def predictor(tiny_products_bundle: Path) -> ProductPredictor:
    return ProductPredictor.load(tiny_products_bundle, threads=1)


@pytest.fixture(scope="module")
def rows(predictor: ProductPredictor) -> ProductRows:
    return load_products(predictor.bundle.config).parts["train"].take(np.arange(60))


@pytest.fixture(scope="module")
def measured(predictor: ProductPredictor, rows: ProductRows) -> dict[str, Any]:
    return evaluate_products(predictor, rows, part="validation", source="shop.csv")


def _plain(html: str) -> None:
    """Whole, and loads nothing."""
    assert html.rstrip().endswith("</html>")
    assert not any(word in html for word in ("http:", "https:", "<script"))


def test_the_report_writes_a_page_its_metrics_and_its_plots(
    measured: dict[str, Any], predictor: ProductPredictor, tmp_path: Path
) -> None:
    page = write_product_report(measured, predictor.bundle.journal(), tmp_path / "out")
    assert sorted(path.name for path in page.parent.iterdir()) == sorted(
        [*PLOTS, "metrics.json", "report.html"]
    )
    assert json.loads((page.parent / "metrics.json").read_text(encoding="utf-8")) == measured
    html = page.read_text(encoding="utf-8")
    _plain(html)
    for words in (
        *("Headlines", "Is it worth having all?", "Frequent and rare classes", "Search in the shared space"),
        *("How to read this", "All 4 classes", "so a little better than on new ones", "Training time"),
    ):
        assert words in html


@pytest.mark.parametrize(
    ("difference", "bounds", "kind", "words"),
    [
        (0.02, [0.01, 0.03], "better", "so together they are better than text alone"),
        (0.01, [-0.01, 0.03], "alike", "at least as good here, and chance may have"),
        (-0.01, [-0.03, 0.01], "alike", "not quite as good here, and chance may have"),
        (-0.02, [-0.03, -0.01], "worse", "not at least as good: text alone is better"),
    ],
)
def test_a_sentence_says_whether_all_are_at_least_as_good_as_the_best_one(
    measured: dict[str, Any], difference: float, bounds: list[float], kind: str, words: str
) -> None:
    metrics = copy.deepcopy(measured)
    metrics["fusion"]["category"] |= {
        "best_single": "text",
        "verdict": kind,
        "difference": {"value": difference, "ci95": bounds},
    }
    found = verdict(metrics)
    assert found is not None
    assert words in found["text"]
    assert found["text"] in product_report(metrics, [])


def test_names_cannot_write_into_the_page(measured: dict[str, Any]) -> None:
    metrics = copy.deepcopy(measured)
    metrics["classes"]["per_class"][0]["class"] = "<b>Mütze</b>"
    metrics["bundle"]["name"] = "<i>shop</i>"
    html = product_report(metrics, [])
    assert "&lt;b&gt;Mütze&lt;/b&gt;" in html
    assert "<b>Mütze</b>" not in html
    assert "<i>shop</i>" not in html
    assert "Learning curves from" not in html


def test_a_catalogue_without_pictures_is_told_what_is_missing(
    predictor: ProductPredictor, rows: ProductRows
) -> None:
    blind = replace(rows, places=np.zeros(0, np.int64), first=np.zeros(len(rows) + 1, np.int64))
    html = product_report(evaluate_products(predictor, blind, part="test", source="shop.csv"), [])
    _plain(html)
    assert "No product has a picture: nothing could be measured that needs one." in html
    assert "No product has both a title and a picture: nothing is searched." in html
    assert "No product has every modality" in html
    assert "category is right on" in html


def test_products_without_labels_make_a_page_that_says_so(
    predictor: ProductPredictor, rows: ProductRows, tmp_path: Path
) -> None:
    nothing = replace(rows, labels={name: (None,) * len(rows) for name in rows.labels})
    found = evaluate_products(predictor, nothing, part="test", source="shop.csv")
    page = write_product_report(found, [], tmp_path)
    assert "None of 60 test products has a label of category" in page.read_text(encoding="utf-8")
    assert not list(tmp_path.glob("*.png"))
    comparison = compare_products(predictor, predictor, nothing, part="test", source="shop.csv")
    html = write_product_comparison(comparison, tmp_path).read_text(encoding="utf-8")
    assert "category is not compared: no product has a label of it." in html


def test_classes_that_were_not_learned_are_told_beside_the_accuracy(
    measured: dict[str, Any], predictor: ProductPredictor, rows: ProductRows
) -> None:
    assert "of classes learned" not in product_report(measured, [])
    labels = {**rows.labels, "category": ("hat",) * 12 + rows.labels["category"][12:]}
    some = replace(rows, labels=labels)
    found = evaluate_products(predictor, some, part="test", source="shop.csv")
    known = found["targets"]["category"]["picture+text"]["accuracy_known"]["value"]
    said = (
        "category: the bundle has not learned the class of 12 products, which counts as wrong; of the "
        f"classes learned it tells right {percent(known, 1)}, from picture and text."
    )
    assert missing(found)[-1] == said
    html = product_report(found, [])
    _plain(html)
    for words in (said, "of classes learned</th>", "not learned</th>", "; of classes learned"):
        assert words in html
    html = product_comparison(compare_products(predictor, predictor, some, part="test", source="shop.csv"))
    assert "category: neither has learned the class of 12 products: told wrong by both." in html


def test_a_page_of_classes_of_which_none_was_learned_is_whole(
    predictor: ProductPredictor, rows: ProductRows, tmp_path: Path
) -> None:
    nothing = replace(rows, labels={name: ("hat",) * len(rows) for name in rows.labels})
    found = evaluate_products(predictor, nothing, part="test", source="shop.csv")
    page = write_product_report(found, [], tmp_path)
    assert "The category is right on 0.0%" in page.read_text(encoding="utf-8")
    assert missing(found)[-1] == (
        "colour: the bundle has not learned the class of 60 products, which counts as wrong."
    )
    comparison = compare_products(predictor, predictor, nothing, part="test", source="shop.csv")
    assert "A has 0.00%, B 0.00%" in product_comparison(comparison)


def test_a_comparison_begins_with_all_that_each_reads(predictor: ProductPredictor, rows: ProductRows) -> None:
    titles = tuple("" if i < 30 else title for i, title in enumerate(rows.titles))
    some = replace(rows, titles=titles)
    found = compare_products(predictor, predictor, some, part="test", source="shop.csv")
    assert [subset for target, subset, _ in measured_of(found) if target == "colour"] == [
        "all", "picture", "text", "picture+text",
    ]  # fmt: skip
    found["b"]["reads"].append("table")
    html = product_comparison(found)
    for words in (
        "accuracy of category from all that each reads",
        "B reads picture, text and table",
        "0.00%",
    ):
        assert words in html
    whole = compare_products(predictor, predictor, rows, part="test", source="shop.csv")
    assert [subset for _, subset, _ in measured_of(whole)] == ["all", "picture", "text"] * 2
    assert "A reads" not in product_comparison(whole)


def test_several_values_and_no_shared_space_have_their_own_words(several_bundle: Path) -> None:
    predictor = ProductPredictor.load(several_bundle, threads=1)
    some = load_products(predictor.bundle.config).parts["train"].take(np.arange(40))
    html = product_report(evaluate_products(predictor, some, part="test", source="shop.csv"), [])
    _plain(html)
    assert "F1 of tags is" in html
    shown = ("Precision", "Recall", "F1", "Macro F1", "All values right", "ECE", "Products")
    assert "".join(f"<th>{heading}</th>" for heading in shown) in html
    assert "it looks at the text alone" in html
    assert "no space that titles and pictures share" in html
    comparison = compare_products(predictor, predictor, some, part="test", source="shop.csv")
    assert "B minus A in the F1 of tags" in product_comparison(comparison)


def test_two_bundles_get_a_page_of_their_differences(
    predictor: ProductPredictor, rows: ProductRows, tmp_path: Path
) -> None:
    found = compare_products(predictor, predictor, rows, part="test", source="shop.csv")
    found["only_b"], found["data"]["same_split"] = ["season"], False
    page = write_product_comparison(found, tmp_path / "out")
    assert sorted(path.name for path in page.parent.iterdir()) == [
        "comparison.json", "differences.png", "report.html",
    ]  # fmt: skip
    html = page.read_text(encoding="utf-8")
    _plain(html)
    for words in ("does not tell them apart", "Only B answers season", "B may have learned some", "R@10"):
        assert words in html


def test_differences_are_in_points_but_for_nll() -> None:
    assert (shown("accuracy", 0.5), shown("accuracy", -0.015, sign=True)) == ("50.00%", "−1.50")
    assert (shown("nll", 1.25), shown("mrr", -0.1, sign=True)) == ("1.250", "−0.100")
    assert shown("ece", None) == "–"


def test_the_running_mean_follows_near_classes_and_never_lacks_one() -> None:
    rows, accuracy = np.array([1.0, 10.0, 1e5]), np.array([0.0, 0.5, 1.0])
    means = running_mean(rows, accuracy, np.ones(3), np.array([1.0, 10.0, 1e3, 1e5]))
    assert means == pytest.approx([0.0, 0.5, 0.75, 1.0], abs=0.01)
