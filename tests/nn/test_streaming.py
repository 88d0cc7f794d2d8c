"""Streaming: the batches of the in-memory loader, from files, whatever the workers and the bad pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from shelfwise.config import AugmentConfig, PreprocessConfig
from shelfwise.data.labelled import LabelledPictures
from shelfwise.data.preprocess import Preprocessor
from shelfwise.nn.loaders import LoadedBatch, MemoryLoader
from shelfwise.nn.streaming import StreamingLoader

SIZE = PreprocessConfig(height=16, width=12, channels=3, fit="stretch")
Paths = tuple[Path, ...]
AUGMENT = AugmentConfig(level="medium", flip="random", fill=255)


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Paths, LabelledPictures]:
    """Thirty drawn PNG files, and the same as an array."""
    images = np.random.default_rng(0).integers(0, 256, (30, 16, 12, 3), dtype=np.uint8)
    paths = tuple(tmp_path / f"{i}.png" for i in range(30))
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    data = LabelledPictures(images, np.arange(30) % 3, ("a", "b", "c"), tuple(map(str, range(30))))
    return paths, data


def streaming(files: Paths, data: LabelledPictures, workers: int, order: str = "shuffled"):  # type: ignore[no-untyped-def]
    return StreamingLoader(
        files,
        data.labels,
        4,
        preprocessor=Preprocessor(SIZE),
        ids=data.ids,
        seed=3,
        order=order,  # type: ignore[arg-type]
        augment=AUGMENT,
        workers=workers,
    )


def same(one: list[LoadedBatch], other: list[LoadedBatch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a.pixels, b.pixels) and torch.equal(a.labels, b.labels) and torch.equal(a.rows, b.rows)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize(("workers", "order"), [(0, "shuffled"), (0, "balanced"), (2, "shuffled")])
def test_streaming_gives_the_batches_of_the_memory_loader(
    pictures: tuple[Paths, LabelledPictures], workers: int, order: str
) -> None:
    files, data = pictures
    memory = MemoryLoader(data, 4, seed=3, order=order, augment=AUGMENT)  # type: ignore[arg-type]
    loader = streaming(files, data, workers, order)
    assert len(loader) == len(memory)
    for start in (5,) if workers else (0, 5):  # starting workers takes a while
        assert same(list(loader.batches(1, start)), list(memory.batches(1, start)))
    assert loader.errors == ()


def test_a_corrupt_picture_is_a_row_error_and_its_batch_goes_on(
    pictures: tuple[Paths, LabelledPictures],
) -> None:
    files, data = pictures
    files[7].write_bytes(files[7].read_bytes()[:200])
    files[11].unlink()
    memory = list(MemoryLoader(data, 4, seed=3, augment=AUGMENT).batches(0))
    loader = streaming(files, data, workers=2)
    for streamed, whole in zip(loader.batches(0), memory, strict=True):
        kept = (whole.rows != 7) & (whole.rows != 11)
        assert torch.equal(streamed.rows, whole.rows[kept])
        assert torch.equal(streamed.pixels, whole.pixels[kept])
    loader.workers = 0
    list(loader.batches(1))
    found = {error.id: (error.row, error.kind) for error in loader.errors}
    assert found == {"7": (9, "picture_truncated"), "11": (13, "picture_missing")}


def test_a_batch_without_a_usable_picture_is_left_out(
    pictures: tuple[Paths, LabelledPictures],
) -> None:
    files, data = pictures
    for path in files[4:8]:
        path.write_text("<html>")
    loader = streaming(files, data, 0, "sequential")
    assert [batch.rows[0].item() for batch in loader.batches(0)] == [0, 8, 12, 16, 20, 24]
    assert len(loader.errors) == 4


def test_lengths_must_agree(pictures: tuple[Paths, LabelledPictures]) -> None:
    files, data = pictures
    with pytest.raises(ValueError, match="differ in length"):
        StreamingLoader(files, data.labels[:5], 4, preprocessor=Preprocessor(SIZE))
