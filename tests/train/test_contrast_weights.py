"""Weights of fields and of pairs in the contrast of pictures and titles, and what they leave as it was."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn import draw_catalog
from product_gradients import gradients_of
from small_products import products_config
from torch import Tensor

from shelfwise.config import ProductsConfig
from shelfwise.errors import ConfigError
from shelfwise.train.product_inputs import ProductInputs, fingerprint, load_product_inputs
from shelfwise.train.products import train_products

GENTLE = {"title": {"hide": 0.0}, "train": {"precision": "fp32"}}
WEIGHTED = {"fields": {"title": 0.7, "description": 0.3}, "pairs": "clicks"}


@pytest.fixture(scope="module")
def shop(once: Callable[..., Path]) -> Path:
    """120 drawn products with clicks, three of four with a description."""

    def make(folder: Path) -> None:
        table = draw_catalog(folder, 120, size=24)
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for i, row in enumerate(rows):
            said = "" if i % 4 == 0 else f"Made of {row['colour']} cloth for a {row['category']}, piece {i}"
            row |= {"said": said, "clicks": "" if i % 5 == 0 else str(i % 7), "even": "3"}
        with table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    return once("clicked", make) / "products.csv"


def configured(shop: Path, *, described: bool = True, **sections: Any) -> ProductsConfig:
    columns = {
        **{"images": ["image"], "title": "title", "labels": {"category": "category"}},
        "fields": {"clicks": "clicks", "even": "even"},
        **({"description": "said"} if described else {}),
    }
    values: dict[str, Any] = {"data": {"source": str(shop), "columns": columns}}
    for name in {*GENTLE, *sections}:
        values[name] = GENTLE.get(name, {}) | sections.get(name, {})
    return products_config(shop, **values)


def assert_alike(found: tuple[float, dict[str, Tensor]], expected: tuple[float, dict[str, Tensor]]) -> None:
    assert found[0] == pytest.approx(expected[0], abs=1e-4)
    assert found[1].keys() == expected[1].keys()
    for name, gradient in expected[1].items():
        torch.testing.assert_close(found[1][name], gradient, atol=2e-5, rtol=1e-3)


@pytest.mark.parametrize("loss", ["infonce", "sigmoid"])
def test_a_single_field_and_equal_pairs_are_the_plain_loss(shop: Path, loss: str) -> None:
    plain = gradients_of(configured(shop, described=False, shared={"loss": loss}))
    weighted = {"loss": loss, "fields": {"title": 3.0}, "pairs": "even"}
    assert_alike(gradients_of(configured(shop, described=False, shared=weighted)), plain)


@pytest.mark.parametrize("loss", ["infonce", "sigmoid"])
def test_weighted_micro_batches_have_the_gradients_of_the_whole_batch(shop: Path, loss: str) -> None:
    shared = WEIGHTED | {"loss": loss, "category": 0.2, "chunk": 7}
    whole = gradients_of(configured(shop, shared=shared | {"chunk": 1024}))
    assert_alike(gradients_of(configured(shop, shared=shared, train={"accumulate": 4})), whole)


@pytest.mark.parametrize(
    "changed", [{"fields": {"title": 0.3, "description": 0.7}}, {"fields": {}}, {"pairs": None}]
)
def test_every_weight_counts(shop: Path, changed: dict[str, Any]) -> None:
    ours, others = (
        gradients_of(configured(shop, shared=WEIGHTED)),
        gradients_of(configured(shop, shared=WEIGHTED | changed)),
    )
    assert ours[0] != pytest.approx(others[0], abs=1e-5)


def test_pairs_weigh_what_the_shop_says_and_the_mean_where_it_says_nothing(shop: Path) -> None:
    inputs = load_product_inputs(configured(shop, shared=WEIGHTED))
    weights = inputs.train.pair_weights
    assert weights is not None
    numbers = [int(name[1:]) for name in inputs.ids]
    clicks = np.array([np.nan if i % 5 == 0 else i % 7 for i in numbers])
    expected = np.where(np.isnan(clicks), 1, clicks / np.nanmean(clicks))
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    title, description = inputs.train.fields
    assert (title[0] > 0).any(1).all()
    assert (description[0] > 0).any(1).tolist() == [i % 4 != 0 for i in numbers]


def test_weights_are_part_of_what_a_run_may_go_on_with(shop: Path) -> None:
    plain, weighted = configured(shop), configured(shop, shared=WEIGHTED)
    first, second = (fingerprint(config, load_product_inputs(config)) for config in (plain, weighted))
    assert "shared.fields" not in first  # as in checkpoints of before
    assert first["data"] != second["data"]
    assert second["shared.pairs"] == "clicks"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([*["1"] * 119, "-2"], "'clicks' is -2 of product 'p0119'"),
        (["0"] * 120, "'clicks' has no number above 0"),
        (["many"] * 120, "'clicks' has no number above 0"),
    ],
)
def test_weights_that_are_none_are_one_line(shop: Path, tmp_path: Path, values: list[str], said: str) -> None:
    with shop.open(newline="", encoding="utf-8") as file:
        rows = [
            row | {"clicks": value, "image": str(shop.parent / row["image"])}
            for row, value in zip(csv.DictReader(file), values, strict=True)
        ]
    table = tmp_path / "shop.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    config = configured(table, shared=WEIGHTED, split={"test": [], "validation": []})
    with pytest.raises(ConfigError, match=said):
        load_product_inputs(config)


def test_a_weighted_run_trains_to_a_bundle_that_reads_as_ever(shop: Path, tmp_path: Path) -> None:
    config = configured(shop, shared=WEIGHTED, train={"epochs": 1})
    bundle = train_products(config, tmp_path / "run")
    assert dict(bundle.config.shared.fields) == {"title": 0.7, "description": 0.3}
    assert max(gap for name, gap in bundle.info["parity"].items() if "int8" not in name) < 1e-4


def test_data_that_was_read_for_other_weights_is_read_again(shop: Path) -> None:
    from shelfwise.tune.benches import ProductsBench

    bench = ProductsBench()
    found: list[ProductInputs] = [
        bench._inputs_of(configured(shop, shared=shared)) for shared in ({}, WEIGHTED, {})
    ]
    assert [len(inputs.train.fields) for inputs in found] == [0, 2, 0]
    assert [inputs.train.pair_weights is None for inputs in found] == [True, False, True]
