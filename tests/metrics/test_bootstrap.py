"""Bootstrap intervals: where they must lie, that they cover, are fixed by a seed, and are fast."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.metrics.bootstrap import (
    Interval,
    Sampled,
    mean_of,
    resampled_counts,
    resampled_means,
    row_weights,
)
from shelfwise.metrics.classification import class_scores, macro_f1


def mean_interval(values: np.ndarray, **how: object) -> Interval:
    return mean_of(values, **how).interval()  # type: ignore[arg-type]


def test_a_seed_fixes_the_interval() -> None:
    values = np.random.default_rng(0).random(200)
    assert mean_interval(values, seed=1) == mean_interval(values, seed=1)
    assert mean_interval(values, seed=1) != mean_interval(values, seed=2)


def test_the_interval_has_the_width_of_the_normal_approximation() -> None:
    correct = (np.random.default_rng(0).random(10_000) < 0.9).astype(float)
    found = mean_interval(correct, seed=0)
    expected = 1.96 * correct.std() / 100
    assert (found.high - found.low) / 2 == pytest.approx(expected, rel=0.1)


def test_the_interval_covers_the_truth_about_95_times_in_100() -> None:
    covered = 0
    for seed in range(200):
        rows = (np.random.default_rng(seed).random(300) < 0.8).astype(float)
        found = mean_interval(rows, seed=seed, resamples=400)
        covered += found.low <= 0.8 <= found.high
    assert 180 <= covered <= 200


def test_groups_of_equal_rows_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    per_family = (rng.random(250) < 0.8).astype(float)
    families = np.repeat(np.arange(250), 4)
    rows = per_family[families]
    alone, grouped = mean_interval(rows, seed=0), mean_interval(rows, seed=0, groups=families)
    assert (grouped.high - grouped.low) / (alone.high - alone.low) == pytest.approx(2, rel=0.15)


def test_a_group_of_one_row_each_is_no_group() -> None:
    values = np.random.default_rng(0).random(50)
    names = np.array([f"family-{i:03}" for i in range(50)])
    grouped, alone = mean_of(values, seed=3, groups=names), mean_of(values, seed=3)
    np.testing.assert_allclose(grouped.drawn, alone.drawn)


def test_resampled_means_are_those_of_the_plain_loop() -> None:
    values = np.random.default_rng(0).random((30, 2))
    found = resampled_means(values, seed=5, resamples=3)
    chosen = np.random.default_rng(5).integers(0, 30, (3, 30))
    np.testing.assert_allclose(found, [values[rows].mean(axis=0) for rows in chosen])


def test_resampled_counts_are_those_of_the_same_draw() -> None:
    labels = np.random.default_rng(0).integers(0, 4, 60)
    counts = resampled_counts(labels, 4, seed=9, resamples=5)
    means = resampled_means(np.eye(4)[labels], seed=9, resamples=5)
    np.testing.assert_allclose(counts / 60, means)


def test_the_draw_is_the_same_in_chunks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(row_weights(20, seed=0, resamples=7)))
    monkeypatch.setattr("shelfwise.metrics.bootstrap._CELLS", 50)
    assert np.array_equal(np.concatenate(list(row_weights(20, seed=0, resamples=7))), whole)
    assert (whole.sum(axis=1) == 20).all()


def test_a_paired_difference_of_like_models_is_narrower_than_either_alone() -> None:
    rng = np.random.default_rng(0)
    a = rng.random(2000) < 0.9
    b = np.where(rng.random(2000) < 0.02, ~a, a)
    one, other = mean_of(a, seed=0), mean_of(b, seed=0)
    both = (one - other).interval()
    assert both.value == pytest.approx(a.mean() - b.mean())
    assert both.high - both.low < 0.6 * (one.interval().high - one.interval().low)


def test_a_shifted_sample_has_the_value_as_its_mean_and_stays_above_its_floor() -> None:
    shifted = Sampled(0.2, np.array([0.3, 0.4, 0.5])).without_bias()
    np.testing.assert_allclose(shifted.drawn, [0.1, 0.2, 0.3])
    assert Sampled(0.0, np.array([0.3, 0.5])).without_bias().drawn.min() == 0
    assert Sampled(0.9, np.array([-0.1, 0.9, 1.1])).within(0.0, 1.0).drawn.tolist() == [0, 0.9, 1]


def test_a_thousand_resamples_of_ten_thousand_rows_take_under_two_seconds() -> None:
    rng = np.random.default_rng(0)
    values, category = rng.random((10_000, 40)), rng.integers(0, 100, 10_000)
    start = time.process_time()
    resampled_means(values, seed=0)
    macro_f1(class_scores(resampled_counts(category, 100, seed=0).reshape(-1, 10, 10)))
    assert time.process_time() - start < 2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(0, 1000))
def test_an_interval_lies_within_the_values(values: list[float], seed: int) -> None:
    found = mean_interval(np.array(values), seed=seed, resamples=50)
    assert min(values) - 1e-12 <= found.low <= found.high <= max(values) + 1e-12


def test_without_rows_there_is_no_number_and_json_says_null() -> None:
    assert mean_interval(np.zeros(0), seed=0).as_json() == {"value": None, "ci95": None}
    assert Interval(0.5, 0.4, 0.6).as_json() == {"value": 0.5, "ci95": [0.4, 0.6]}
    assert Sampled(0.5, np.array([np.nan, 0.5])).interval().as_json()["ci95"] is None
