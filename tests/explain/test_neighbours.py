"""Training products in a bundle: written without pickle, read back, found by cosine."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from small_products import products_config

from shelfwise.bundle import ProductsBundle
from shelfwise.bundle.neighbours import (
    NEIGHBOURS,
    KnownProducts,
    read_known_products,
    write_known_products,
)
from shelfwise.errors import BundleError
from shelfwise.explain.neighbours import nearest_products, why_none
from shelfwise.train.products import train_products


def test_what_is_written_is_read(tmp_path: Path) -> None:
    vectors = np.eye(3, 4, dtype=np.float32)
    known = KnownProducts(("a", "ß", "c\ud800"), ("Größe", "", "x"), np.array([0, -1, 2]), vectors)
    write_known_products(known, tmp_path / NEIGHBOURS)
    found = read_known_products(tmp_path / NEIGHBOURS)
    assert (found.ids, found.titles) == (("a", "ß", "c?"), known.titles)
    assert found.classes.tolist() == [0, -1, 2]
    assert np.array_equal(found.vectors, vectors)
    assert len(found) == 3
    with pytest.raises(ValueError, match="differ in length"):
        KnownProducts(("a",), (), np.array([0]), vectors[:1])


def test_a_bundle_knows_its_training_products(tiny_products_bundle: Path) -> None:
    bundle = ProductsBundle.open(tiny_products_bundle)
    assert why_none(bundle) is None
    known = read_known_products(bundle.path / NEIGHBOURS)
    assert len(known) == bundle.meta.info["rows"]["train"]
    near = nearest_products(bundle, known, known.vectors[5])
    assert near[0].id == known.ids[5]
    assert near[0].similarity == pytest.approx(1, abs=1e-3)
    assert near[0].label == known.titles[5].split()[3]
    assert [one.similarity for one in near] == sorted((one.similarity for one in near), reverse=True)


def test_a_bundle_without_them_says_why(products_table: Path, tmp_path: Path) -> None:
    config = products_config(products_table, shared={"neighbours": False}, train={"epochs": 1})
    bundle = train_products(config, tmp_path / "without")
    assert NEIGHBOURS not in bundle.meta.files
    assert "shared.neighbours" in (why_none(bundle) or "")
    config = products_config(products_table, shared={"loss": "none"}, train={"epochs": 1})
    assert "no shared space" in (why_none(train_products(config, tmp_path / "none")) or "")


def test_a_damaged_file_is_refused(tiny_products_bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_products_bundle, tmp_path / "copy")
    (copy / NEIGHBOURS).write_bytes(b"nothing")
    with pytest.raises(BundleError, match="changed or damaged"):
        ProductsBundle.open(copy)
    with pytest.raises(BundleError, match="cannot be read"):
        read_known_products(copy / NEIGHBOURS)
