"""The paired difference of two products bundles: zero against itself, told right when one is better."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_products import products_config, shelved_data

from shelfwise.bundle import ProductsBundle, TargetInfo
from shelfwise.data.product_rows import ProductRows, load_products
from shelfwise.errors import DataError
from shelfwise.evaluate.product_pairs import compare_products
from shelfwise.evaluate.product_scores import truths_of
from shelfwise.evaluate.products import ask_subsets
from shelfwise.predict.product_backend import Known
from shelfwise.predict.products import ProductPredictor, ProductScores
from shelfwise.train.products import train_products


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
        assert list(by_subset) == ["all", "picture", "text", "picture+text"]
        assert by_subset["all"] == by_subset["picture+text"]
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


@pytest.fixture(scope="module")
def shelved(products_table: Path, tmp_path_factory: pytest.TempPathFactory) -> list[ProductPredictor]:
    """A bundle of pictures and titles, and one that reads besides the field that tells the main target."""
    folder = tmp_path_factory.mktemp("table")
    data = shelved_data(products_table, folder)
    found = []
    for name, fields, epochs in (("without", [], 1), ("with", ["shelf"], 4)):
        config = products_config(
            products_table, data=data, table={"fields": fields}, train={"epochs": epochs}
        )
        bundle = train_products(config, folder / name)
        found.append(ProductPredictor.load(bundle.path, threads=1))
    return found


def test_a_bundle_that_reads_more_is_compared_by_all_that_each_reads(shelved: list[ProductPredictor]) -> None:
    without, more = shelved
    some, fuller = (
        load_products(one.bundle.config).parts["train"].take(np.arange(60)) for one in (without, more)
    )
    found = compare_products(without, more, some, fuller, part="train", source="shop.csv")
    assert (found["a"]["reads"], found["b"]["reads"]) == (["picture", "text"], ["picture", "text", "table"])
    by_subset = found["targets"]["place"]
    assert list(by_subset) == ["all", "picture", "text", "picture+text"]
    said = ask_subsets(more, fuller).probabilities["picture+text+table"]["place"]
    truth = truths_of(more.bundle, fuller)["place"].labels[:, -1]
    everything = by_subset["all"]["metrics"]["accuracy"]
    assert everything["b"]["value"] == pytest.approx((said.argmax(axis=1) == truth).mean())
    assert everything["better"] == "B"
    assert by_subset["picture+text"]["metrics"]["accuracy"]["b"]["value"] < everything["b"]["value"]


def test_products_count_for_everything_whatever_they_lack(
    predictor: ProductPredictor, rows: ProductRows
) -> None:
    titles = tuple("" if i < 30 else title for i, title in enumerate(rows.titles))
    some = replace(rows, titles=titles)
    found = compare_products(predictor, Guessing(predictor), some, part="train", source="shop.csv")
    by_subset = found["targets"]["category"]
    assert [row["rows"] for row in by_subset.values()] == [100, 100, 70, 70]


def test_bundles_are_asked_what_both_listen_to(several_bundle: Path) -> None:
    predictor = ProductPredictor.load(several_bundle, threads=1)
    some = load_products(predictor.bundle.config).parts["train"].take(np.arange(40))
    found = compare_products(predictor, predictor, some, part="train", source="shop.csv")
    assert found["a"]["reads"] == ["text"]
    assert list(found["targets"]["tags"]) == ["all", "text"]


def test_a_class_that_was_not_learned_is_wrong_in_both(
    predictor: ProductPredictor, rows: ProductRows
) -> None:
    labels = {**rows.labels, "category": ("hat",) * 10 + rows.labels["category"][10:]}
    unlearned = replace(rows, labels=labels)
    found = compare_products(predictor, predictor, unlearned, part="train", source="shop.csv")
    row = found["targets"]["category"]["all"]
    assert (row["rows"], row["not_learned"]) == (100, 10)
    assert row["agreement"]["both_wrong"] >= 10
    assert row["metrics"]["accuracy"]["a"]["value"] == row["agreement"]["both_right"] / 100


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
