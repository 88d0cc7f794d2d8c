"""Explanations of bundles whose towers others trained: every part is there, or it is said why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from drawn import draw_catalog
from small_checkpoints import KINDS, PAIRS, save_small_checkpoint, save_small_pair
from small_products import products_config

for library in ("transformers", "peft"):
    pytest.importorskip(library, reason=f"needs the extra 'text' ({library})")

from shelfwise.bundle import ProductsBundle  # noqa: E402
from shelfwise.data.review_tokens import TextReader  # noqa: E402
from shelfwise.explain.asked_product import AskedProduct  # noqa: E402
from shelfwise.explain.attention import tokens_within  # noqa: E402
from shelfwise.explain.feature_maps import feature_map_of  # noqa: E402
from shelfwise.explain.gradients import (  # noqa: E402
    OpenNetwork,
    grad_cam,
    integrated_gradients,
    value_of,
)
from shelfwise.explain.networks import OpenProduct, open_product_net  # noqa: E402
from shelfwise.explain.product import ProductExplainer  # noqa: E402
from shelfwise.explain.question import Question, question_about  # noqa: E402
from shelfwise.explain.words import word_spans  # noqa: E402
from shelfwise.nn.pretrained import load_tokenizer  # noqa: E402
from shelfwise.nn.pretrained_halves import PictureEncoder  # noqa: E402
from shelfwise.nn.pretrained_towers import PretrainedPicture  # noqa: E402
from shelfwise.predict.products import ProductPredictor  # noqa: E402
from shelfwise.reports.explanation_page import explanation_page  # noqa: E402
from shelfwise.schema import Picture, Product  # noqa: E402
from shelfwise.train.products import train_products  # noqa: E402

TITLE = "Elder Red wool shoe 2"
MAPS = {"integrated gradients", "Grad-CAM", "occlusion"}
# A tower and its tuning for pictures, one for titles, and the fusion.
KINDS_OF_BUNDLE = {
    "vit": (("vit", "full"), ("distilbert", "full"), "cross_attention"),
    "clip": (("clip", "lora"), ("roberta", "lora"), "cross_attention"),
    "siglip": (("siglip", "frozen"), ("bert", "frozen"), "gated"),
    "dual": (("clip", "frozen"), ("clip", "frozen"), "dual"),
    "dual-siglip": (("siglip", "lora"), ("siglip", "frozen"), "dual"),
}
BundleOf = Callable[[str], ProductsBundle]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_catalog(tmp_path_factory.mktemp("shop"), 60, size=24)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, table: Path) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    texts = [line.split(",")[1] for line in table.read_text().splitlines()[1:]]
    found = {kind: save_small_checkpoint(folder / kind, kind, texts) for kind in KINDS}
    return found | {kind: save_small_pair(folder / kind, kind, texts) for kind in PAIRS}


@pytest.fixture(scope="module")
def bundle_of(
    table: Path, checkpoints: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> BundleOf:
    """Bundles of `KINDS_OF_BUNDLE`, each trained a moment when it is first asked for."""
    made: dict[str, ProductsBundle] = {}

    def tower(kind: str, tuning: str) -> dict[str, Any]:
        return {"tower": "pretrained", "checkpoint": str(checkpoints[kind]), "tuning": tuning}

    def make(name: str) -> ProductsBundle:
        if name not in made:
            picture, title, fusion = KINDS_OF_BUNDLE[name]
            config = products_config(
                table,
                preprocess={"height": 16, "width": 32},
                picture=tower(*picture),
                title=tower(*title),
                fusion={"kind": fusion},
                train={"epochs": 1, "batch_size": 16},
            )
            made[name] = train_products(config, tmp_path_factory.mktemp(name))
        return made[name]

    return make


def product(table: Path, *names: str, title: str | None = TITLE) -> Product:
    images = tuple(Picture(path=str(table.parent / "images" / f"{name}.png")) for name in names)
    return Product(id="p", images=images, title=title)


@pytest.mark.parametrize("name", KINDS_OF_BUNDLE)
def test_every_part_is_there_or_it_is_said_why_not(name: str, bundle_of: BundleOf, table: Path) -> None:
    found = ProductExplainer(bundle_of(name), 1).explain(product(table, "p0002", "p0006"))
    said = found.explanation
    assert said.known == ("picture", "text")
    assert said.prior is not None
    assert sum(said.modalities.values()) == pytest.approx(said.probability - said.prior, abs=1e-6)
    assert [word.text for word in said.words] == TITLE.split()
    assert len(said.neighbours) == 5
    assert said.rival is not None
    for picture in said.pictures:
        maps = {(one.method, one.asks) for one in picture.maps}
        assert maps == {(m, asks) for m in MAPS for asks in ("class", "contrast")} | {("edges", "edges")}
    attentive = KINDS_OF_BUNDLE[name][2] == "cross_attention"
    assert set(said.missing) == (set() if attentive else {"attention"})
    page = explanation_page(found)
    assert ("What is missing" in page) == (not attentive)
    assert "patch tokens" in page


@pytest.mark.parametrize("name", ["vit", "clip"])
def test_users_words_look_at_places_and_the_class_token(name: str, bundle_of: BundleOf, table: Path) -> None:
    said = ProductExplainer(bundle_of(name), 1).explain(product(table, "p0002", "p0006")).explanation
    assert [word.text for word in said.gaze] == TITLE.split()
    for word in said.gaze:
        shares = np.array(word.pictures)
        assert shares.shape == (2, 2, 4)
        assert len(word.elsewhere) == 2
        assert min(word.elsewhere) > 0
        assert shares.sum() + sum(word.elsewhere) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["vit", "siglip", "dual"])
def test_gradients_are_of_the_network_that_answers(name: str, bundle_of: BundleOf, table: Path) -> None:
    bundle = bundle_of(name)
    asked = AskedProduct(
        ProductPredictor.load(bundle.path, threads=1), product(table, "p0002"), Path(), "category"
    )
    question = question_about(asked.info.paths, asked.whole, None)
    network = OpenProduct(bundle, asked.given, open_product_net(bundle)).of_picture(0, "category")
    assert network is not None
    pixels = asked.pixels[:1]
    assert network.logits(torch.from_numpy(pixels))[0].numpy() == pytest.approx(asked.whole, abs=1e-3)
    (found,) = integrated_gradients(network, [value_of(question)], pixels, 255, 128)[:, 0]
    blank = np.full_like(pixels, 255)
    change = question.value(asked.whole[None]) - question.value(asked.of_pictures(0, blank))
    assert found.sum() == pytest.approx(change[0], abs=0.05 * abs(change[0]) + 0.01)


@pytest.mark.parametrize("kind", PAIRS)
def test_grad_cam_of_a_transformer_is_the_sum_over_its_patches(
    kind: str, checkpoints: dict[str, Path]
) -> None:
    tower = PretrainedPicture(PictureEncoder.load(str(checkpoints[kind])), 5, (0.5,) * 3, (0.2,) * 3)
    tower = tower.eval().requires_grad_(False)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 32, 3)).astype(np.uint8)
    number = 1
    network = OpenNetwork(lambda x: tower(x)[0], tower.normalize, feature_map_of(tower))
    question = Question(number, None, several=True)
    found = grad_cam(network, [value_of(question)], pixels)[0]

    x = tower.normalize(torch.from_numpy(pixels)).requires_grad_()
    encoder: Any = tower.encoder.network
    norm = {"vit": "layers.1.layernorm_before", "clip": "encoder.layers.1.layer_norm1"}
    kept: list[torch.Tensor] = []
    name = norm.get(kind, "post_layernorm")
    (module,) = (part for at, part in encoder.named_modules() if at.endswith(name))
    module.register_forward_hook(lambda _, __, tokens: kept.append(tokens))
    out = encoder(pixel_values=x, interpolate_pos_encoding=True)
    (read,) = kept
    vector = out.last_hidden_state[:, 0] if kind == "vit" else out[0] if kind == "clip" else out.pooler_output
    gradient = torch.autograd.grad(tower.pooled(vector)[:, number].sum(), read)[0]
    first = 0 if kind == "siglip" else 1
    assert read.shape[1] == first + 2 * 4
    expected = torch.zeros(2, 2, 4)
    for row in range(2):
        for column in range(4):
            patch = read[:, first + 4 * row + column].detach()
            expected[:, row, column] = (gradient[:, first:].mean(1) * patch).sum(1)
    expected = F.interpolate(expected.relu()[:, None], size=(16, 32), mode="bilinear")[:, 0]
    assert expected.max() > 0
    assert found == pytest.approx(expected.numpy(), abs=1e-5)


@pytest.mark.parametrize("kind", ["bert", "roberta", "clip"])
def test_tokens_are_found_in_the_words_that_they_are_of(kind: str, checkpoints: dict[str, Path]) -> None:
    reader = TextReader(load_tokenizer(str(checkpoints[kind])), 12)
    text = "Élder's red-ish wool \ud800 unbelievable shoes"
    places = reader.first_places(text)
    assert len(places) == len(reader.first([text])[0]) == 12
    assert places[0] is None
    assert places[-1] is None
    assert reader.first_places("") == reader.first_places(" " if kind == "bert" else "") == []
    read = max(place[1] for place in places if place is not None)
    words = word_spans(text)
    assert [tokens_within(word, places) != [] for word in words] == [start < read for start, _ in words]
    for word in words:
        for number in tokens_within(word, places):
            place = places[number]
            assert place is not None
            assert text[place[0] : place[1]].strip() in text[slice(*word)] or kind != "bert"


def test_words_that_the_tower_does_not_read_are_named(bundle_of: BundleOf) -> None:
    bundle = bundle_of("vit")
    long = " ".join([TITLE, *(["very"] * 100), "late"])
    said = ProductExplainer(bundle, 1).explain(Product(id="p", title=long)).explanation
    assert f"reads {bundle.reading.max_tokens} tokens and none from 'very' on" in said.missing["later words"]
    assert said.words[-1].text == "late"
    assert said.words[-1].weight == pytest.approx(0, abs=1e-5)
    assert said.missing["maps"] == "there is no picture"
    assert said.missing["attention"] == "it takes a title and a picture"


def test_a_word_left_out_of_a_byte_level_title_leaves_no_space(bundle_of: BundleOf) -> None:
    bundle = bundle_of("clip")
    predictor = ProductPredictor.load(bundle.path, threads=1)
    asked = AskedProduct(predictor, Product(id="p", title="Red wool shoe"), Path(), "category")
    said = ProductExplainer(bundle, 1).explain(Product(id="p", title="Red wool shoe")).explanation
    question = question_about(asked.info.paths, asked.whole, said.label)
    typed = question.probability(asked.of_texts(["wool shoe", "Red shoe", "Red wool"]))
    assert [word.probability for word in said.words] == pytest.approx(typed.tolist(), abs=1e-6)
