"""Networks from configurations: what training, the torch backend and the export build alike."""

from __future__ import annotations

from shelfwise.config import Config
from shelfwise.data.tokens import TokenizerConfig
from shelfwise.nn.dual import TEXT_TOWERS, DualEncoder
from shelfwise.nn.towers import ConvTower, PictureClassifier


def build_classifier(
    config: Config, *, classes: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> PictureClassifier:
    """An untrained classifier."""
    unlike = config.unlike.share > 0
    model = PictureClassifier(config.model, classes=classes, mean=mean, std=std, unlike=unlike)
    if isinstance(model.tower, ConvTower):
        model.tower.gradient_checkpointing = config.train.gradient_checkpointing
    return model


def build_dual(classifier: PictureClassifier, config: Config, tokenizer: TokenizerConfig) -> DualEncoder:
    """An unaligned dual encoder around `classifier`."""
    text = TEXT_TOWERS[config.text.tower](tokenizer.buckets, config.text.width)
    return DualEncoder(classifier, text, config.text.width)
