"""Where in a picture tower features still have places: in a convolution's maps, in a transformer's patches.

Shapes: B pictures, T tokens, D features, h x w places of a picture of H x W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from shelfwise.schema.explanation import Method


@dataclass(frozen=True)
class FeatureMap:
    """What `module` gives while a picture tower runs: its last features that lie on a grid.

    Of a transformer these are the tokens that its last attention over patches reads, after their norm."""

    module: nn.Module
    patch: int | None = None
    """Side of a transformer's patches, in pixels; None where `module` gives maps."""

    @contextmanager
    def watched(self) -> Iterator[list[Tensor]]:
        """Within, the features of every run of the tower are noted in the list."""
        kept: list[Tensor] = []
        handle = self.module.register_forward_hook(lambda _, __, output: kept.append(output))
        try:
            yield kept
        finally:
            handle.remove()

    def on_grid(self, features: Float[Tensor, "..."], height: int, width: int) -> Float[Tensor, "B D h w"]:
        """Features, or their gradients, as maps: patches in their places, the class token left out."""
        if self.patch is None:
            return features
        down, across = height // self.patch, width // self.patch
        places = features[:, -down * across :].transpose(1, 2)
        return places.reshape(*places.shape[:2], down, across)

    def shape(self, features: Float[Tensor, "..."], height: int, width: int) -> tuple[int, int]:
        """Places from top to bottom and across."""
        down, across = self.on_grid(features, height, width).shape[2:]
        return down, across

    @property
    def method(self) -> Method:
        """Grad-CAM at these features."""
        where = "patch tokens that the last attention reads" if self.patch else "last feature map"
        return GRAD_CAM.model_copy(update={"settings": {"map": where}})


GRAD_CAM = Method(name="Grad-CAM", source="Selvaraju et al., arXiv:1610.02391, equations 1 and 2")


def feature_map_of(tower: nn.Module) -> FeatureMap | None:
    """The last feature map of a picture tower of ours, or of a pretrained one; None where it has none."""
    stages = getattr(tower, "stages", None)
    if isinstance(stages, nn.ModuleList) and len(stages):
        return FeatureMap(stages[-1])
    conv, encoder = getattr(tower, "conv", None), getattr(tower, "encoder", None)
    if isinstance(conv, nn.Conv2d):
        return FeatureMap(conv)
    # Of PictureEncoder by its shape: its own room needs transformers, which a bundle of ours is without.
    last, patch = getattr(encoder, "last_read", None), getattr(encoder, "patch", None)
    return FeatureMap(last, patch) if isinstance(last, nn.Module) and isinstance(patch, int) else None
