"""Batches of texts: every row once an epoch, like lengths together, an order from seed and epoch."""

from __future__ import annotations

import numpy as np

from shelfwise.nn.text_loader import TextLoader, TextRows


def rows(count: int = 300) -> TextRows:
    random = np.random.default_rng(0)
    ids = [np.arange(1, random.integers(2, 60), dtype=np.int64) for _ in range(count)]
    stars = random.integers(-1, 5, count)
    return TextRows(ids, stars, np.full(count, -1), teacher_stars=np.ones((count, 5), np.float32) / 5)


def test_every_row_comes_once_an_epoch() -> None:
    loader = TextLoader(rows(), 16, seed=3)
    seen = np.concatenate([batch.rows.numpy() for batch in loader.batches(0)])
    assert sorted(seen) == list(range(300))
    assert len(list(loader.batches(0))) == len(loader) == 19


def test_the_order_follows_from_seed_and_epoch_and_goes_on_in_the_middle() -> None:
    first, again = TextLoader(rows(), 16, seed=3), TextLoader(rows(), 16, seed=3)
    whole = [batch.rows.tolist() for batch in first.batches(1)]
    assert [batch.rows.tolist() for batch in again.batches(1, start=7)] == whole[7:]
    assert [batch.rows.tolist() for batch in again.batches(2)] != whole


def test_texts_of_like_length_share_a_batch() -> None:
    data = rows()
    lengths = [batch.ids.ne(0).sum(1) for batch in TextLoader(data, 16).batches(0)]
    assert np.mean([(some.max() - some.min()).item() for some in lengths]) < 8


def test_batches_have_few_widths() -> None:
    widths = {batch.ids.shape[1] for batch in TextLoader(rows(), 16).batches(0)}
    assert all(width % 16 == 0 for width in widths)


def test_a_batch_carries_labels_and_the_teacher() -> None:
    data = rows()
    batch = next(TextLoader(data, 8).batches(0))
    assert batch.stars.tolist() == data.stars[batch.rows.numpy()].tolist()
    assert batch.teacher_stars is not None
    assert batch.teacher_stars.shape == (8, 5)
    assert batch.teacher_recommended is None
    assert len(batch) == 8


def test_balanced_sampling_draws_every_star_about_equally() -> None:
    data = TextRows(
        [np.ones(3, np.int64)] * 1000, np.array([4] * 900 + [0] * 90 + [-1] * 10), np.full(1000, -1)
    )
    drawn = np.concatenate([batch.stars.numpy() for batch in TextLoader(data, 50, balanced=True).batches(0)])
    assert not (drawn == -1).any()
    assert 0.4 < (drawn == 0).mean() < 0.6
