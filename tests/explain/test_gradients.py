"""Gradients: what theory promises of them, on networks small enough to check by hand, and on real bundles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shelfwise.bundle import Bundle, ProductsBundle
from shelfwise.data.catalog import read_catalog
from shelfwise.explain import gradients
from shelfwise.explain.asked_product import AskedProduct
from shelfwise.explain.feature_maps import FeatureMap
from shelfwise.explain.gradients import (
    OpenNetwork,
    complete_gradients,
    contrast_of,
    grad_cam,
    integrated_gradients,
    log_odds,
    value_of,
)
from shelfwise.explain.maps import adds_up, smooth
from shelfwise.explain.networks import OpenProduct, open_classifier, open_product_net
from shelfwise.explain.question import Question, question_about
from shelfwise.nn.towers import Normalize
from shelfwise.predict.products import ProductPredictor
from shelfwise.schema import Product


class Small(nn.Module):
    """Normalise, one convolution, mean, and linear logits."""

    def __init__(self, *, linear: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.normalize = Normalize((0.4,), (0.2,))
        self.conv = nn.Conv2d(1, 3, 3, stride=2, padding=1)
        self.head = nn.Linear(3, 4)
        self.linear = linear

    def forward(self, pixels: Tensor) -> Tensor:
        maps = self.conv(self.normalize(pixels))
        found: Tensor = self.head((maps if self.linear else F.relu(maps)).mean((2, 3)))
        return found


def opened(*, linear: bool) -> OpenNetwork:
    model = Small(linear=linear).requires_grad_(False)
    return OpenNetwork(model, model.normalize, FeatureMap(model.conv))


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (2, 8, 6, 1)).astype(np.uint8)


def test_of_a_linear_network_one_step_is_exact(pixels: np.ndarray) -> None:
    network = opened(linear=True)
    one, many = (
        integrated_gradients(network, [contrast_of(Question(1, 3))], pixels, 255, steps) for steps in (1, 32)
    )
    assert one == pytest.approx(many, abs=1e-5)


@pytest.mark.parametrize("linear", [True, False])
def test_attributions_add_up_to_the_change_from_a_blank_picture(pixels: np.ndarray, linear: bool) -> None:
    network, value = opened(linear=linear), value_of(Question(2, 0))
    (found,) = integrated_gradients(network, [value], pixels, 255, 256)
    blank = torch.full((2, 8, 6, 1), 255, dtype=torch.uint8)
    change = value(network.logits(torch.from_numpy(pixels))) - value(network.logits(blank))
    assert found.sum(axis=(1, 2)) == pytest.approx(change.numpy(), abs=2e-3)


class Steep(nn.Module):
    """Sure of class 0 as soon as a picture is a little off white, as networks that were trained are."""

    def __init__(self, steepness: float) -> None:
        super().__init__()
        self.normalize = Normalize((1.0,), (1.0,))
        self.steepness = steepness

    def forward(self, pixels: Tensor) -> Tensor:
        away = self.normalize(pixels).mean((1, 2, 3))
        return torch.stack([4 * torch.tanh(-self.steepness * away), torch.zeros_like(away)], dim=1)


def steep(steepness: float) -> OpenNetwork:
    model = Steep(steepness)
    return OpenNetwork(model, model.normalize, None)


def test_steps_are_doubled_until_the_map_adds_up(pixels: np.ndarray) -> None:
    network, values = steep(1e5), [value_of(Question(0, 1)), contrast_of(Question(0, 1))]
    few = integrated_gradients(network, values, pixels, 255)
    maps, change = complete_gradients(network, values, pixels, 255)
    assert change == pytest.approx(np.full((2, 2), 4), abs=1e-3)
    assert np.abs(few.sum(axis=(2, 3)) - change).min() > 0.05 * 4
    assert np.abs(maps.sum(axis=(2, 3)) - change).max() <= 0.05 * 4
    assert adds_up(maps.sum(axis=(2, 3)), change).all()


@pytest.mark.parametrize("steepness", [0.1, 1e5, 3e5])
def test_doubling_asks_for_the_new_points_alone_and_gives_what_all_at_once_give(
    pixels: np.ndarray, steepness: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    network, model = steep(steepness), Steep(steepness)
    model.register_forward_hook(lambda _, given, __: asked.append(len(given[0])))
    watched = OpenNetwork(model, model.normalize, None)
    value = value_of(Question(0, 1))
    maps, _ = complete_gradients(watched, [value], pixels, 255)
    steps = sum(asked[1:]) // len(pixels)  # the two ends are asked first
    assert steps in (32, 64, 128, 256)
    assert maps == pytest.approx(integrated_gradients(network, [value], pixels, 255, steps), abs=1e-4)


def test_a_change_that_no_number_of_steps_finds_is_left_to_be_said(pixels: np.ndarray) -> None:
    value = value_of(Question(0, 1))
    maps, change = complete_gradients(steep(1e9), [value], pixels, 255)
    assert change[0] == pytest.approx([4, 4], abs=1e-3)
    assert maps.sum(axis=(2, 3)) == pytest.approx(0, abs=1e-3)
    assert not adds_up(maps.sum(axis=(2, 3)), change).any()


def test_where_there_is_one_class_the_map_is_flat(pixels: np.ndarray) -> None:
    model = Small(linear=False).requires_grad_(False)
    network = OpenNetwork(lambda x: model(x)[:, :1], model.normalize, None)
    maps, change = complete_gradients(network, [value_of(Question(0, None))], pixels, 255)
    assert not maps.any()
    assert not change.any()


def test_grad_cam_is_the_paper_s_sum(pixels: np.ndarray) -> None:
    network = opened(linear=False)
    model = network.logits
    assert isinstance(model, Small)
    maps = model.conv(model.normalize(torch.from_numpy(pixels))).requires_grad_()
    logits = model.head(F.relu(maps).mean((2, 3)))
    gradient = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), maps)[0]
    expected = torch.zeros(2, *maps.shape[2:])
    for feature in range(3):
        expected += gradient[:, feature].mean((1, 2))[:, None, None] * maps[:, feature]
    expected = F.interpolate(expected.relu()[:, None], size=(8, 6), mode="bilinear")[:, 0]
    assert grad_cam(network, [contrast_of(Question(1, 0))], pixels)[0] == pytest.approx(
        expected.detach().numpy(), abs=1e-6
    )


@pytest.mark.parametrize("at_once", [1, 300, gradients.AT_ONCE])
def test_many_values_and_steps_together_are_each_alone(
    pixels: np.ndarray, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradients, "AT_ONCE", at_once)
    network, values = opened(linear=False), [value_of(Question(2, 0)), contrast_of(Question(2, 0))]
    blank = torch.full((1, 8, 6, 1), 255, dtype=torch.uint8)
    found, cams = integrated_gradients(network, values, pixels, 255, 7), grad_cam(network, values, pixels)
    for place, value in enumerate(values):
        for number, picture in enumerate(torch.from_numpy(pixels)):
            start, end = network.normalize(blank)[0], network.normalize(picture[None])[0]
            expected, weights = torch.zeros_like(end), 0.0
            for step in range(1, 8):
                x = (start + (step / 7) ** 3 * (end - start)).requires_grad_()
                assert isinstance(network.logits, Small)
                logits = network.logits.head(F.relu(network.logits.conv(x[None])).mean((2, 3)))
                weight = (step / 7) ** 2 * (0.5 if step == 7 else 1)  # the cube's slope, by trapezoids
                expected += torch.autograd.grad(value(logits).sum(), x)[0] * weight
                weights += weight
            expected = (expected / weights * (end - start)).sum(0).detach()
            assert found[place, number] == pytest.approx(expected.numpy(), abs=1e-5)
            alone = grad_cam(network, [value], pixels[number][None])[0, 0]
            assert cams[place, number] == pytest.approx(alone, abs=1e-6)


def test_log_odds_are_those_of_the_probabilities() -> None:
    logits = torch.tensor([[2.0, 1.0, -1.0], [0.0, 3.0, 0.5]])
    p = logits.softmax(1)
    numbers = torch.tensor([0, 2])
    own = p[torch.arange(2), numbers]
    assert log_odds(logits, numbers).tolist() == pytest.approx((own / (1 - own)).log().tolist(), abs=1e-5)
    assert value_of(Question(1, None, several=True))(logits).tolist() == [1.0, 3.0]
    assert torch.isfinite(log_odds(torch.zeros(1, 1), torch.zeros(1, dtype=torch.int64))).all()
    with pytest.raises(ValueError, match="no rival"):
        contrast_of(Question(0, None))


def test_a_products_bundle_is_complete_and_answers_as_predict_does(
    tiny_products_bundle: Path, products_table: Path
) -> None:
    bundle = ProductsBundle.open(tiny_products_bundle)
    predictor = ProductPredictor.load(bundle.path, threads=1)
    first, other = [item for item in read_catalog(bundle.config.data) if isinstance(item, Product)][:2]
    product = first.model_copy(update={"images": first.images + other.images})
    asked = AskedProduct(predictor, product, products_table.parent, "colour")
    question = question_about(asked.info.paths, asked.whole, None)
    network = OpenProduct(bundle, asked.given, open_product_net(bundle)).of_picture(1, "colour")
    assert network is not None
    pixels = asked.pixels[1][None]
    torch_side = network.logits(torch.from_numpy(pixels)).softmax(1).numpy()[0]
    said = predictor.predict([product], products_table.parent)
    assert torch_side.max() == pytest.approx(next(said).targets["colour"].top[0].probability, abs=1e-4)
    assert asked.of_pictures(1, pixels)[0] == pytest.approx(asked.whole, rel=1e-4)
    (found,) = integrated_gradients(network, [value_of(question)], pixels, 255, 128)[:, 0]
    blank = np.full_like(pixels, 255)
    change = question.value(asked.whole[None]) - question.value(asked.of_pictures(1, blank))
    assert found.sum() == pytest.approx(change[0], abs=0.05 * abs(change[0]) + 0.01)
    assert smooth(found[None], 2.0).sum() == pytest.approx(found.sum(), abs=1e-4)


def test_a_pictures_bundle_is_opened_too(tiny_bundle: Path, drawn_pictures: Callable[..., Any]) -> None:
    bundle = Bundle.open(tiny_bundle)
    network = open_classifier(bundle)
    assert network is not None
    pixels = drawn_pictures(3).images
    value = value_of(Question(0, 1))
    (found,) = integrated_gradients(network, [value], pixels, 0, 64)
    change = value(network.logits(torch.from_numpy(pixels))) - value(
        network.logits(torch.zeros(pixels.shape, dtype=torch.uint8))
    )
    assert found.sum(axis=(1, 2)) == pytest.approx(change.numpy(), rel=0.05, abs=0.05)
    assert grad_cam(network, [value], pixels).shape == (1, 3, 28, 28)
