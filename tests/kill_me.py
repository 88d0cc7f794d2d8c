"""Trains a small run on drawn pictures; `test_resume.py` kills it at a step and lets it go on."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from drawn import KINDS, draw_garment
from safetensors.torch import save_file

from shelfwise.config import parse_config
from shelfwise.data.labelled import LabelledPictures
from shelfwise.nn.build import build_classifier
from shelfwise.nn.loaders import MemoryLoader
from shelfwise.train.fit import Watch, fit, picture_accuracy
from shelfwise.train.loop import Run
from shelfwise.train.objectives import ClassifyPictures

CONFIG = {
    "name": "kill-me",
    "model": {
        "tower": "conv",
        "stem": 4,
        "widths": [8, 8],
        "depths": [2, 1],
        "downsample": ["stride", "pool"],
    },
    "augment": {"flip": "alternating", "pad": 1, "erase": 0.3, "mixup": 0.2},
    "train": {
        "epochs": 4,
        "batch_size": 16,
        "ema": 0.9,
        "clip": 5.0,
        "accumulate": 2,
        "checkpoint_every": 3,
        "evaluate_every": 1,
        "patience": 100,
    },
}


def drawn(count: int, seed: int) -> LabelledPictures:
    seeds = range(seed, seed + count)
    images = [255 - np.asarray(draw_garment(KINDS[i % 4], i, 28).convert("L")) for i in seeds]
    labels = np.array([i % 4 for i in seeds], dtype=np.int64)
    return LabelledPictures(np.stack(images)[..., None], labels, KINDS, tuple(map(str, seeds)))


def main(out: Path, die_at: int, *, resume: bool) -> None:
    """Train into `out/weights.safetensors`; kill this process, without a word, right after step `die_at`."""

    def watch(moment: Watch) -> None:
        if moment.record.step == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.set_num_threads(1)
    config = parse_config(CONFIG, where="kill_me")
    data = drawn(64, 0)
    torch.manual_seed(config.train.seed)
    model = build_classifier(config, classes=len(KINDS), mean=(0.3,), std=(0.3,))
    run = Run(model, config.train, torch.device("cpu"))
    loader = MemoryLoader(data, batch_size=config.train.batch_size, augment=config.augment)
    fitted = fit(
        run,
        loader,
        ClassifyPictures(len(KINDS), config.augment.mixup),
        picture_accuracy(drawn(16, 1000)),
        folder=out,
        fingerprint={},
        resume=resume,
        watch=watch,
    )
    save_file(
        {name: tensor.contiguous() for name, tensor in fitted.weights.items()}, out / "weights.safetensors"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), resume=sys.argv[3] == "resume")
