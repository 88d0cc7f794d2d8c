"""Loaders: what an epoch holds, the same batches for the same seed, and resuming in the middle."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.config import AugmentConfig
from shelfwise.data.labelled import LabelledPictures
from shelfwise.errors import ConfigError
from shelfwise.nn.loaders import LoadedBatch, MemoryLoader, Schedule

AUGMENT = AugmentConfig(level="medium", flip="alternating", pad=2, erase=0.3)


def pictures(n: int, labels: list[int] | None = None) -> LabelledPictures:
    """Pictures whose every pixel is the row number."""
    images = np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, 9, 9, 1)).copy()
    given_labels = np.arange(n) % 3 if labels is None else np.array(labels)
    ids = tuple(str(i) for i in range(n))
    return LabelledPictures(images, given_labels.astype(np.int64), ("a", "b", "c"), ids)


def same(one: list[LoadedBatch], other: list[LoadedBatch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a.pixels, b.pixels) and torch.equal(a.labels, b.labels) and torch.equal(a.rows, b.rows)
        for a, b in zip(one, other, strict=True)
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 9), st.booleans())
def test_an_epoch_holds_every_row_once(n: int, batch_size: int, epoch: int, drop_last: bool) -> None:
    schedule = Schedule(np.zeros(n, np.int64), batch_size, drop_last=drop_last)
    batches = list(schedule.batches(epoch))
    assert len(batches) == len(schedule)
    rows = np.concatenate(batches)
    assert len(set(rows.tolist())) == len(rows)
    if not drop_last:
        assert sorted(rows.tolist()) == list(range(n))
    elif n >= batch_size:
        assert all(len(batch) == batch_size for batch in batches)
    else:
        assert [len(batch) for batch in batches] == [n]


def test_the_order_depends_on_seed_and_epoch_only() -> None:
    labels = np.zeros(100, np.int64)
    assert (Schedule(labels, 10, seed=1).rows(3) == Schedule(labels, 7, seed=1).rows(3)).all()
    assert (Schedule(labels, 10, seed=1).rows(3) != Schedule(labels, 10, seed=1).rows(4)).any()
    assert (Schedule(labels, 10, seed=1).rows(3) != Schedule(labels, 10, seed=2).rows(3)).any()
    assert (Schedule(labels, 10, order="sequential").rows(5) == np.arange(100)).all()


def test_balanced_sampling_draws_every_class_equally_often() -> None:
    labels = np.array([0] * 90 + [1] * 7 + [2] * 2 + [-1] * 10)
    rows = Schedule(labels, 10, order="balanced").rows(0)
    assert len(rows) == len(labels)
    assert sorted(np.bincount(labels[rows]).tolist()) == [36, 36, 37]
    assert len(set(rows[labels[rows] == 0].tolist())) >= 36  # no repeats where there are enough rows
    assert set(rows[labels[rows] == 2].tolist()) == {97, 98}
    with pytest.raises(ValueError, match="labelled"):
        Schedule(np.array([-1, -1]), 1, order="balanced")


def test_a_batch_holds_the_pixels_and_labels_of_its_rows() -> None:
    data = pictures(25)
    for batch in MemoryLoader(data, 4, drop_last=False).batches(0):
        assert (batch.pixels[:, 0, 0, 0] == batch.rows).all()
        assert (batch.labels == torch.from_numpy(data.labels)[batch.rows]).all()


@pytest.mark.parametrize("order", ["sequential", "shuffled", "balanced"])
def test_an_epoch_goes_on_where_it_stopped(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shelfwise.nn.loaders.CHUNK", 12)  # three batches of 4
    loader = MemoryLoader(pictures(50), 4, seed=5, order=order, augment=AUGMENT)  # type: ignore[arg-type]
    whole = list(loader.batches(2))
    assert len(whole) == len(loader) == 12
    for start in (0, 1, 3, 7, 11, 12):
        assert same(list(loader.batches(2, start)), whole[start:])


def test_augmentation_differs_between_batches_epochs_and_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shelfwise.nn.loaders.CHUNK", 8)
    config = AugmentConfig(level="light")
    loader = MemoryLoader(pictures(16), 4, order="sequential", augment=config)
    maps = [params.affine for e in (0, 1) for params in loader.schedule.draws(config, (9, 9), e)]
    assert len(maps) == 8
    assert len({tuple(m.flatten().tolist()) for m in maps if m is not None}) == 8


def test_the_loader_does_not_write_to_the_pictures() -> None:
    data = pictures(12)
    data.images.flags.writeable = False
    before = data.images.copy()
    for batch in MemoryLoader(data, 4, augment=AUGMENT).batches(0):
        batch.pixels.fill_(9)
    assert (data.images == before).all()


def test_the_compiled_kernel_gives_the_same_batches() -> None:
    pytest.importorskip("numba")
    compiled = AUGMENT.model_copy(update={"kernel": "numba"})
    one = list(MemoryLoader(pictures(20), 4, augment=AUGMENT).batches(1))
    assert same(one, list(MemoryLoader(pictures(20), 4, augment=compiled).batches(1)))


def test_the_compiled_kernel_is_refused_off_the_cpu() -> None:
    loader = MemoryLoader(pictures(20), 4, augment=AugmentConfig(kernel="numba"), device="meta")
    with pytest.raises(ConfigError, match="works on the CPU"):
        next(loader.batches(0))


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size"):
        MemoryLoader(pictures(3), 0)


def test_no_rows_give_no_batches() -> None:
    for order in ("sequential", "shuffled"):
        loader = MemoryLoader(pictures(0), 4, order=order, augment=AUGMENT)  # type: ignore[arg-type]
        assert len(loader) == 0
        assert list(loader.batches(0)) == []
