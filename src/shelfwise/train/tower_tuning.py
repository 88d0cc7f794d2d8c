"""Pretrained towers in a products run: which weights learn, what frozen ones remember, what bundles tell."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from shelfwise.config import AugmentConfig, ProductsConfig
from shelfwise.nn.feature_memory import FeatureMemory
from shelfwise.nn.fusion import Refined
from shelfwise.nn.product_loader import ProductBatch
from shelfwise.nn.product_net import ProductNet

log = logging.getLogger(__name__)

CHANGING = ("level", "flip", "pad", "erase")
"""Settings of augmentation that change a picture."""


def towers(net: ProductNet, config: ProductsConfig) -> dict[str, Any]:
    """The network's pretrained towers by the name of their table."""
    return {name: net.get_submodule(name) for name in config.pretrained}


def prepare_towers(net: ProductNet, config: ProductsConfig, device: torch.device) -> None:
    """Say which weights of the pretrained encoders learn; on a CPU with attention that goes back fast."""
    for name, tower in towers(net, config).items():
        from shelfwise.nn.pretrained_towers import prepare_tower

        prepare_tower(tower, config.pretrained[name])
        if device.type == "cpu" and config.pretrained[name].tuned:
            tower.encoder.plain_attention()


def remember(
    net: ProductNet, config: ProductsConfig, device: torch.device, batches: Iterable[ProductBatch]
) -> None:
    """Encode all texts and pictures of `batches` once by the frozen towers, if they never change.

    They do where an augmentation changes pictures, or a fusion looks at tokens: then a frozen tower runs in
    every step, without gradients. Encoded in the order of the data, a resumed run remembers the very bits."""
    if isinstance(net.fusion, Refined):
        return
    found = towers(net, config)
    frozen = {name for name in found if not config.pretrained[name].tuned}
    if changes(config.augment):
        frozen -= {"picture"}
    for name in frozen:
        found[name].memory = FeatureMemory()
    if not frozen:
        return
    log.info("encoding every text and picture once by what is frozen: %s", ", ".join(sorted(frozen)))
    net.eval()
    with torch.no_grad():
        for batch in batches:
            given = batch.products.to(device)
            if "picture" in frozen and len(given.pixels):
                net.picture(given.pixels)
            if "title" in frozen:
                for words, pieces in ((given.words, given.pieces), *batch.to(device).fields):
                    net.title(words, pieces)


def changes(augment: AugmentConfig) -> bool:
    """Whether training pictures are ever anything else than they are."""
    plain = AugmentConfig()
    return any(getattr(augment, name) != getattr(plain, name) for name in CHANGING)


def settle(net: ProductNet, config: ProductsConfig) -> None:
    """Add LoRA's updates to the weights they belong to: the parts have their first names again."""
    for name, tower in towers(net, config).items():
        if config.pretrained[name].tuning == "lora":
            from shelfwise.nn.lora import merge_lora

            merge_lora(tower.encoder)


def architectures(net: ProductNet, config: ProductsConfig) -> dict[str, dict[str, Any]]:
    """What a bundle needs to make its pretrained towers again, which then read no checkpoint."""
    return {name: tower.encoder.architecture for name, tower in towers(net, config).items()}


def checkpoints(config: ProductsConfig) -> dict[str, dict[str, str]]:
    """Name, weights and tuning of each pretrained tower, for a bundle's own account of itself."""
    found = {}
    for name, tower in config.pretrained.items():
        from shelfwise.nn.pretrained import checkpoint_path, weights_sha256

        assert tower.checkpoint is not None
        digest = weights_sha256(checkpoint_path(tower.checkpoint))
        found[name] = {"checkpoint": tower.checkpoint, "weights_sha256": digest, "tuning": tower.tuning}
    return found


def normalisation(net: ProductNet) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation that the picture tower takes pixels in 0..1 to have."""
    normalize: nn.Module = net.picture.get_submodule("normalize")
    mean, std = (normalize.get_buffer(name).div(255).tolist() for name in ("mean", "std"))
    return tuple(mean), tuple(std)
