"""Explanations of products: of the same answer that `predict` gives, whatever is known."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from named_alike import train_named_alike
from small_products import products_config

from shelfwise.bundle import ProductsBundle
from shelfwise.errors import DataError
from shelfwise.explain.networks import OpenProduct, open_pictures, open_product_net
from shelfwise.explain.product import ProductExplainer
from shelfwise.predict.products import ProductPredictor
from shelfwise.schema import Picture, Product
from shelfwise.schema.explanation import Explanation
from shelfwise.train.products import train_products

TITLE = "Elder Red wool shoe 2"


@pytest.fixture(scope="module")
def bundle(tiny_products_bundle: Path) -> ProductsBundle:
    return ProductsBundle.open(tiny_products_bundle)


@pytest.fixture(scope="module")
def named_alike(once: Callable[..., Path], products_table: Path) -> ProductsBundle:
    folder = once("named-alike", lambda folder: train_named_alike(products_table, folder))
    return ProductsBundle.open(folder / "bundle")


@pytest.fixture(scope="module")
def attentive(products_table: Path, tmp_path_factory: pytest.TempPathFactory) -> ProductsBundle:
    config = products_config(products_table, fusion={"kind": "cross_attention"}, train={"epochs": 2})
    return train_products(config, tmp_path_factory.mktemp("attentive"))


def product(table: Path, *names: str, title: str | None = TITLE) -> Product:
    images = tuple(Picture(path=str(table.parent / "images" / f"{name}.png")) for name in names)
    return Product(id="p", images=images, title=title)


@pytest.mark.parametrize(
    ("names", "title"), [(["p0002"], TITLE), (["p0002", "p0006"], TITLE), (["p0002"], None), ([], TITLE)]
)
def test_it_explains_the_answer_of_predict_and_its_parts_add_up(
    bundle: ProductsBundle, products_table: Path, names: list[str], title: str | None
) -> None:
    given = product(products_table, *names, title=title)
    found = ProductExplainer(bundle, 1).explain(given)
    said = found.explanation
    answer = next(ProductPredictor.load(bundle.path).predict([given], Path()))
    assert said.label == answer.targets["category"].labels[-1] == "shoe"
    assert said.probability == pytest.approx(answer.targets["category"].probabilities[-1], abs=1e-4)
    assert said.known == answer.known
    assert said.prior is not None
    assert sum(said.modalities.values()) == pytest.approx(said.probability - said.prior, abs=1e-6)
    assert said.subsets["+".join(said.known)] == pytest.approx(said.probability, abs=1e-6)
    assert said.rival is not None
    assert len(said.pictures) == len(names) == len(found.pixels)
    assert {one.file for picture in said.pictures for one in picture.maps} == set(found.maps)
    assert ("maps" in said.missing) == (not names)
    assert ("words" in said.missing) == (title is None)
    assert "cross_attention" in said.missing["attention"]
    assert all(near.label == "shoe" for near in said.neighbours[:2])
    assert Explanation.model_validate_json(said.model_dump_json()) == said


def test_integrated_gradients_add_up_or_say_by_how_much_they_do_not(
    bundle: ProductsBundle, products_table: Path
) -> None:
    found = ProductExplainer(bundle, 1).explain(product(products_table, "p0002", "p0007"))
    maps = [one for picture in found.explanation.pictures for one in picture.maps]
    summed = [one for one in maps if one.method == "integrated gradients"]
    assert len(summed) == 4
    for one in summed:
        assert one.total is not None
        assert one.residual is not None
        assert found.maps[one.file].sum() == pytest.approx(one.total)
        assert abs(one.residual) <= max(0.05, 0.05 * abs(one.total - one.residual)) + 1e-3
    assert all(one.residual is None for one in maps if one.method != "integrated gradients")


def test_classes_that_share_a_name_are_told_apart(named_alike: ProductsBundle, products_table: Path) -> None:
    explainer = ProductExplainer(named_alike, 1)
    said = explainer.explain(product(products_table, "p0002")).explanation
    assert said.rival is not None
    names = {said.label, said.rival.label}
    assert len(names) == 2
    assert {said.answer.label, " > ".join(said.path)} == {said.label}
    every = names | {near.label for near in said.neighbours}
    assert all(re.fullmatch("(red|blue|green|black) > (shirt|trousers|shoe|bag)", str(one)) for one in every)
    other = explainer.explain(product(products_table, "p0002"), label=said.rival.label).explanation
    assert (other.label, other.answer.label) == (said.rival.label, said.label)


def test_the_word_that_names_the_class_weighs_most(bundle: ProductsBundle) -> None:
    said = ProductExplainer(bundle, 1).explain(Product(id="p", title=TITLE)).explanation
    assert max(said.words, key=lambda word: word.weight).text == "shoe"
    alone = ProductExplainer(bundle, 1).explain(Product(id="p", title="shoe")).explanation
    assert alone.words[0].probability == alone.prior  # without its only word nothing is known


def test_another_target_and_another_class_can_be_asked_for(
    bundle: ProductsBundle, products_table: Path
) -> None:
    said = ProductExplainer(bundle, 1).explain(product(products_table, "p0002"), target="colour").explanation
    assert said.label in ("red", "blue", "green", "black")
    other = ProductExplainer(bundle, 1).explain(product(products_table, "p0002"), label="bag").explanation
    assert (other.label, other.answer.label) == ("bag", "shoe")
    assert other.rival is not None
    assert other.rival.label == "shoe"
    with pytest.raises(DataError, match="target 'size' is none of the bundle's: category, colour"):
        ProductExplainer(bundle, 1).explain(product(products_table), target="size")


def test_a_picture_that_cannot_be_used_is_named_or_left_out(bundle: ProductsBundle) -> None:
    gone = Product(id="gone.png", images=(Picture(path="gone.png"),))
    with pytest.raises(DataError, match=r"'gone.png' not found"):
        ProductExplainer(bundle, 1).explain(gone)
    said = ProductExplainer(bundle, 1).explain(gone.model_copy(update={"title": TITLE})).explanation
    assert said.warnings == ("picture_skipped",)
    assert said.missing["maps"] == "there is no picture"


def test_an_explainer_reads_its_bundle_once_and_explains_from_many_threads(
    bundle: ProductsBundle, products_table: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(bundle.path, tmp_path / "copy")
    explainer = ProductExplainer.load(copy, threads=1)
    shutil.rmtree(copy)
    given = [product(products_table, f"p000{k}", title=title) for k in (2, 6) for title in (TITLE, None)]
    alone = [explainer.explain(one) for one in given]
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(explainer.explain, given * 2))
    assert torch.get_num_threads() == threads
    for one, other in zip(alone * 2, together, strict=True):
        assert other.explanation.label == one.explanation.label
        assert other.explanation.modalities == pytest.approx(one.explanation.modalities, abs=1e-5)
        for name, values in one.maps.items():
            assert other.maps[name] == pytest.approx(values, abs=1e-4)


def test_words_look_at_places_of_pictures(attentive: ProductsBundle, products_table: Path) -> None:
    given = product(products_table, "p0002", "p0006", title="Elder's Red shoe")
    said = ProductExplainer(attentive, 1).explain(given).explanation
    assert [word.text for word in said.gaze] == ["Elder's", "Red", "shoe"]
    for word in said.gaze:
        shares = np.array(word.pictures)
        assert shares.shape == (2, 3, 3)
        assert shares.sum() == pytest.approx(1, abs=1e-5)
    alone = ProductExplainer(attentive, 1).explain(Product(id="p", title=TITLE)).explanation
    assert "a title and a picture" in alone.missing["attention"]


def test_a_bundle_that_looks_at_pictures_alone_says_so(products_table: Path, tmp_path: Path) -> None:
    config = products_config(products_table, fusion={"kind": "picture"}, train={"epochs": 1})
    explainer = ProductExplainer(train_products(config, tmp_path), 1)
    said = explainer.explain(product(products_table, "p0002")).explanation
    assert set(said.modalities) == {"picture"}
    assert "does not read the title" in said.missing["words"]


def test_gradients_are_of_the_answer_that_the_fusion_gives(products_table: Path, tmp_path: Path) -> None:
    config = products_config(products_table, fusion={"kind": "picture"}, train={"epochs": 1})
    bundle = train_products(config, tmp_path)
    predictor, net = ProductPredictor.load(bundle.path), open_product_net(bundle)
    titled, alone = (
        predictor.read([product(products_table, "p0002", title=title)]) for title in (TITLE, None)
    )
    opened = OpenProduct(bundle, titled, net).of_picture(0, "category")
    assert opened is not None
    pixels = torch.from_numpy(titled.pixels)
    expected = predictor.scores(predictor.encode(alone)).logits["category"]
    for network in (opened, open_pictures(bundle, "category", net)):
        assert network.logits(pixels).numpy() == pytest.approx(expected, abs=1e-3)


def test_several_values_at_once_have_no_rival(products_table: Path, tmp_path: Path) -> None:
    config = products_config(
        products_table,
        targets={"category": {"labels": ["category"]}, "tags": {"labels": ["colour"], "several": True}},
        train={"epochs": 1},
    )
    bundle = train_products(config, tmp_path)
    given = product(products_table, "p0002")
    said = ProductExplainer(bundle, 1).explain(given, target="tags", label="red").explanation
    assert said.rival is None
    assert "none is a rival" in said.missing["contrast"]
    assert {one.asks for one in said.pictures[0].maps} == {"class", "edges"}
    assert said.prior is not None
    assert 0.1 < said.prior < 0.5


def test_what_needs_answers_alone_needs_no_torch(tiny_products_bundle: Path) -> None:
    code = """
import sys
from pathlib import Path
sys.modules["torch"] = None
from shelfwise.explain.by_answers import explain_by_answers
from shelfwise.predict.products import ProductPredictor
from shelfwise.schema import Product
predictor = ProductPredictor.load(sys.argv[1], threads=1)
said, asked, question = explain_by_answers(predictor, Product(id="p", title="Red wool shoe"), Path())
print(said.label, len(said.words), sorted(said.modalities), len(said.neighbours))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny_products_bundle)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "shoe 3 ['text'] 5\n"
