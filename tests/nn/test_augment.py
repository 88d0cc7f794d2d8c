"""Augmentation: against a per-picture PIL reference, and its promises about seeds, order and bounds."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from shelfwise.config import AugmentConfig
from shelfwise.errors import MissingExtraError
from shelfwise.nn.augment import LEVELS, AugmentParams, apply, augment, draw

EVERYTHING = AugmentConfig(level="heavy", flip="random", pad=2, erase=0.3)


def pictures(n: int, height: int = 28, width: int = 28, channels: int = 1, seed: int = 0) -> torch.Tensor:
    """Smooth random pictures: neighbouring pixels differ little, as in photos."""
    small = np.random.default_rng(seed).integers(0, 256, (n, 7, 7, channels), dtype=np.uint8)
    big = [
        np.stack(
            [np.asarray(Image.fromarray(p[..., c]).resize((width, height))) for c in range(channels)], -1
        )
        for p in small
    ]
    return torch.from_numpy(np.stack(big))


def drawn(config: AugmentConfig, n: int, height: int = 28, width: int = 28, seed: int = 0) -> AugmentParams:
    generator = torch.Generator().manual_seed(seed)
    return draw(config, torch.arange(n), size=(height, width), epoch=0, generator=generator)


def reference(picture: np.ndarray, params: AugmentParams, i: int, fill: int) -> np.ndarray:
    """One picture [H, W, C] augmented the obvious way, channel by channel, with PIL."""
    channels = [_reference_channel(picture[..., c], params, i, fill) for c in range(picture.shape[2])]
    return np.stack(channels, -1)


def _reference_channel(plane: np.ndarray, params: AugmentParams, i: int, fill: int) -> np.ndarray:
    height, width = plane.shape
    image = Image.fromarray(plane)
    if params.flip is not None and params.flip[i]:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if params.shift is not None:
        dy, dx = params.shift[i].tolist()
        image = image.transform((width, height), Image.Transform.AFFINE, (1, 0, dx, 0, 1, dy), fillcolor=fill)
    if params.affine is not None:
        image = _reference_warp(image, (params.affine[i].double() / 65536).tolist(), fill)
    if params.blur is not None and params.blur[i]:
        bordered = Image.fromarray(np.pad(np.asarray(image), 1, mode="edge"))
        kernel = ImageFilter.Kernel((3, 3), (1, 2, 1, 2, 4, 2, 1, 2, 1), 16)
        image = bordered.filter(kernel).crop((1, 1, width + 1, height + 1))
    if params.box is not None:
        top, left, bottom, right = params.box[i].tolist()
        image.paste(fill, (left, top, right, bottom))
    return np.asarray(image)


def _reference_warp(image: Image.Image, m: list[float], fill: int) -> Image.Image:
    """PIL's own bilinear map; the margin makes it mix with `fill` at the edges as ours does.

    PIL counts from the corner of a pixel, we from its middle."""
    a, b, c, d, e, f = m
    margin = 40
    wide = Image.fromarray(np.pad(np.asarray(image), margin, constant_values=fill))
    c, f = c + margin + 0.5 - 0.5 * (a + b), f + margin + 0.5 - 0.5 * (d + e)
    bilinear = Image.Resampling.BILINEAR
    return wide.transform(image.size, Image.Transform.AFFINE, (a, b, c, d, e, f), bilinear, fillcolor=fill)


@pytest.mark.parametrize(
    "config",
    [
        AugmentConfig(flip="random"),
        AugmentConfig(flip="alternating", pad=2, erase=0.5),
        AugmentConfig(pad=3, fill=255),
    ],
    ids=str,
)
@pytest.mark.parametrize("channels", [1, 3])
def test_flip_crop_and_erase_equal_pil_to_the_bit(config: AugmentConfig, channels: int) -> None:
    pixels = pictures(40, 28, 20, channels)
    params = drawn(config, 40, 28, 20)
    expected = [reference(p, params, i, config.fill) for i, p in enumerate(pixels.numpy())]
    np.testing.assert_array_equal(apply(pixels, params, fill=config.fill).numpy(), expected)


@pytest.mark.parametrize("level", ["light", "medium", "heavy"])
@pytest.mark.parametrize(("channels", "fill"), [(1, 0), (3, 255)])
def test_levels_equal_pil_within_two_of_255(level: str, channels: int, fill: int) -> None:
    config = AugmentConfig(level=level, flip="random", pad=2, fill=fill)  # type: ignore[arg-type]
    pixels = pictures(60, 28, 36, channels)
    params = drawn(config, 60, 28, 36)
    expected = np.stack([reference(p, params, i, fill) for i, p in enumerate(pixels.numpy())])
    difference = np.abs(apply(pixels, params, fill=fill).numpy().astype(int) - expected)
    assert difference.max() <= 2
    assert difference.mean() < 0.5


def test_a_batch_is_a_function_of_the_generator() -> None:
    pixels, rows = pictures(16), torch.arange(16)

    def run(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return augment(pixels, EVERYTHING, generator=generator, epoch=0, rows=rows)

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))


def test_the_input_is_left_alone() -> None:
    for config in (AugmentConfig(), AugmentConfig(flip="random", erase=1.0), EVERYTHING):
        pixels = pictures(8)
        before = pixels.clone()
        result = apply(pixels, drawn(config, 8))
        result.fill_(7)
        assert torch.equal(pixels, before)


def test_the_alternating_flip_turns_every_picture_over_in_every_other_epoch() -> None:
    config, rows = AugmentConfig(flip="alternating"), torch.arange(10_000)
    flips = [
        draw(config, rows, size=(28, 28), epoch=epoch, generator=torch.Generator()).flip for epoch in range(3)
    ]
    assert flips[0] is not None
    assert flips[1] is not None
    assert torch.equal(flips[0], ~flips[1])
    assert torch.equal(flips[0], flips[2])  # type: ignore[arg-type]
    assert 0.45 < flips[0].float().mean() < 0.55
    order = torch.randperm(10_000)
    again = draw(config, order, size=(28, 28), epoch=0, generator=torch.Generator()).flip
    assert torch.equal(again, flips[0][order])  # type: ignore[arg-type]


def test_erasing_and_blur_happen_as_often_as_stated() -> None:
    params = drawn(AugmentConfig(level="heavy", erase=0.5), 20_000)
    assert params.box is not None
    assert params.blur is not None
    erased = params.box[:, 2] > 0
    assert abs(erased.float().mean() - (1 - 0.8 * 0.5)) < 0.02
    assert abs(params.blur.float().mean() - 0.1) < 0.01
    both = (erased & params.blur).float().mean()
    assert abs(both - 0.6 * 0.1) < 0.01


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 60), st.integers(8, 60), st.integers(0, 2**31))
def test_erased_boxes_lie_inside_and_have_the_papers_areas(height: int, width: int, seed: int) -> None:
    box = drawn(AugmentConfig(erase=1.0), 50, height, width, seed).box
    assert box is not None
    top, left, bottom, right = box.unbind(1)
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (bottom <= height).all()
    assert (right <= width).all()
    assert (bottom > top).all()
    assert (right > left).all()
    area = (bottom - top) * (right - left)
    slack = height + width  # half a pixel on each side, from rounding
    assert (area <= 0.4 * height * width + slack).all()


def test_rotation_stays_within_the_level() -> None:
    for name, level in LEVELS.items():
        params = drawn(AugmentConfig(level=name), 5_000)
        if params.affine is None:
            assert name == "none"
            continue
        a, b = params.affine[:, 0].double(), params.affine[:, 1].double()
        angle, scale = torch.rad2deg(torch.atan2(b, a)), 65536 / torch.hypot(a, b)
        assert 0.95 * level.rotation < angle.abs().max() <= level.rotation + 0.01
        assert level.scale[0] - 1e-4 <= scale.min()
        assert scale.max() <= level.scale[1] + 1e-4


def test_an_empty_batch_and_a_level_without_effect_pass_through() -> None:
    empty = torch.zeros(0, 28, 28, 1, dtype=torch.uint8)
    assert apply(empty, drawn(EVERYTHING, 0)).shape == empty.shape
    assert apply(empty, drawn(AugmentConfig(flip="random", pad=2), 0)).shape == empty.shape
    pixels = pictures(4)
    assert torch.equal(apply(pixels, drawn(AugmentConfig(), 4)), pixels)


def test_a_large_batch_is_warped_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, params = pictures(11, channels=3), drawn(EVERYTHING, 11)
    whole = apply(pixels, params)
    for piece in (1, 28 * 28 * 3 * 4):
        monkeypatch.setattr("shelfwise.nn.geometry.PIECE", piece)
        assert torch.equal(apply(pixels, params), whole)


def test_parameters_of_a_part_augment_that_part() -> None:
    pixels, params = pictures(12), drawn(EVERYTHING, 12)
    assert torch.equal(apply(pixels, params)[5:9], apply(pixels[5:9], params[5:9]))


@pytest.mark.parametrize(
    "config",
    [
        EVERYTHING,
        AugmentConfig(level="light", fill=255),
        AugmentConfig(flip="random", pad=3),
        AugmentConfig(),
    ],
    ids=str,
)
@pytest.mark.parametrize(("channels", "width"), [(1, 28), (3, 19)])
def test_the_compiled_kernel_gives_the_same_bytes(config: AugmentConfig, channels: int, width: int) -> None:
    kernel = pytest.importorskip("shelfwise.nn.augment_numba", exc_type=MissingExtraError)
    pixels, rows = pictures(50, 28, width, channels), torch.randperm(50)[:32]
    params = drawn(config, 32, 28, width)
    out = np.empty((32, 28, width, channels), np.uint8)
    kernel.apply_rows(pixels.numpy(), rows.numpy(), params, out, fill=config.fill)
    assert torch.equal(torch.from_numpy(out), apply(pixels[rows], params, fill=config.fill))


def test_the_kernel_without_numba_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "shelfwise.nn.augment_numba", raising=False)
    with pytest.raises(MissingExtraError, match=r"shelfwise\[fast\]"):
        importlib.import_module("shelfwise.nn.augment_numba")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same_bytes() -> None:
    pixels, params = pictures(32, channels=3), drawn(EVERYTHING, 32)
    assert torch.equal(apply(pixels.cuda(), params).cpu(), apply(pixels, params))
