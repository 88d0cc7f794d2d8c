"""From products to model input: the one place that train, predict and explain share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray
from PIL import Image

from shelfwise.config import PreprocessConfig
from shelfwise.data.fashion_photo import SIDE, fashion_mnist_picture
from shelfwise.data.pictures import DECODE_SIDE
from shelfwise.data.product_pictures import decode_product
from shelfwise.schema import Product, RowError, RowWarning

_DRAFT = 4
"""A JPEG may be decoded at reduced size as long as it keeps this many times the pixels of the result."""


@dataclass(frozen=True)
class Batch:
    """Model input for B products. Pixels are raw uint8; the model normalises, so no other place can."""

    ids: tuple[str, ...]
    pixels: UInt8[ndarray, "B H W C"]
    has_picture: Bool[ndarray, "B"]


class Preprocessor:
    """Makes every picture the same height, width and channels, as its configuration says.

    Of a product with several pictures this version uses the first one that can be decoded; the others
    are counted as the warning `other_pictures_unused`."""

    def __init__(self, config: PreprocessConfig, *, max_pixels: int = 64_000_000) -> None:
        self.config = config
        self.max_pixels = max_pixels
        self._ready: tuple[int, int, int] = (config.height, config.width, config.channels)
        if config.fit == "fashion-mnist" and self._ready != (SIDE, SIDE, 1):
            self._ready = (0, 0, 0)  # any size but that data set's own is prepared
        self.target_side = max(DECODE_SIDE, _DRAFT * max(config.height, config.width))
        """For `pictures.decode`, wherever a picture is decoded for this preprocessor."""

    def picture(self, pixels: UInt8[ndarray, "h w c"]) -> UInt8[ndarray, "H W C"]:
        """One decoded picture (1 or 3 channels) at the configured size and channels."""
        config = self.config
        if pixels.shape == self._ready:
            return pixels
        image = FITS[config.fit](pixels, config)
        mode = "L" if config.channels == 1 else "RGB"
        return np.atleast_3d(np.asarray(image.convert(mode), dtype=np.uint8))

    def batch(
        self,
        products: Sequence[Product],
        image_root: Path,
        *,
        rows: Sequence[int] | None = None,
        require_picture: bool = True,
    ) -> tuple[Batch, list[RowError], list[RowWarning]]:
        """Model input for the products with a usable picture, in their order, and what went wrong.

        `rows` are their row numbers, by default those of a table with nothing else in it. A product whose
        pictures all fail is a RowError and not in the batch; one that has none is that too, unless
        `require_picture` is off: then it is in, blank, with `has_picture` False."""
        config = self.config
        ids, stack, present = [], [], []
        errors: list[RowError] = []
        warnings: list[RowWarning] = []
        for row, product in zip(rows or range(2, len(products) + 2), products, strict=True):
            if not product.images and not require_picture:
                ids.append(product.id)
                stack.append(np.full((config.height, config.width, config.channels), 0, np.uint8))
                present.append(False)
                continue
            outcome, found = decode_product(
                product, image_root, row=row, max_pixels=self.max_pixels, target_side=self.target_side
            )
            warnings.extend(found)
            if isinstance(outcome, RowError):
                errors.append(outcome)
                continue
            ids.append(product.id)
            stack.append(self.picture(outcome.picture.pixels))
            present.append(True)
        shape = (len(ids), config.height, config.width, config.channels)
        pixels = np.stack(stack) if stack else np.zeros(shape, np.uint8)
        return Batch(tuple(ids), pixels, np.array(present, dtype=bool)), errors, warnings


def _image(pixels: UInt8[ndarray, "h w c"]) -> Image.Image:
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _stretched(pixels: UInt8[ndarray, "h w c"], config: PreprocessConfig) -> Image.Image:
    return _resized(_image(pixels), config.width, config.height)


def _padded(pixels: UInt8[ndarray, "h w c"], config: PreprocessConfig) -> Image.Image:
    """The whole picture at its own aspect, centred on the background."""
    image = _image(pixels)
    scale = min(config.width / image.width, config.height / image.height)
    width = min(config.width, max(1, round(image.width * scale)))
    height = min(config.height, max(1, round(image.height * scale)))
    canvas = Image.new(image.mode, (config.width, config.height), _grey(image.mode, config.background))
    canvas.paste(_resized(image, width, height), ((config.width - width) // 2, (config.height - height) // 2))
    return canvas


def _grey(mode: str, level: int) -> int | tuple[int, int, int]:
    return level if mode == "L" else (level, level, level)


def _resized(image: Image.Image, width: int, height: int) -> Image.Image:
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _as_fashion_mnist(pixels: UInt8[ndarray, "h w c"], config: PreprocessConfig) -> Image.Image:
    grey = fashion_mnist_picture(pixels)
    return _resized(Image.fromarray(grey[:, :, 0]), config.width, config.height)


FITS: dict[str, Callable[[UInt8[ndarray, "h w c"], PreprocessConfig], Image.Image]] = {
    "pad": _padded,
    "stretch": _stretched,
    "fashion-mnist": _as_fashion_mnist,
}
"""The ways to fit a picture, by the name that a configuration uses."""
