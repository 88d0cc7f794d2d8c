"""What is needed to make a bundle's figures again, and what making them cost."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import onnxruntime

from shelfwise import __version__
from shelfwise.bundle import Bundle, ProductsBundle, ReviewsBundle
from shelfwise.evaluate.cost import peak_memory_mb


def cost_of(training: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Return `seconds`, `peak_memory_mb` and `memory`; null for what the bundle does not tell.

    `training` is the bundle's record of its training, `seconds` the time of this evaluation."""
    total, here, there = training.get("seconds_total"), peak_memory_mb(), training.get("peak_memory_mb")
    return {
        "seconds": {
            "train": training.get("seconds_train"),
            "train_cpu": training.get("cpu_seconds"),
            "evaluate": seconds,
            "total": None if total is None else total + seconds,
        },
        "peak_memory_mb": max((mb for mb in (here, there) if mb is not None), default=None),
        "memory": {"training_mb": there, "evaluation_mb": here},
    }


def provenance_of(bundle: Bundle | ProductsBundle | ReviewsBundle, seed: int) -> dict[str, Any]:
    """Return versions, machine, seeds, the training record and the whole configuration."""
    training = bundle.meta.info.get("training", {})
    return {
        "shelfwise": __version__,
        "trained_with": bundle.meta.shelfwise,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": onnxruntime.__version__,
        "torch": training.get("torch"),
        "machine": platform.machine(),
        "system": platform.system(),
        "seed": seed,
        "training_seed": bundle.config.train.seed,
        "training": training,
        "config": bundle.config.model_dump(mode="json"),
    }
