"""Pictures unlike the training pictures, made of them: what a classifier learns to say "none of these" of.

Outlier exposure (arXiv:1812.04606) without other data. N pictures, H x W x C raw pixels, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from shelfwise.config import UnlikeConfig

Pixels = UInt8[Tensor, "N H W C"]
Make = Callable[[Pixels, torch.Generator], Pixels]
_GRID = 4
"""Patches a side that `shuffled` moves about."""


def replace_some(
    pixels: UInt8[Tensor, "B H W C"],
    labels: Int64[Tensor, "B"],
    *,
    label: int,
    config: UnlikeConfig,
    generator: torch.Generator,
) -> tuple[UInt8[Tensor, "B H W C"], Int64[Tensor, "B"]]:
    """The batch with its first `config.share` made unlike, and labelled so; the kinds take equal parts.

    A batch is in random order, so its first rows are as good as any."""
    count = round(config.share * len(pixels))
    if not count:
        return pixels, labels
    pixels, labels = pixels.clone(), labels.clone()
    some, classes = pixels[:count].clone(), labels[:count].clone()
    # Which kind gets the odd row changes from batch to batch.
    first = int(torch.randint(len(config.kinds), (1,), generator=generator))
    for place, kind in enumerate(config.kinds):
        rows = slice((place + first) % len(config.kinds), count, len(config.kinds))
        if len(classes[rows]):
            made, unlike = make_unlike(kind, some[rows], classes[rows], generator)
            pixels[:count][rows] = made
            labels[:count][rows] = torch.where(unlike, label, -1).to(labels)
    return pixels, labels


def make_unlike(
    kind: str, pixels: Pixels, labels: Int64[Tensor, "N"], generator: torch.Generator
) -> tuple[Pixels, Tensor]:
    """Pictures of a key of `KINDS`, and which of them are unlike indeed [N].

    Halves of two shirts may well be a shirt: where `mixed` found no partner of another class it is not."""
    made = KINDS[kind](pixels, generator)
    if kind != "mixed":
        return made, torch.ones_like(labels, dtype=torch.bool)
    made, partner = _halves(pixels, generator)
    return made, labels != labels[partner]


def _noise(pixels: Pixels, generator: torch.Generator) -> Pixels:
    """Every pixel for itself, over a random part of the grey levels."""
    return _stretched(torch.rand(pixels.shape, generator=generator), generator)


def _shuffled(pixels: Pixels, generator: torch.Generator) -> Pixels:
    """The picture's own patches in another order; what does not divide evenly stays where it is."""
    n, height, width, channels = pixels.shape
    h, w = height // _GRID, width // _GRID
    whole = pixels[:, : h * _GRID, : w * _GRID].reshape(n, _GRID, h, _GRID, w, channels)
    patches = whole.permute(0, 1, 3, 2, 4, 5).flatten(1, 2)
    order = torch.rand(n, _GRID**2, generator=generator).argsort(1)
    moved = patches[torch.arange(n)[:, None], order].unflatten(1, (_GRID, _GRID))
    made = pixels.clone()
    made[:, : h * _GRID, : w * _GRID] = moved.permute(0, 1, 3, 2, 4, 5).reshape(
        n, h * _GRID, w * _GRID, channels
    )
    return made


def _mixed(pixels: Pixels, generator: torch.Generator) -> Pixels:
    """One half of a picture, the other half of another one."""
    return _halves(pixels, generator)[0]


