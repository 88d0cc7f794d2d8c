"""What a products network's validation figures and temperatures are of, where products lack a modality."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_products import products_config

from shelfwise.config import ProductsConfig
from shelfwise.decide.temperature import fit_temperature
from shelfwise.nn.product_loader import ProductData
from shelfwise.nn.product_net import ProductNet
from shelfwise.train.product_inputs import load_product_inputs
from shelfwise.train.product_validation import answers, figures_and_temperatures, main_score


@pytest.fixture(scope="module")
def config(products_table: Path) -> ProductsConfig:
    return products_config(products_table)


@pytest.fixture(scope="module")
def net_and_data(config: ProductsConfig) -> tuple[ProductNet, ProductData]:
    inputs = load_product_inputs(config)
    torch.manual_seed(0)
    net = ProductNet(config, inputs.classes, inputs.mean, inputs.std).eval()
    with torch.no_grad():
        for parameter in net.heads.parameters():
            parameter.normal_()
    return net, inputs.train


def without_pictures(data: ProductData, rows: np.ndarray) -> ProductData:
    counts = np.where(rows, 0, np.diff(data.first))
    kept = ~np.repeat(rows, np.diff(data.first))
    return replace(data, places=data.places[kept], first=np.concatenate([[0], np.cumsum(counts)]))


def test_a_subset_is_judged_and_calibrated_by_the_products_that_have_all_of_it(
    config: ProductsConfig, net_and_data: tuple[ProductNet, ProductData]
) -> None:
    net, data = net_and_data
    bare = np.arange(len(data)) % 10 < 7
    data = without_pictures(data, bare)
    figures, temperatures = figures_and_temperatures(net, config, data)
    found = answers(net, data, torch.device("cpu"), [("picture", "text"), ("text",)])
    truth = data.labels["category"][:, -1]
    for subset, rows in ((("picture", "text"), ~bare), (("text",), np.ones(len(data), bool))):
        logits, key = found[subset]["category"][rows], "+".join(subset)
        assert figures[key]["category"] == pytest.approx((logits.argmax(1) == truth[rows]).mean())
        assert temperatures["category"][key] == fit_temperature(logits, truth[rows])


def test_what_no_product_has_is_neither_judged_nor_calibrated(
    config: ProductsConfig, net_and_data: tuple[ProductNet, ProductData]
) -> None:
    net, data = net_and_data
    data = without_pictures(data, np.ones(len(data), bool))
    figures, temperatures = figures_and_temperatures(net, config, data)
    assert list(figures) == ["text"]
    assert temperatures["category"].keys() == {"picture", "text", "picture+text"}
    assert temperatures["category"]["picture"] == temperatures["category"]["picture+text"] == 1.0
    assert main_score(net, config, data, torch.device("cpu")) == figures["text"]["category"]


def test_products_without_the_one_modality_of_a_fusion_do_not_count_against_it(
    products_table: Path,
) -> None:
    config = products_config(products_table, fusion={"kind": "picture"})
    inputs = load_product_inputs(config)
    torch.manual_seed(0)
    net = ProductNet(config, inputs.classes, inputs.mean, inputs.std).eval()
    bare = np.arange(len(inputs.train)) % 2 == 0
    data = without_pictures(inputs.train, bare)
    figures, _ = figures_and_temperatures(net, config, data)
    assert main_score(net, config, data, torch.device("cpu")) == figures["picture"]["category"]
    nothing = without_pictures(data, np.ones(len(data), bool))
    assert main_score(net, config, nothing, torch.device("cpu")) is None
