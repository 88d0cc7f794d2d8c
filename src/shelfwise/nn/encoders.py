"""Text encoders by kind, and whole review networks from a configuration: what training and loading share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tokenizers import Tokenizer
from torch import nn

from shelfwise.config import EncoderConfig
from shelfwise.nn.review_net import POOLS, ReviewNet
from shelfwise.nn.words import WordEncoder


def _words(config: EncoderConfig, tokenizer: Tokenizer, _architecture: dict[str, Any] | None) -> nn.Module:
    return WordEncoder(tokenizer.get_vocab_size(), config.width, config.layers)


def _transformer(
    config: EncoderConfig, _tokenizer: Tokenizer, architecture: dict[str, Any] | None
) -> nn.Module:
    from shelfwise.nn.pretrained import PretrainedEncoder

    if architecture is not None:
        return PretrainedEncoder.blank(architecture)
    return PretrainedEncoder.load(config.checkpoint)


ENCODERS: dict[str, Callable[[EncoderConfig, Tokenizer, dict[str, Any] | None], nn.Module]] = {
    "words": _words,
    "transformer": _transformer,
}


def build_review_net(
    config: EncoderConfig, tokenizer: Tokenizer, architecture: dict[str, Any] | None = None
) -> ReviewNet:
    """An untrained network; with `architecture` a pretrained encoder's weights are left to be loaded."""
    encoder = ENCODERS[config.kind](config, tokenizer, architecture)
    width: int = encoder.width  # type: ignore[assignment]
    return ReviewNet(encoder, POOLS[config.kind](width), config.dropout)
