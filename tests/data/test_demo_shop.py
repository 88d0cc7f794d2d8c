"""The demo shop: the same for the same seed, honest about itself, and readable as a shop's own files."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from shelfwise.cli import app
from shelfwise.config import load_reviews_config
from shelfwise.data import fashion_mnist
from shelfwise.data.catalog import read_pictures, resolve
from shelfwise.data.demo_files import finished, write_demo_shop
from shelfwise.data.demo_shop import demo_products, demo_reviews, picture_of
from shelfwise.data.labelled import LabelledPictures
from shelfwise.data.product_pictures import PicturedProduct
from shelfwise.data.reviews import read_reviews
from shelfwise.errors import DataError
from shelfwise.schema import Review

COUNT = 200
CLASSES = fashion_mnist.CLASSES[:4]


@pytest.fixture(scope="module")
def pictures(drawn_pictures: Callable[..., Any]) -> LabelledPictures:
    """Drawn garments under names of Fashion-MNIST's classes."""
    return replace(drawn_pictures(COUNT), classes=CLASSES)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, pictures: LabelledPictures) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "shop"
    write_demo_shop(folder, pictures, products=COUNT)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_counts_are_as_asked_and_trouble_is_planted(pictures: LabelledPictures) -> None:
    products = demo_products(pictures, COUNT)
    planted = Counter(product.planted for product in products)
    assert planted == {None: 190, "near_duplicate": 6, "contradiction": 4}
    assert len({product.id for product in products}) == COUNT
    by_id = {product.id: product for product in products}
    for product in products:
        assert (product.shown == product.category) is (product.planted != "contradiction")
        assert product.shown == CLASSES[pictures.labels[product.row]]
        if product.twin is not None:
            twin = by_id[product.twin]
            assert (twin.row, twin.planted) == (product.row, None)
            assert (picture_of(twin, pictures) != picture_of(product, pictures)).any()
    rows = [product.row for product in products if product.twin is None]
    assert len(set(rows)) == len(rows)


def test_reviews_mostly_agree_with_their_stars(pictures: LabelledPictures) -> None:
    products = demo_products(pictures, COUNT)
    reviews = list(demo_reviews(products))
    assert all(review.constructed for review in reviews)
    assert 3 * COUNT < len(reviews) < 5 * COUNT
    assert {review.rating for review in reviews} == {1, 2, 3, 4, 5}
    assert {review.product for review in reviews} < {product.id for product in products}


def test_the_same_seed_makes_the_same_shop(tmp_path: Path, pictures: LabelledPictures, shop: Path) -> None:
    write_demo_shop(tmp_path / "again", pictures, products=COUNT)
    write_demo_shop(tmp_path / "other", pictures, products=COUNT, seed=1)
    again, other = content(tmp_path / "again"), content(tmp_path / "other")
    assert again == content(shop)
    assert again.keys() == other.keys()
    assert again["products.csv"] != other["products.csv"]


def test_the_folder_says_that_all_of_it_is_generated(shop: Path) -> None:
    said = (shop / "README.txt").read_text(encoding="utf-8")
    assert "ALL OF IT IS GENERATED" in said
    assert "copyright 2017 Zalando SE, MIT" in said
    assert f"{COUNT} listings" in said
    assert "6 listings that repeat another product, 4 whose words are of another class" in said
    assert {row["constructed"] for row in table(shop / "products.csv")} == {"true"}
    assert {row["constructed"] for row in table(shop / "reviews.csv")} == {"true"}
    assert len(table(shop / "planted.csv")) == 10


def test_the_table_is_read_without_being_told_how(shop: Path, pictures: LabelledPictures) -> None:
    config = resolve(str(shop / "products.csv"))
    columns = config.columns
    assert (columns.id, columns.images, columns.title) == ("id", ("picture",), "title")
    assert columns.description == "description"
    assert set(columns.labels) == {"category", "brand", "colour", "gender", "season"}
    assert set(columns.fields) == {"price"}
    found = list(read_pictures(config))
    assert len(found) == COUNT
    assert all(isinstance(one, PicturedProduct) for one in found)
    first = np.asarray(Image.open(shop / "images" / "p0001.png"))
    assert (first == pictures.images[demo_products(pictures, COUNT)[0].row, :, :, 0]).all()


def test_the_reviews_are_read_by_their_own_config(shop: Path) -> None:
    found = list(read_reviews(load_reviews_config(shop / "reviews.toml").data))
    read = [one for one in found if isinstance(one, Review)]
    assert len(read) == len(table(shop / "reviews.csv"))
    assert all(one.constructed for one in read)


def test_an_interrupted_shop_is_gone_on_with(tmp_path: Path, pictures: LabelledPictures, shop: Path) -> None:
    out = tmp_path / "shop"
    write_demo_shop(out, pictures, products=COUNT)
    kept = out / "images" / "p0001.png"
    before = kept.stat().st_mtime_ns
    for name in ("README.txt", "reviews.csv", "images/p0002.png"):
        (out / name).unlink()
    assert not finished(out, products=COUNT, seed=0)
    write_demo_shop(out, pictures, products=COUNT)
    assert finished(out, products=COUNT, seed=0)
    assert content(out) == content(shop)
    assert kept.stat().st_mtime_ns == before


def test_what_is_there_is_never_overwritten(tmp_path: Path, pictures: LabelledPictures) -> None:
    (tmp_path / "products.csv").write_text("a shop's own")
    with pytest.raises(DataError, match="no demo shop; choose another --out"):
        write_demo_shop(tmp_path, pictures, products=20)
    assert (tmp_path / "products.csv").read_text() == "a shop's own"
    write_demo_shop(tmp_path / "shop", pictures, products=20)
    with pytest.raises(DataError, match="demo shop of --products 20 --seed 0"):
        write_demo_shop(tmp_path / "shop", pictures, products=30)
    with pytest.raises(DataError, match="there are 200 pictures"):
        write_demo_shop(tmp_path / "large", pictures, products=1_000)


def test_the_command_needs_fashion_mnist_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures: LabelledPictures
) -> None:
    def run() -> Any:
        return CliRunner().invoke(app, ["data", "demo", "--out", str(tmp_path / "shop"), "--products", "12"])

    def nowhere(*_: object, **__: object) -> Path:
        raise DataError("Fashion-MNIST is nowhere; install dataset-fashion-mnist")

    monkeypatch.setattr(fashion_mnist, "locate", nowhere)
    assert "install dataset-fashion-mnist" in str(run().exception)
    assert not (tmp_path / "shop").exists()
    monkeypatch.setattr(fashion_mnist, "load", lambda *_: pictures)
    assert "12 generated listings" in run().output
    monkeypatch.setattr(fashion_mnist, "load", nowhere)
    assert "is there already" in run().output
