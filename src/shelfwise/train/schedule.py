"""The learning rate over a run."""

from __future__ import annotations

import math

from shelfwise.config import TrainConfig


def learning_rate_factor(step: int, steps: int, config: TrainConfig) -> float:
    """Share of the peak rate at `step` of `steps`: a linear rise, then a linear or cosine fall to 0.

    A rise of one step or less is left out: its rate would be 0, and a run of one step would learn nothing."""
    progress, warmup = step / steps, config.warmup if config.warmup * steps > 1 else 0.0
    if progress < warmup:
        return progress / warmup
    rest = (progress - warmup) / (1 - warmup) if warmup < 1 else 0.0
    return 1 - rest if config.decay == "linear" else 0.5 * (1 + math.cos(math.pi * rest))
