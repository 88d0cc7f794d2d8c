"""The picture and title towers of a products network by kind: what training and loading share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from shelfwise.config import ProductsConfig
from shelfwise.nn.product_towers import PictureTower, TitleTower

Architectures = Mapping[str, dict[str, Any]]
"""Of each pretrained tower, `picture` and `title`, in its own library's words."""
Pixels = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and deviation of the training pixels."""


def _conv(config: ProductsConfig, pixels: Pixels, _: Architectures) -> nn.Module:
    return PictureTower(config.picture, config.fusion.width, *pixels)


def _pretrained_picture(config: ProductsConfig, _: Pixels, architectures: Architectures) -> nn.Module:
    from shelfwise.nn.pretrained_towers import pretrained_picture

    size = (config.preprocess.height, config.preprocess.width)
    return pretrained_picture(config.picture, own_width(config), size, architectures.get("picture"))


def _bag(config: ProductsConfig, _: Architectures) -> nn.Module:
    return TitleTower(config.title, config.fusion.width)


def _pretrained_title(config: ProductsConfig, architectures: Architectures) -> nn.Module:
    from shelfwise.nn.pretrained_towers import pretrained_title

    return pretrained_title(config.title, own_width(config), architectures.get("title"))


PICTURES: dict[str, Callable[[ProductsConfig, Pixels, Architectures], nn.Module]] = {
    "conv": _conv,
    "pretrained": _pretrained_picture,
}
TITLES: dict[str, Callable[[ProductsConfig, Architectures], nn.Module]] = {
    "bag": _bag,
    "pretrained": _pretrained_title,
}


def own_width(config: ProductsConfig) -> int | None:
    """Dimensions that pretrained towers map their vectors to; None where they stay in their own space."""
    return None if config.fusion.kind == "dual" else config.fusion.width
