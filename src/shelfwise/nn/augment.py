"""Random changes to training pictures on whole uint8 batches: drawing them (here) and applying them.

`draw` turns a generator into numbers, `apply` turns pixels and numbers into pixels; `augment` does both.
Numbers are drawn on the CPU whatever the device of the pixels, and the arithmetic is in integers, so a
seed gives the same bytes on CPU, GPU and in the compiled kernel (`nn.augment_numba`).

Order: rotation, scale, translation, flip and crop as one map, sampled once; then blur; then erasing.

B, N: pictures; H, W, C: height, width, channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int32, Int64, UInt8
from torch import Tensor

from shelfwise.config import AugmentConfig
from shelfwise.nn import geometry

COLUMNS = 13  # random numbers per picture; always all, so that levels share them
ERASE_AREA = (0.02, 0.4)
ERASE_ASPECT = (0.3, 1 / 0.3)


@dataclass(frozen=True)
class Level:
    """How far an augmentation level goes."""

    rotation: float = 0.0
    """Largest angle in degrees, either way."""
    translation: float = 0.0
    """Largest shift as a share of width and height, either way."""
    scale: tuple[float, float] = (1.0, 1.0)
    erase: float = 0.0
    """Probability of erasing a box."""
    blur: float = 0.0
    """Probability of a 3x3 binomial blur."""


LEVELS: dict[Literal["none", "light", "medium", "heavy"], Level] = {
    "none": Level(),
    "light": Level(rotation=5.0),
    "medium": Level(rotation=10.0, translation=0.1, erase=0.1),
    "heavy": Level(rotation=15.0, translation=0.15, scale=(0.9, 1.1), erase=0.2, blur=0.1),
}


@dataclass(frozen=True)
class AugmentParams:
    """What happens to each of N pictures; None where nothing of the kind happens. All on the CPU.

    Where `affine` is given, flip and shift are part of it and None themselves."""

    affine: Int32[Tensor, "N 6"] | None = None
    """Output (x, y) to source: `(a x + b y + c, d x + e y + f)`, in 1/65536 pixel."""
    flip: Bool[Tensor, "N"] | None = None
    shift: Int32[Tensor, "N 2"] | None = None
    """Source minus output position, (y, x), in pixels; taken before the flip."""
    blur: Bool[Tensor, "N"] | None = None
    box: Int32[Tensor, "N 4"] | None = None
    """Erased box: top, left, bottom, right; the last two excluded, all 0 where nothing is erased."""

    def __getitem__(self, rows: slice | Tensor) -> AugmentParams:
        """The parameters of some of the pictures."""
        parts = (self.affine, self.flip, self.shift, self.blur, self.box)
        return AugmentParams(*(None if part is None else part[rows] for part in parts))


def draw(
    config: AugmentConfig,
    rows: Int64[Tensor, "N"],
    *,
    size: tuple[int, int],
    epoch: int,
    generator: torch.Generator,
) -> AugmentParams:
    """Parameters for N pictures of `size` (H, W); 13 N numbers are taken from a CPU generator.

    `rows` are the pictures' numbers in the data set: the alternating flip turns over every picture in every
    other epoch, a random half of them (fixed by the row number) in the first (arXiv:2404.00498, section 3.6).
    """
    level = LEVELS[config.level]
    u = torch.rand(len(rows), COLUMNS, generator=generator)
    flip = _flips(config, rows, epoch, u[:, 0])
    shift = torch.floor(u[:, 1:3] * (2 * config.pad + 1)).to(torch.int32) - config.pad if config.pad else None
    affine = None
    if level.rotation or level.translation or level.scale != (1.0, 1.0):
        affine = _affine(level, u[:, 3:7], size)
        affine, flip, shift = geometry.compose(affine, flip, shift, width=size[1]), None, None
    erase = 1 - (1 - level.erase) * (1 - config.erase)
    return AugmentParams(
        affine=affine,
        flip=flip,
        shift=shift,
        blur=u[:, 7] < level.blur if level.blur else None,
        box=_boxes(erase, u[:, 8:13], size) if erase else None,
    )


def apply(
    pixels: UInt8[Tensor, "B H W C"], params: AugmentParams, *, fill: int = 0
) -> UInt8[Tensor, "B H W C"]:
    """`pixels` changed as `params` say, on their own device; the input is left as it is.

    `fill` is the value of uncovered pixels and of erased boxes."""
    if params.affine is not None:
        pixels = geometry.warp(pixels, params.affine, fill)
    else:
        pixels = geometry.shift_and_flip(pixels, params.shift, params.flip, fill)
    if params.blur is not None:
        pixels = geometry.blur_(pixels, params.blur)
    if params.box is not None:
        pixels = geometry.erase_(pixels, params.box, fill)
    return pixels


def augment(
    pixels: UInt8[Tensor, "B H W C"],
    config: AugmentConfig,
    *,
    generator: torch.Generator,
    epoch: int,
    rows: Int64[Tensor, "B"],
) -> UInt8[Tensor, "B H W C"]:
    """A changed copy of a batch; the same for the same pixels, config, generator state, epoch and rows.

    Mixup is not done here: it needs the labels (see `train`)."""
    size = (pixels.shape[1], pixels.shape[2])
    params = draw(config, rows.cpu(), size=size, epoch=epoch, generator=generator)
    return apply(pixels, params, fill=config.fill)


def _flips(
    config: AugmentConfig, rows: Int64[Tensor, "N"], epoch: int, u: Float[Tensor, "N"]
) -> Bool[Tensor, "N"] | None:
    """Which pictures are turned over, or None if none ever is."""
    if config.flip == "none":
        return None
    if config.flip == "random":
        return u < 0.5
    hashed = (rows * 0x9E3779B1) >> 16  # Fibonacci hashing: half of the rows, not every other one
    return (hashed + epoch) % 2 == 1


def _affine(level: Level, u: Float[Tensor, "N 4"], size: tuple[int, int]) -> Int32[Tensor, "N 6"]:
    """Maps from output to source: rotation and scale about the centre, then translation."""
    height, width = size
    u = u.double()
    angle = (2 * u[:, 0] - 1) * math.radians(level.rotation)
    tx = (2 * u[:, 1] - 1) * level.translation * width
    ty = (2 * u[:, 2] - 1) * level.translation * height
    scale = level.scale[0] + u[:, 3] * (level.scale[1] - level.scale[0])
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    cx, cy = (width - 1) / 2, (height - 1) / 2
    c = cx - cos * (cx + tx) - sin * (cy + ty)
    f = cy + sin * (cx + tx) - cos * (cy + ty)
    return (torch.stack([cos, sin, c, -sin, cos, f], 1) * geometry.ONE).round().to(torch.int32)


def _boxes(probability: float, u: Float[Tensor, "N 5"], size: tuple[int, int]) -> Int32[Tensor, "N 4"]:
    """Boxes of random erasing (arXiv:1708.04896, algorithm 1): area 2% to 40%, aspect 0.3 to 3.3.

    The aspect is log-uniform and confined to what fits, where the paper draws again until it fits."""
    height, width = size
    area = (ERASE_AREA[0] + u[:, 0] * (ERASE_AREA[1] - ERASE_AREA[0])) * (height * width)
    low = (area / width**2).clamp(min=ERASE_ASPECT[0]).log()
    high = (height**2 / area).clamp(max=ERASE_ASPECT[1]).log()
    aspect = torch.exp(low + u[:, 1] * (high - low))
    h = (area * aspect).sqrt().round().clamp(1, height)
    w = (area / aspect).sqrt().round().clamp(1, width)
    top = torch.floor(u[:, 2] * (height - h + 1))
    left = torch.floor(u[:, 3] * (width - w + 1))
    box = torch.stack([top, left, top + h, left + w], 1).to(torch.int32)
    return box * (u[:, 4] < probability).unsqueeze(1)
