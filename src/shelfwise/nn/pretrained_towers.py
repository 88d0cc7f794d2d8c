"""Towers of a products network that others trained: an encoder, and linear maps into our width.

Shapes: B products, P pictures of all of them, T tokens, L ids, D features of the network, E of a vector.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from shelfwise.config import PictureTowerConfig, PretrainedConfig, TitleTowerConfig
from shelfwise.nn.feature_memory import FeatureMemory
from shelfwise.nn.fusion import Encoded
from shelfwise.nn.lora import add_lora
from shelfwise.nn.pretrained_halves import (
    PictureEncoder,
    TextEncoder,
    blank_text,
    load_text,
    pixel_scale,
)
from shelfwise.nn.towers import Normalize


class PretrainedTower(nn.Module):
    """An encoder and what stands on it; without a width its own vectors, at unit length, are the answer.

    Where nobody looks at tokens (there is no width, or vectors are remembered), each is the vector again."""

    encoder: PictureEncoder | TextEncoder

    def __init__(self, encoder: PictureEncoder | TextEncoder, width: int | None) -> None:
        super().__init__()
        self.encoder = encoder
        self.width = encoder.width if width is None else width
        self.out = None if width is None else nn.Linear(encoder.width, width)
        self.token = None if width is None else nn.Linear(encoder.states, width)
        self.memory: FeatureMemory | None = None
        """Where a frozen encoder's vectors are kept while training; its tokens then are not computed."""

    def pooled(self, vectors: Float[Tensor, "N E"]) -> Float[Tensor, "N D"]:
        """The encoder's vectors in our width, or at unit length in their own."""
        if self.out is None:
            return F.normalize(vectors.float(), dim=1)
        mapped: Tensor = self.out(vectors)
        return mapped


class PretrainedPicture(PretrainedTower):
    """A picture encoder of CLIP, SigLIP or ViT; pixels are normalised as its checkpoint was trained with."""

    encoder: PictureEncoder

    def __init__(
        self,
        encoder: PictureEncoder,
        width: int | None,
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ) -> None:
        super().__init__(encoder, width)
        self.normalize = Normalize(mean, std)

    def forward(
        self, pixels: UInt8[Tensor, "P H W C"]
    ) -> tuple[Float[Tensor, "P D"], Float[Tensor, "P T D"]]:
        """Each picture's vector and tokens."""
        if self.memory is not None and len(pixels):
            with torch.autocast(pixels.device.type, enabled=False):
                vectors = self.memory.recall(pixels, lambda new: self.encoder(self.normalize(new))[1])
            pooled = self.pooled(vectors)
            return pooled, pooled.unsqueeze(1)
        states, vectors = self.encoder(self.normalize(pixels))
        pooled = self.pooled(vectors)
        return pooled, pooled.unsqueeze(1) if self.token is None else self.token(states)


class PretrainedTitle(PretrainedTower):
    """A text encoder; ids are the tokenizer's plus one, so that 0 is padding whatever the checkpoint's is."""

    encoder: TextEncoder

    def forward(self, words: Int64[Tensor, "B L"], pieces: Int64[Tensor, "B S"] | None = None) -> Encoded:
        """Vectors and tokens of texts; `pieces` are the bag's and mean nothing here."""
        known = words > 0
        if self.memory is not None:
            full = F.pad(words, (0, max(0, self.encoder.longest - words.shape[1])))  # one key a text
            with torch.autocast(words.device.type, enabled=False):
                vectors = self.memory.recall(full, self._vectors)
            states = None
        else:
            states, vectors = self.encoder((words - 1).clamp(min=0), known)
        pooled = self.pooled(vectors)
        if states is None or self.token is None:
            return Encoded(pooled.unsqueeze(1).expand(-1, words.shape[1], -1), known, pooled)
        return Encoded(self.token(states), known, pooled)

    def _vectors(self, words: Int64[Tensor, "B L"]) -> Float[Tensor, "B E"]:
        words = words[:, : max(1, int((words > 0).sum(1).max()))]
        vectors: Tensor = self.encoder((words - 1).clamp(min=0), words > 0)[1]
        return vectors


def pretrained_picture(
    config: PictureTowerConfig,
    width: int | None,
    size: tuple[int, int],
    architecture: dict[str, Any] | None,
) -> PretrainedPicture:
    """The tower from its checkpoint, for pictures of `size` (height, width); blank, for a state dict to be
    loaded into, where its `architecture` is known."""
    if architecture is not None:
        return PretrainedPicture(PictureEncoder.blank(architecture), width, (0.5,) * 3, (0.5,) * 3)
    assert config.checkpoint is not None
    encoder = PictureEncoder.load(config.checkpoint)
    encoder.check_size(*size)
    return PretrainedPicture(encoder, width, *pixel_scale(config.checkpoint))


def pretrained_title(
    config: TitleTowerConfig, width: int | None, architecture: dict[str, Any] | None
) -> PretrainedTitle:
    """The tower from its checkpoint; blank where its `architecture` is known."""
    if architecture is not None:
        return PretrainedTitle(blank_text(architecture), width)
    assert config.checkpoint is not None
    return PretrainedTitle(load_text(config.checkpoint), width)


def prepare_tower(tower: PretrainedTower, config: PretrainedConfig) -> None:
    """Say which of the encoder's weights learn, by `requires_grad`: none, LoRA's, or all.

    After `lora` training `nn.lora.merge_lora` makes the encoder plain again."""
    tower.encoder.requires_grad_(config.tuning == "full")
    if config.tuning == "full" and isinstance(config, TitleTowerConfig) and config.freeze_embeddings:
        network: Any = tower.encoder.network
        getattr(network, "network", network).get_input_embeddings().requires_grad_(False)
    if config.tuning == "lora":
        add_lora(tower.encoder, config.lora_rank)
