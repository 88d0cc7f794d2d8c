"""How many training batches does one thread augment, against PIL per item?

    python benchmarks/loader.py [--rounds 7] [--seed 0]

Level medium (rotation 10 degrees, translation 0.1, erasing p=.1), bilinear, batches of 64 pictures of
Fashion-MNIST, normalised float32 out; the peer is a torch Dataset that uses PIL picture by picture under a
DataLoader. All take turns in one process; batches per second of CPU time, the median of the rounds.
Writes results/bench/loader.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import record
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from shelfwise.config import AugmentConfig
from shelfwise.data.fashion_mnist import load
from shelfwise.data.labelled import LabelledPictures
from shelfwise.data.statistics import pixel_statistics
from shelfwise.nn.augment import ERASE_AREA, ERASE_ASPECT, LEVELS
from shelfwise.nn.loaders import MemoryLoader

BATCH = 64
MEDIUM = LEVELS["medium"]
PEER_BATCHES, OUR_BATCHES = 60, 600  # a round


class PilDataset(Dataset[tuple[Tensor, int]]):
    """The obvious way: one picture at a time through PIL."""

    def __init__(self, data: LabelledPictures, mean: float, std: float, resample: Image.Resampling) -> None:
        self.data, self.mean, self.std, self.resample = data, mean, std, resample

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.data.images[row, :, :, 0])
        width, height = image.size
        angle = random.uniform(-MEDIUM.rotation, MEDIUM.rotation)
        shift = (
            random.uniform(-MEDIUM.translation, MEDIUM.translation) * width,
            random.uniform(-MEDIUM.translation, MEDIUM.translation) * height,
        )
        image = image.rotate(angle, self.resample, translate=shift, fillcolor=0)
        if random.random() < MEDIUM.erase:
            erase(image)
        pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(1, height, width)
        return (pixels.float() / 255 - self.mean) / self.std, int(self.data.labels[row])


def erase(image: Image.Image) -> None:
    """Random erasing, in place (arXiv:1708.04896)."""
    width, height = image.size
    area = random.uniform(*ERASE_AREA) * width * height
    aspect = math.exp(random.uniform(*map(math.log, ERASE_ASPECT)))
    h, w = min(height, round(math.sqrt(area * aspect))), min(width, round(math.sqrt(area / aspect)))
    top, left = random.randint(0, height - h), random.randint(0, width - w)
    image.paste(0, (left, top, left + w, top + h))


def peer(data: LabelledPictures, mean: float, std: float, resample: Image.Resampling) -> Iterator[Any]:
    """Batches by PIL, for ever."""
    while True:
        yield from DataLoader(PilDataset(data, mean, std, resample), BATCH, shuffle=True, drop_last=True)


def ours(data: LabelledPictures, mean: float, std: float, config: AugmentConfig, seed: int) -> Iterator[Any]:
    """Our batches, normalised as the peer's are, for ever."""
    loader = MemoryLoader(data, BATCH, seed=seed, augment=config)
    scale, offset = 1 / (255 * std), -mean / std
    epoch = 0
    while True:
        for batch in loader.batches(epoch):
            yield batch.pixels.permute(0, 3, 1, 2).float().mul_(scale).add_(offset), batch.labels
        epoch += 1


def rate(batches: Iterator[Any], count: int) -> float:
    """Batches per second of this process's CPU time."""
    began = time.process_time()
    for _ in range(count):
        next(batches)
    return count / (time.process_time() - began)


def main(rounds: int, seed: int) -> None:
    """Measure, print and write."""
    torch.set_num_threads(1)
    random.seed(seed)
    torch.manual_seed(seed)
    data = load("train")
    found = pixel_statistics([data.images])
    mean, std = float(found.mean[0]), float(found.std[0])
    medium = AugmentConfig(level="medium")
    makers: dict[str, tuple[int, Callable[[], Iterator[Any]]]] = {
        "pil_bilinear": (PEER_BATCHES, lambda: peer(data, mean, std, Image.Resampling.BILINEAR)),
        "pil_nearest": (PEER_BATCHES, lambda: peer(data, mean, std, Image.Resampling.NEAREST)),
        "torch": (OUR_BATCHES, lambda: ours(data, mean, std, medium, seed)),
    }
    if importlib.util.find_spec("numba"):
        compiled = medium.model_copy(update={"kernel": "numba"})
        makers["numba"] = (OUR_BATCHES, lambda: ours(data, mean, std, compiled, seed))
    running = {name: (count, make()) for name, (count, make) in makers.items()}
    for _, batches in running.values():
        next(batches)  # compile and warm up
    measured: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(rounds):
        for name, (count, batches) in running.items():
            measured[name].append(rate(batches, count))
    write(measured, seed)


def write(measured: dict[str, list[float]], seed: int) -> None:
    """The table on the screen, the same figures in the file, the ratio last."""
    median = {name: statistics.median(rates) for name, rates in measured.items()}
    ratios = {
        f"{name}_over_{peer_name}": statistics.median(
            a / b for a, b in zip(measured[name], measured[peer_name], strict=True)
        )
        for name in median
        if not name.startswith("pil")
        for peer_name in ("pil_bilinear", "pil_nearest")
    }
    path = record.write(
        "loader",
        {
            "question": "training batches augmented per second of CPU time, against PIL per item",
            "batch_size": BATCH,
            "threads": 1,
            "seed": seed,
            "batches_per_second": {name: round(value, 1) for name, value in median.items()},
            "rounds": {name: [round(r, 1) for r in rates] for name, rates in measured.items()},
            "ratios": {name: round(value, 2) for name, value in ratios.items()},
        },
    )
    for name, value in median.items():
        print(f"{name:14s} {value:10,.0f} batches/s {1e6 / value:8.0f} us a batch")
    print(f"written to {path.relative_to(record.ROOT)}")
    for name, value in ratios.items():
        print(f"{name.replace('_', ' ')}: {value:.1f}x")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    main(arguments.rounds, arguments.seed)
