"""Towers: every registered one learns, and the fast convolution is the plain one."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from shelfwise.config import ModelConfig
from shelfwise.nn.conv import Conv3x3, SmallMapConv
from shelfwise.nn.dual import TEXT_TOWERS
from shelfwise.nn.towers import PICTURE_TOWERS, BatchNorm, Normalize, PictureClassifier


@pytest.mark.parametrize("name", sorted(PICTURE_TOWERS))
@pytest.mark.parametrize("channels", [1, 3])
def test_every_tower_gives_finite_gradients_to_every_weight(name: str, channels: int) -> None:
    config = ModelConfig.model_validate({"tower": name, "widths": [8, 8, 8], "stem": 4})
    model = PictureClassifier(config, classes=5, mean=(0.5,) * channels, std=(0.2,) * channels)
    pixels = torch.randint(0, 256, (4, 28, 28, channels), dtype=torch.uint8)
    logits = model(pixels)
    assert logits.shape == (4, 5)
    F.cross_entropy(logits, torch.tensor([0, 1, 2, 3])).backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()


@pytest.mark.parametrize("name", sorted(TEXT_TOWERS))
def test_every_text_tower_gives_unit_vectors_that_padding_does_not_change(name: str) -> None:
    tower = TEXT_TOWERS[name](64, 8)
    ids = torch.tensor([[3, 5, 0, 0], [7, 0, 0, 0]])
    vectors = tower(ids)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(tower(ids[:, :2]), vectors)


def test_normalized_pixels_have_channels_in_front() -> None:
    pixels = torch.full((1, 2, 2, 1), 51, dtype=torch.uint8)
    torch.testing.assert_close(Normalize((0.1,), (0.2,))(pixels), torch.full((1, 1, 2, 2), 0.5))


@pytest.mark.parametrize("side", [1, 3, 4])
def test_the_small_map_gradient_is_autograds(side: int) -> None:
    generator = torch.Generator().manual_seed(side)
    x = torch.randn(5, 6, side, side, generator=generator, dtype=torch.float64)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(7, 6, 3, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(5, 7, side, side, generator=generator, dtype=torch.float64)
    expected = torch.autograd.grad(F.conv2d(x, weight, padding=1), (x, weight), upstream)
    got = torch.autograd.grad(SmallMapConv.apply(x, weight), (x, weight), upstream)
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_convolution_takes_the_fast_gradient_only_in_training_on_small_bfloat16_maps() -> None:
    conv = Conv3x3(4, 4).bfloat16()
    small = torch.randn(2, 4, 3, 3, dtype=torch.bfloat16)
    assert "SmallMapConv" in conv(small).grad_fn.name()
    large = torch.randn(2, 4, 8, 8, dtype=torch.bfloat16)
    assert "SmallMapConv" not in conv(large).grad_fn.name()
    torch.testing.assert_close(conv.eval()(small), conv.train()(small))


def test_one_value_a_channel_is_normalised_by_what_came_before() -> None:
    norm = BatchNorm(4)
    norm(3 + torch.randn(16, 4, 2, 2))
    one = torch.randn(1, 4, 1, 1)
    found = norm(one)
    torch.testing.assert_close(found, norm.eval()(one))
    assert norm.num_batches_tracked == 1


def test_gradient_checkpointing_changes_no_gradient() -> None:
    config = ModelConfig(widths=(8, 8), depths=(2, 1), downsample=("stride", "pool"), stem=4)
    torch.manual_seed(0)
    model = PictureClassifier(config, classes=3, mean=(0.3,), std=(0.3,))
    pixels = torch.randint(0, 256, (8, 28, 28, 1), dtype=torch.uint8)
    gradients = []
    for checkpointing in (False, True):
        model.tower.gradient_checkpointing = checkpointing
        model.zero_grad()
        model(pixels).square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    for plain, saved in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, saved)
