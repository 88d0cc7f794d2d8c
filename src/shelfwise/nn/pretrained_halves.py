"""Encoders of pictures and texts from CLIP, SigLIP and ViT checkpoints, each half as a plain module.

Weights come from safetensors alone and no code of a checkpoint is run. Needs the extra `text`.

Shapes: P pictures, B texts, L tokens, T patches, D features of a state, E of a vector.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from safetensors import safe_open
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
    SiglipTextModel,
    SiglipVisionModel,
    ViTModel,
)

from shelfwise.errors import ConfigError, DataError
from shelfwise.nn.pretrained import (
    PretrainedEncoder,
    architecture_of,
    checkpoint_path,
    explained,
    plain_attention,
    quiet,
    read_network,
    without_dropout,
)

PICTURES: dict[str, Any] = {
    "clip": CLIPVisionModelWithProjection,
    "clip_vision_model": CLIPVisionModelWithProjection,
    "siglip": SiglipVisionModel,
    "siglip_vision_model": SiglipVisionModel,
    "vit": ViTModel,
}
"""What reads pictures, by a checkpoint's model_type."""
TEXTS: dict[str, Any] = {
    "clip": CLIPTextModelWithProjection,
    "clip_text_model": CLIPTextModelWithProjection,
    "siglip": SiglipTextModel,
    "siglip_text_model": SiglipTextModel,
}
"""What reads texts, by a checkpoint's model_type; all others are encoders of text alone."""
_PIXELS = ("preprocessor_config.json", "processor_config.json")


class PictureEncoder(nn.Module):
    """Normalised pictures to states and one vector: CLIP's projection, SigLIP's head, ViT's class token."""

    def __init__(self, network: nn.Module) -> None:
        """`network` is one of `PICTURES`; `load` and `blank` make one."""
        super().__init__()
        _drop_pooler(network)
        self.network = network
        config: Any = network.config
        self.kind: str = config.model_type
        self.states: int = config.hidden_size
        self.width: int = config.projection_dim if self.kind.startswith("clip") else config.hidden_size
        self.side: int = config.image_size
        self.patch: int = config.patch_size

    @classmethod
    def load(cls, name: str) -> PictureEncoder:
        """The picture half of a checkpoint with its weights in float32; DataError where it has none."""
        return cls(_load(name, PICTURES, "vision_config", "reads pictures"))

    @classmethod
    def blank(cls, architecture: dict[str, Any]) -> PictureEncoder:
        """An encoder of this `architecture` with random weights, for a state dict to be loaded into."""
        return cls(_blank(architecture, PICTURES))

    @property
    def architecture(self) -> dict[str, Any]:
        """What `blank` needs, as JSON values."""
        return architecture_of(self.network)

    @property
    def last_read(self) -> nn.Module:
        """The norm that gives the tokens which the last attention over patches reads.

        With SigLIP that is its head's, else the last block's: what leaves that block at the patches does not
        matter to a class token."""
        parts: dict[str, nn.Module] = dict(self.network.named_modules())
        if self.kind.startswith("siglip"):
            return next(part for name, part in parts.items() if name.endswith("post_layernorm"))
        blocks = next(part for part in parts.values() if isinstance(part, nn.ModuleList))
        return next(part for part in blocks[-1].modules() if isinstance(part, nn.LayerNorm))

    def plain_attention(self) -> None:
        """See `PretrainedEncoder.plain_attention`."""
        plain_attention(self.network)

    def check_size(self, height: int, width: int) -> None:
        """ConfigError where pictures of this size cannot be cut into patches."""
        if height % self.patch or width % self.patch:
            raise ConfigError(
                f"preprocess.height and width are {height} and {width}; picture.checkpoint cuts pictures "
                f"into patches of {self.patch}: use multiples of that (it was trained at "
                f"{self.side}x{self.side})"
            )

    def forward(
        self, pixels: Float[Tensor, "P C H W"]
    ) -> tuple[Float[Tensor, "P T D"], Float[Tensor, "P E"]]:
        """States and vectors; positions are interpolated where the size is not the checkpoint's own."""
        other = pixels.shape[2:] != (self.side, self.side)
        out = self.network(pixel_values=pixels, interpolate_pos_encoding=other)
        states: Tensor = out.last_hidden_state
        if self.kind == "vit":
            return states, states[:, 0]
        return states, out.image_embeds if self.kind.startswith("clip") else out.pooler_output


class TextHalf(nn.Module):
    """Token ids to token states and one vector: the text half of CLIP or SigLIP."""

    def __init__(self, network: nn.Module) -> None:
        """`network` is one of `TEXTS`; `load` and `blank` make one."""
        super().__init__()
        self.network = network
        config: Any = network.config
        self.clip = config.model_type.startswith("clip")
        self.states: int = config.hidden_size
        self.width: int = config.projection_dim if self.clip else config.projection_size
        self.pad_id: int = config.pad_token_id
        self.longest: int = config.max_position_embeddings
        """Tokens that it can read at once, special ones included."""

    @property
    def architecture(self) -> dict[str, Any]:
        """What `blank` needs, as JSON values."""
        return architecture_of(self.network)

    def plain_attention(self) -> None:
        """See `PretrainedEncoder.plain_attention`."""
        plain_attention(self.network)

    def forward(
        self, ids: Int64[Tensor, "B L"], known: Bool[Tensor, "B L"]
    ) -> tuple[Float[Tensor, "B L D"], Float[Tensor, "B E"]]:
        """States and vectors. CLIP sees only what stands before a token; SigLIP sees its padding, always."""
        ids = torch.where(known, ids, self.pad_id)
        if self.clip:
            out = self.network(input_ids=ids)
            return out.last_hidden_state, out.text_embeds
        # SigLIP learned on texts filled up to its full length, and its vector is the last position's.
        full = torch.cat([ids, ids.new_full((1, self.longest), self.pad_id).expand(ids.shape[0], -1)], 1)
        out = self.network(input_ids=full[:, : self.longest])
        return out.last_hidden_state[:, : ids.shape[1]], out.pooler_output


