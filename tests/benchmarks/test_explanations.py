"""The benchmark of explanations, on a tiny bundle: what it measures and what it says of it."""

from __future__ import annotations

from pathlib import Path

import explanations
import numpy as np
import pytest
from explanations import compared, measure_pictures, measure_words, one_a_family, products_case, verdict

from shelfwise.bundle import ProductsBundle
from shelfwise.data.product_rows import load_products


def test_every_shipped_method_is_measured_against_random_and_edges(
    tiny_products_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = ProductsBundle.open(tiny_products_bundle)
    monkeypatch.setattr(explanations, "with_data_here", lambda config: config)
    case = products_case(bundle, "validation", 6, 0)
    found = measure_pictures(case, 0)
    assert found["count"] == len(case.pixels) <= 6
    names = {"random", "edges", "integrated gradients", "Grad-CAM", "occlusion"}
    assert names == set(found["class"]) == set(found["contrast"])
    assert found["class"]["edges"] != found["contrast"]["edges"]
    ours = found["contrast"]["integrated gradients"]
    low, high = ours["deletion"]["minus_random"]["ci95"]
    assert low <= ours["deletion"]["minus_random"]["value"] <= high
    assert "minus_edges" in ours["insertion"]
    assert case.ask_title is not None
    words = measure_words(case.ask_title, case.titles, 0)
    assert words["methods"]["words left out"]["deletion"]["minus_random"]["value"] < 0


def test_no_two_products_are_of_one_family(tiny_products_bundle: Path) -> None:
    config = ProductsBundle.open(tiny_products_bundle).config
    rows = load_products(config).parts["train"]
    some = one_a_family(rows, 10, 0)
    assert len(set(some.families)) == len(some) == 10
    assert some.ids == one_a_family(rows, 10, 0).ids


def test_a_verdict_needs_an_interval_that_leaves_0_out() -> None:
    random = {"deletion": np.full(50, 0.5), "insertion": np.full(50, 0.5)}
    better = {"deletion": np.full(50, 0.4), "insertion": np.full(50, 0.6)}
    noise = {"deletion": np.full(50, 0.4), "insertion": np.resize([0.0, 1.0], 50)}
    found = compared({"random": random, "better": better, "noise": noise}, ("random",), 0)
    assert verdict(found["better"]) == "better than random on deletion and insertion"
    assert verdict(found["noise"]) == "better than random on deletion"
    assert verdict(found["random"]) == "the measure of the others"
