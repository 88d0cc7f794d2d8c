"""Pictures made unlike: every kind keeps shape and type and follows from the seed."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from shelfwise.config import UnlikeConfig
from shelfwise.config.pictures import UnlikeKind
from shelfwise.nn.unlike import KINDS, make_unlike, replace_some


def batch(
    count: int = 40, height: int = 28, width: int = 28, channels: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (count, height, width, channels), dtype=torch.uint8, generator=generator)
    return pixels, torch.arange(count) % 4


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_configuration_names_all_kinds() -> None:
    assert set(get_args(UnlikeKind)) == set(KINDS)
    assert {"upside_down", "checks"} == set(KINDS) - set(UnlikeConfig().kinds)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(28, 28, 1), (20, 13, 3)])
def test_a_kind_keeps_shape_and_type_and_follows_from_the_seed(kind: str, size: tuple[int, int, int]) -> None:
    pixels, labels = batch(9, *size)
    before = pixels.clone()
    made, unlike = make_unlike(kind, pixels, labels, seeded())
    again, _ = make_unlike(kind, pixels, labels, seeded())
    assert made.shape == pixels.shape
    assert made.dtype == torch.uint8
    assert unlike.shape == (9,)
    assert torch.equal(made, again)
    assert torch.equal(pixels, before)
    assert not torch.equal(made, pixels)


def test_patches_move_and_stay_whole() -> None:
    pixels, labels = batch()
    made, _ = make_unlike("shuffled", pixels, labels, seeded())
    for one, other in zip(pixels, made, strict=True):
        assert torch.equal(one.flatten().sort().values, other.flatten().sort().values)


def test_halves_of_one_class_are_not_called_unlike() -> None:
    pixels, _ = batch(8)
    labels = torch.zeros(8, dtype=torch.int64)
    assert not make_unlike("mixed", pixels, labels, seeded())[1].any()
    assert make_unlike("mixed", pixels, torch.arange(8), seeded())[1].all()


def test_only_the_share_is_replaced_and_labelled_so() -> None:
    pixels, labels = batch(90)
    config = UnlikeConfig(share=0.2)
    changed, said = replace_some(pixels, labels, label=4, config=config, generator=seeded())
    assert torch.equal(changed[18:], pixels[18:])
    assert torch.equal(said[18:], labels[18:])
    assert set(said[:18].tolist()) <= {4, -1}
    assert (said[:18] == 4).sum() >= 16
    differ = (changed[:18] != pixels[:18]).flatten(1).any(1)
    assert differ.sum() >= 17
    again, _ = replace_some(pixels, labels, label=4, config=config, generator=seeded())
    assert torch.equal(again, changed)


def test_no_share_is_the_very_batch() -> None:
    pixels, labels = batch(3)
    config = UnlikeConfig(share=0.1)
    changed, said = replace_some(pixels, labels, label=4, config=config, generator=seeded())
    assert changed is pixels
    assert said is labels
