"""Batches of products: the same ones whether pictures are kept decoded or encoded."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn import draw_catalog
from small_products import products_config

from shelfwise.data.picture_pool import EncodedPool
from shelfwise.data.taxonomy import balanced_rows
from shelfwise.nn.product_loader import ProductBatch, ProductData, ProductLoader
from shelfwise.nn.ranks import Ranks
from shelfwise.train.product_inputs import load_product_inputs
from shelfwise.train.product_validation import in_order

AUGMENT = {"level": "medium", "flip": "random", "pad": 2, "erase": 0.3, "fill": 255}


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> tuple[ProductData, ProductData]:
    """Products with none to three pictures each, of 20 to 90 pixels, kept decoded and kept encoded."""
    table = draw_catalog(tmp_path_factory.mktemp("shop"), 60, size=(20, 90))
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for i, row in enumerate(rows):
            images = [rows[(i + k) % len(rows)]["image"] for k in range(i % 4)]
            writer.writerow(row | {"image": "|".join(images)})
    decoded, encoded = (data_of(table, mb) for mb in (512, 0))
    assert not isinstance(decoded.pool, EncodedPool)
    assert isinstance(encoded.pool, EncodedPool)
    return decoded, encoded


def data_of(table: Path, picture_memory_mb: int) -> ProductData:
    targets = {"category": {"labels": ["category"], "hide": 0.5}, "colour": {"labels": ["colour"]}}
    split = {"buckets": 3, "test": [], "validation": []}
    train = {"picture_memory_mb": picture_memory_mb, "device": "cpu"}
    return load_product_inputs(products_config(table, targets=targets, split=split, train=train)).train


def tensors(batch: ProductBatch) -> list[torch.Tensor]:
    assert batch.partial is not None
    return [*vars(batch.products).values(), *batch.labels.values(), batch.keys, *batch.partial]


def assert_equal(one: ProductBatch, other: ProductBatch) -> None:
    for left, right in zip(tensors(one), tensors(other), strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize("kernel", ["torch", "numba", None])
@pytest.mark.parametrize("ranks", [Ranks(), Ranks(rank=1, world=2)])
def test_encoded_pictures_make_the_same_batches(
    forms: tuple[ProductData, ProductData], kernel: str | None, ranks: Ranks
) -> None:
    augment: Any = products_config(Path("none.csv"), augment={**AUGMENT, "kernel": kernel or "torch"}).augment
    loaders = [
        ProductLoader(data, 16, seed=3, augment=augment if kernel else None, ranks=ranks) for data in forms
    ]
    for epoch, start in ((0, 0), (1, 0), (1, 2)):
        found = [list(loader.batches(epoch, start)) for loader in loaders]
        assert len(found[0]) == len(loaders[0]) - start > 0
        for one, other in zip(*found, strict=True):
            assert_equal(one, other)


def test_all_in_order_is_the_same(forms: tuple[ProductData, ProductData]) -> None:
    for one, other in zip(*(in_order(data, limit=7) for data in forms), strict=True):
        assert one.partial is None
        assert torch.equal(one.products.pixels, other.products.pixels)
        assert torch.equal(one.products.owner, other.products.owner)


def test_balanced_batches_draw_classes_alike(forms: tuple[ProductData, ProductData]) -> None:
    """A class of one product is drawn as often as one of fifty-nine."""
    rare = np.zeros(len(forms[0]), np.int64)
    rare[-1] = 1
    data = replace(forms[0], labels={"category": rare[:, None]}, hiding=None)
    loader = ProductLoader(data, 20, seed=0, weights=balanced_rows(rare, 1.0))
    drawn = torch.cat([batch.labels["category"] for epoch in range(40) for batch in loader.batches(epoch)])
    assert len(drawn) == 40 * 3 * 20
    assert float((drawn == 1).double().mean()) == pytest.approx(0.5, abs=0.05)
