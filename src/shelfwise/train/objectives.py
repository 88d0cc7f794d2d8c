"""What a batch of pictures costs: soft cross-entropy with label smoothing and mixup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from shelfwise.nn.loaders import LoadedBatch
from shelfwise.nn.losses import mixup, soft_cross_entropy, soft_targets
from shelfwise.train.loop import Run, autocast


@dataclass(frozen=True)
class ClassifyPictures:
    """The objective of a picture classifier."""

    classes: int
    mixup_beta: float = 0.0

    def __call__(
        self, run: Run, batch: LoadedBatch, generator: torch.Generator
    ) -> Iterator[Float[Tensor, ""]]:
        """The loss of each micro-batch."""
        config = run.config
        pixels = batch.pixels.to(run.device)
        targets = soft_targets(batch.labels.to(run.device), self.classes, config.label_smoothing)
        if self.mixup_beta:
            pixels, targets = mixup(pixels, targets, beta=self.mixup_beta, generator=generator)
        chunks = zip(pixels.chunk(config.accumulate), targets.chunk(config.accumulate), strict=True)
        for some_pixels, some_targets in chunks:
            with autocast(config, run.device):
                logits = run.model(some_pixels)
            yield soft_cross_entropy(logits, some_targets) * (len(some_pixels) / len(pixels))