class MeanText(nn.Module):
    """A text encoder whose vector is the mean of its states, as MiniLM's is (arXiv:1908.10084, section 3)."""

    def __init__(self, encoder: PretrainedEncoder) -> None:
        super().__init__()
        self.network = encoder
        self.states = self.width = encoder.width
        self.pad_id, self.longest = encoder.pad_id, encoder.longest

    @property
    def architecture(self) -> dict[str, Any]:
        """What `PretrainedEncoder.blank` needs."""
        return self.network.architecture

    def plain_attention(self) -> None:
        """See `PretrainedEncoder.plain_attention`."""
        self.network.plain_attention()

    def forward(
        self, ids: Int64[Tensor, "B L"], known: Bool[Tensor, "B L"]
    ) -> tuple[Float[Tensor, "B L D"], Float[Tensor, "B E"]]:
        """States and vectors."""
        states = self.network(torch.where(known, ids, self.pad_id))
        present = known.unsqueeze(2).to(states.dtype)
        return states, (states * present).sum(1) / present.sum(1).clamp(min=1)


TextEncoder = TextHalf | MeanText


def load_text(name: str) -> TextEncoder:
    """What reads texts in a checkpoint: the text half of CLIP and SigLIP, else a text encoder."""
    path = checkpoint_path(name)
    with explained(name):
        kind = AutoConfig.from_pretrained(path, trust_remote_code=False).model_type
    if kind in TEXTS:
        return TextHalf(_load(name, TEXTS, "text_config", "reads texts"))
    return MeanText(PretrainedEncoder.load(name))


def blank_text(architecture: dict[str, Any]) -> TextEncoder:
    """A text encoder of this `architecture` with random weights, for a state dict to be loaded into."""
    if architecture["model_type"] in TEXTS:
        return TextHalf(_blank(architecture, TEXTS))
    return MeanText(PretrainedEncoder.blank(architecture))


def pixel_scale(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation, per channel, of pixels in 0..1 that a checkpoint was trained with.

    DataError where it does not say: with others its vectors would be wrong, and nobody would see it."""
    folder = Path(checkpoint_path(name))
    for file in _PIXELS:
        if not (folder / file).exists():
            continue
        with explained(name):
            values = json.loads((folder / file).read_text(encoding="utf-8"))
            values = values.get("image_processor", values)
            if "image_mean" in values:
                return tuple(map(float, values["image_mean"])), tuple(map(float, values["image_std"]))
    raise DataError(
        f"checkpoint '{name}' has no preprocessor_config.json with image_mean and image_std: "
        "copy that file of the same model into its folder"
    )


def pair_scale(name: str) -> tuple[float, float]:
    """1/temperature and bias by which a CLIP or SigLIP compares pictures with texts; CLIP's bias is 0."""
    found = {"logit_scale": math.log(1 / 0.07), "logit_bias": 0.0}
    folder = Path(checkpoint_path(name))
    with explained(name):
        for file in sorted(folder.glob("*.safetensors")):
            with safe_open(file, "pt") as weights:
                for key in found.keys() & set(weights.keys()):
                    found[key] = float(weights.get_tensor(key).float())
    return math.exp(found["logit_scale"]), found["logit_bias"]


def text_limit(name: str) -> int:
    """Tokens that a checkpoint's text encoder can read at once; its weights are not read."""
    path = checkpoint_path(name)
    with explained(name), quiet():
        config = AutoConfig.from_pretrained(path, trust_remote_code=False)
        half = getattr(config, "text_config", config)
        with torch.device("meta"):
            return blank_text(half.to_dict()).longest


def _load(name: str, kinds: dict[str, Any], half: str, does: str) -> nn.Module:
    """The network of one half of a checkpoint."""
    path = checkpoint_path(name)
    with explained(name), quiet():
        whole = AutoConfig.from_pretrained(path, trust_remote_code=False)
        if whole.model_type not in kinds:
            known = ", ".join(sorted({kind.split("_")[0] for kind in kinds}))
            raise DataError(f"(model_type '{whole.model_type}') is none that {does} here: {known}")
        config = getattr(whole, half, whole)
        if hasattr(whole, "projection_dim"):
            config.projection_dim = whole.projection_dim
        extra = {"add_pooling_layer": False} if whole.model_type == "vit" else {}
        return read_network(kinds[whole.model_type], path, without_dropout(config), **extra)


def _blank(architecture: dict[str, Any], kinds: dict[str, Any]) -> nn.Module:
    """A network of this architecture with random weights."""
    config = AutoConfig.for_model(**architecture)
    network: nn.Module = kinds[config.model_type](without_dropout(config))
    return network.float()


def _drop_pooler(network: nn.Module) -> None:
    # ViT's pooler would be weights that no loss reaches.
    if isinstance(getattr(network, "pooler", None), nn.Module):
        network.register_module("pooler", None)