def _halves(pixels: Pixels, generator: torch.Generator) -> tuple[Pixels, Int64[Tensor, "N"]]:
    """Mixed pictures, and whose half each was given."""
    count, height, width = pixels.shape[:3]
    shift = 1 + int(torch.randint(max(1, count - 1), (1,), generator=generator))
    partner = (torch.arange(count) + shift) % count
    made, other = pixels.clone(), pixels[partner]
    if torch.rand(1, generator=generator) < 0.5:
        made[:, height // 2 :] = other[:, height // 2 :]
    else:
        made[:, :, width // 2 :] = other[:, :, width // 2 :]
    return made, partner


def _blank(pixels: Pixels, generator: torch.Generator) -> Pixels:
    """One grey level, of which a third is the darkest or the brightest one."""
    level = (torch.rand(len(pixels), generator=generator) * 1.5 - 0.25).clamp(0, 1).mul(255).byte()
    return level[:, None, None, None].expand(pixels.shape).clone()


def _stripes(pixels: Pixels, generator: torch.Generator) -> Pixels:
    """Waves of any direction, 2 to 14 pixels long."""
    n, height, width = pixels.shape[:3]
    angle, length, phase = torch.rand(3, n, 1, 1, generator=generator)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    along = x * torch.cos(math.pi * angle) + y * torch.sin(math.pi * angle)
    waves = torch.sin(2 * math.pi * (along / (2 + 12 * length) + phase))
    return _stretched(waves[..., None].expand(pixels.shape), generator)


def _inverted(pixels: Pixels, generator: torch.Generator) -> Pixels:
    """Dark for bright."""
    return 255 - pixels


def _turned(pixels: Pixels, generator: torch.Generator) -> Pixels:
    """A quarter turn either way; what is not square is squeezed back into its shape."""
    sign = 1 if torch.rand(1, generator=generator) < 0.5 else -1
    turned = pixels.rot90(sign, (1, 2))
    if turned.shape == pixels.shape:
        return turned.contiguous()
    return _resized(turned.permute(0, 3, 1, 2).float(), pixels).round().byte()


def _texture(pixels: Pixels, generator: torch.Generator) -> Pixels:
    """Blotches upon blotches, coarse ones strongest, as photos have them (1/f)."""
    return _stretched(_blotches(pixels, generator), generator)


def _shape(pixels: Pixels, generator: torch.Generator) -> Pixels:
    """A blot of texture on plain ground, as a thing that was never seen would be cut out."""
    ground = pixels[:, :1, :1]  # a corner
    outline = _blotches(pixels, generator).mean(3, keepdim=True)
    inside = outline > outline.flatten(1).quantile(0.6, 1)[:, None, None, None]
    return torch.where(inside, _texture(pixels, generator), ground)


def _upside_down(pixels: Pixels, generator: torch.Generator) -> Pixels:
    """Top for bottom."""
    return pixels.flip(1)


def _checks(pixels: Pixels, generator: torch.Generator) -> Pixels:
    """A chess board of fields of 2 to 7 pixels."""
    n, height, width = pixels.shape[:3]
    side = torch.randint(2, 8, (n, 1, 1), generator=generator)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    fields = ((x // side + y // side) % 2).float()
    return _stretched(fields[..., None].expand(pixels.shape), generator)


def _blotches(pixels: Pixels, generator: torch.Generator) -> Float[Tensor, "N H W C"]:
    n, height, width, channels = pixels.shape
    total = torch.zeros(pixels.shape)
    for side in (2, 4, 8, 16):
        if side <= min(height, width):
            coarse = torch.rand(n, channels, side, side, generator=generator)
            total += _resized(coarse, pixels) / side
    return total


def _resized(maps: Float[Tensor, "N C h w"], like: Pixels) -> Float[Tensor, "N H W C"]:
    wide = F.interpolate(maps, like.shape[1:3], mode="bilinear", align_corners=False)
    return wide.permute(0, 2, 3, 1)


def _stretched(values: Float[Tensor, "N H W C"], generator: torch.Generator) -> Pixels:
    """Each picture's values spread from a random level in the darker half to one in the brighter half."""
    flat = values.flatten(1)
    low, high = flat.amin(1)[:, None, None, None], flat.amax(1)[:, None, None, None]
    ends = torch.rand(2, len(values), 1, 1, 1, generator=generator) / 2
    share = (values - low) / (high - low).clamp(min=1e-6)
    return (ends[0] + share * (1 - ends[1] - ends[0])).mul(255).round().byte()


KINDS: dict[str, Make] = {
    "noise": _noise,
    "shuffled": _shuffled,
    "mixed": _mixed,
    "blank": _blank,
    "stripes": _stripes,
    "inverted": _inverted,
    "turned": _turned,
    "texture": _texture,
    "shape": _shape,
    "upside_down": _upside_down,
    "checks": _checks,
}
"""All kinds; those that a configuration does not train with show whether what was learned goes further."""
