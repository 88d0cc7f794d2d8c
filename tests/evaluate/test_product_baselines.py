"""The linear peers learn a drawn catalogue, from each modality and from both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_products import products_config

from shelfwise.data.product_rows import ProductParts, ProductRows, load_products
from shelfwise.evaluate.product_baselines import SUBSETS, Peer, Reader, first_pictures, fit_peer


@pytest.fixture(scope="module")
def parts(products_table: Path) -> ProductParts:
    return load_products(products_config(products_table))


@pytest.fixture(scope="module")
def reader(parts: ProductParts) -> Reader:
    return Reader(parts.parts["train"])


def names(rows: ProductRows, target: str) -> np.ndarray:
    return np.array(rows.labels[target], np.str_)


def peer(parts: ProductParts, reader: Reader, subset: str, target: str) -> Peer:
    train, validation, test = (parts.parts[part] for part in ("train", "validation", "test"))
    unseen = (reader.columns(validation), reader.columns(test))
    return fit_peer(subset, reader.train, names(train, target), unseen, names(validation, target))


@pytest.mark.parametrize("subset", SUBSETS)
@pytest.mark.parametrize("target", ["category", "colour"])
def test_each_subset_tells_kinds_and_colours(
    parts: ProductParts, reader: Reader, subset: str, target: str
) -> None:
    found = peer(parts, reader, subset, target)
    truth = names(parts.parts["test"], target)
    assert (found.said[1] == truth).mean() > 0.85
    assert found.converged
    assert set(found.chosen) == {"c"}
    assert found.accuracy == (found.said[0] == names(parts.parts["validation"], target)).mean()


def test_products_without_a_label_teach_nothing(parts: ProductParts, reader: Reader) -> None:
    train, validation = parts.parts["train"], parts.parts["validation"]
    labels = names(train, "category")
    labels[labels == "shoe"] = ""
    unseen = (reader.columns(validation),)
    found = fit_peer("text", reader.train, labels, unseen, names(validation, "category"))
    assert "shoe" not in found.said[0]
    assert "" not in found.said[0]


def test_titles_and_pictures_weigh_the_same(parts: ProductParts, reader: Reader) -> None:
    lengths = {
        "picture": np.sqrt((reader.train["picture"] ** 2).sum(axis=1).mean()),
        "text": np.sqrt(reader.train["text"].multiply(reader.train["text"]).sum(axis=1).mean()),
    }
    assert lengths["picture"] == pytest.approx(lengths["text"], rel=0.01)
    again = reader.columns(parts.parts["train"])
    np.testing.assert_allclose(again["picture"], reader.train["picture"], atol=1e-6)


def test_a_product_without_a_picture_is_white(parts: ProductParts) -> None:
    some = parts.parts["test"].take(np.arange(3))
    bare = replace(some, places=some.places[[0, 2]], first=np.array([0, 1, 1, 2]))
    found = first_pictures(bare)
    assert (found[1] == 255).all()
    np.testing.assert_array_equal(found[[0, 2]], first_pictures(some)[[0, 2]])
