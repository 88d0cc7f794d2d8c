"""The paired difference of two products bundles: zero against itself, told right when one is better."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shelfwise.bundle import ProductsBundle, TargetInfo
from shelfwise.data.product_rows import ProductRows, load_products
from shelfwise.errors import DataError
from shelfwise.evaluate.product_pairs import compare_products
from shelfwise.predict.product_backend import Known
from shelfwise.predict.products import ProductPredictor, ProductScores


@pytest.fixture(scope="module")
def predictor(tiny_products_bundle: Path) -> ProductPredictor:
    return ProductPredictor.load(tiny_products_bundle, threads=1)


@pytest.fixture(scope="module")
def rows(predictor: ProductPredictor) -> ProductRows:
    return load_products(predictor.bundle.config).parts["train"].take(np.arange(100))


class Guessing(ProductPredictor):
    """The same bundle, but its answers are those to other products, and titles point away from pictures."""

    def __init__(self, real: ProductPredictor) -> None:
        super().__init__(real.bundle, real._backend)

    def scores(self, known: dict[str, Known], only: Sequence[str] | None = None) -> ProductScores:
        found = super().scores(known, only)
        moved = {name: np.roll(values, 1, axis=0) for name, values in found.probabilities.items()}
        away = found.vectors is not None and tuple(only or ()) == ("text",)
        vectors = -found.vectors if away else found.vectors  # type: ignore[operator]
        return replace(found, probabilities=moved, vectors=vectors)


def changed(real: ProductPredictor, targets: dict[str, TargetInfo]) -> ProductPredictor:
    """The same bundle with other targets."""
    info = real.bundle.meta
    products = real.bundle.reading.model_copy(update={"targets": targets})
    bundle = ProductsBundle(
        real.bundle.path, info.model_copy(update={"products": products}), real.bundle.config
    )
    return ProductPredictor(bundle, real._backend)


def test_a_bundle_does_not_differ_from_itself(predictor: ProductPredictor, rows: ProductRows) -> None:
    found = compare_products(predictor, predictor, rows, part="train", source="shop.csv")
    json.dumps(found, allow_nan=False)
    assert set(found["targets"]) == {"category", "colour"}
    for by_subset in found["targets"].values():
        assert set(by_subset) == {"picture", "text", "picture+text"}
        for row in by_subset.values():
            assert set(row["metrics"]) == {"accuracy", "macro_f1", "ece", "nll"}
            for metric in row["metrics"].values():
                assert (metric["difference"]["value"], metric["better"]) == (0, "neither")
            assert row["agreement"]["only_a_right"] == row["agreement"]["only_b_right"] == 0
            assert sum(row["agreement"].values()) == row["rows"] == 100
    assert found["retrieval"]["metrics"]["mrr"]["difference"] == {"value": 0, "ci95": [0, 0]}


def test_a_bundle_that_guesses_is_worse(predictor: ProductPredictor, rows: ProductRows) -> None:
    found = compare_products(predictor, Guessing(predictor), rows, part="train", source="shop.csv")
    row = found["targets"]["category"]["picture+text"]
    for name in ("accuracy", "macro_f1", "ece", "nll"):
        assert row["metrics"][name]["better"] == "A", name
    assert row["metrics"]["accuracy"]["difference"]["value"] < 0
    assert found["retrieval"]["metrics"]["recall@10"]["better"] == "A"


def test_targets_of_one_alone_are_named_and_left_out(predictor: ProductPredictor, rows: ProductRows) -> None:
    category = {"category": predictor.bundle.reading.targets["category"]}
    found = compare_products(predictor, changed(predictor, category), rows, part="train", source="shop.csv")
    assert list(found["targets"]) == ["category"]
    assert (found["only_a"], found["only_b"]) == (["colour"], [])


def test_bundles_of_other_targets_classes_or_rows_are_refused(
    predictor: ProductPredictor, rows: ProductRows
) -> None:
    category = predictor.bundle.reading.targets["category"]

    def compare(targets: dict[str, TargetInfo], others: ProductRows | None = None) -> None:
        second = changed(predictor, targets)
        compare_products(predictor, second, rows, others, part="train", source="shop.csv")

    with pytest.raises(DataError, match="no target in common: A answers category, colour, B kind"):
        compare({"kind": category})
    hat = category.model_copy(update={"paths": (("hat",), *category.paths[1:])})
    with pytest.raises(DataError, match=r"target 'category' .* has different classes \(bag, hat\)"):
        compare({"category": hat})
    several = category.model_copy(update={"several": True})
    with pytest.raises(DataError, match="is not the same: one of category in A, several of category in B"):
        compare({"category": several})
    with pytest.raises(DataError, match="did not get the same products"):
        compare({"category": category}, rows.take(np.arange(99)))


def test_a_subset_that_no_product_has_is_left_out(predictor: ProductPredictor, rows: ProductRows) -> None:
    blind = replace(rows, places=np.zeros(0, np.int64), first=np.zeros(len(rows) + 1, np.int64))
    found = compare_products(predictor, predictor, rows, blind, part="train", source="shop.csv")
    assert found["targets"]["category"]["picture"] == {"rows": 0}
    assert found["targets"]["category"]["text"]["rows"] == 100
    assert "retrieval" not in found


def test_several_values_at_once_are_compared_by_f1(several_bundle: Path) -> None:
    predictor = ProductPredictor.load(several_bundle, threads=1)
    some = load_products(predictor.bundle.config).parts["train"].take(np.arange(40))
    found = compare_products(predictor, Guessing(predictor), some, part="train", source="shop.csv")
    assert set(found["targets"]["tags"]["text"]["metrics"]) == {"micro_f1", "macro_f1", "exact_match"}
    assert found["targets"]["tags"]["text"]["metrics"]["micro_f1"]["difference"]["value"] < 0
