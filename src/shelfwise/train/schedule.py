"""The learning rate over a run."""

from __future__ import annotations

import math

from shelfwise.config import TrainConfig


def learning_rate_factor(step: int, steps: int, config: TrainConfig) -> float:
    """Share of the peak rate at `step` of `steps`: a linear rise, then a linear or cosine fall to 0."""
    progress = step / steps
    if progress < config.warmup:
        return progress / config.warmup
    rest = (progress - config.warmup) / (1 - config.warmup) if config.warmup < 1 else 0.0
    return 1 - rest if config.decay == "linear" else 0.5 * (1 + math.cos(math.pi * rest))
