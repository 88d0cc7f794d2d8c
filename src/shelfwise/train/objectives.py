"""What a batch of pictures costs: soft cross-entropy with label smoothing, mixup and "none of these"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from shelfwise.config import UnlikeConfig
from shelfwise.nn.loaders import LoadedBatch
from shelfwise.nn.losses import mixup, soft_cross_entropy, soft_targets
from shelfwise.nn.towers import PictureClassifier
from shelfwise.nn.unlike import replace_some
from shelfwise.train.loop import Run, autocast


@dataclass(frozen=True)
class ClassifyPictures:
    """The objective of a picture classifier."""

    classes: int
    mixup_beta: float = 0.0
    unlike: UnlikeConfig = field(default_factory=UnlikeConfig)

    def __call__(
        self, run: Run, batch: LoadedBatch, generator: torch.Generator
    ) -> Iterator[Float[Tensor, ""]]:
        """The loss of each micro-batch."""
        config, model, classes = run.config, run.model, self.classes
        assert isinstance(model, PictureClassifier)
        pixels, labels = batch.pixels, batch.labels
        if model.unlike is not None:
            pixels, labels = replace_some(
                pixels, labels, label=classes, config=self.unlike, generator=generator
            )
            classes += 1
        pixels = pixels.to(run.device)
        targets = soft_targets(labels.to(run.device), classes, config.label_smoothing)
        if self.mixup_beta:
            pixels, targets = mixup(pixels, targets, beta=self.mixup_beta, generator=generator)
        chunks = zip(pixels.chunk(config.accumulate), targets.chunk(config.accumulate), strict=True)
        for some_pixels, some_targets in chunks:
            with autocast(config, run.device):
                features = model.features(some_pixels)
                logits = model.logits(features) if model.unlike is None else model.open_logits(features)
            yield soft_cross_entropy(logits, some_targets, targets)
