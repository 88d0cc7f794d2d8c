"""Bootstrap intervals: where they must lie, that they cover, are fixed by a seed, and are fast."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.metrics.bootstrap import (
    Interval,
    mean_interval,
    percentile_interval,
    resampled_counts,
    resampled_means,
)
from shelfwise.metrics.classification import macro_f1


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
    assert mean_interval(values, seed=3, groups=names) == mean_interval(values, seed=3)


def test_resampled_means_are_those_of_the_plain_loop() -> None:
    values = np.random.default_rng(0).random((30, 2))
    found = resampled_means(values, seed=5, resamples=3)
    chosen = np.random.default_rng(5).integers(0, 30, (3, 30))
    np.testing.assert_allclose(found, [values[rows].mean(axis=0) for rows in chosen])


def test_resampled_confusion_matrices_have_the_spread_of_resampled_rows() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 500)
    predicted = np.where(rng.random(500) < 0.7, labels, rng.integers(0, 4, 500))
    category = labels * 4 + predicted
    by_multinomial = macro_f1(resampled_counts(category, 16, seed=0).reshape(-1, 4, 4))
    by_rows = macro_f1(resampled_counts(category, 16, seed=0, groups=np.arange(500)).reshape(-1, 4, 4))
    assert by_multinomial.std() == pytest.approx(by_rows.std(), rel=0.12)
    assert by_multinomial.mean() == pytest.approx(by_rows.mean(), abs=0.004)


def test_a_thousand_resamples_of_ten_thousand_rows_take_under_two_seconds() -> None:
    rng = np.random.default_rng(0)
    values, category = rng.random((10_000, 6)), rng.integers(0, 100, 10_000)
    start = time.process_time()
    resampled_means(values, seed=0)
    macro_f1(resampled_counts(category, 100, seed=0).reshape(-1, 10, 10))
    assert time.process_time() - start < 2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(0, 1000))
def test_an_interval_lies_within_the_values(values: list[float], seed: int) -> None:
    found = mean_interval(np.array(values), seed=seed, resamples=50)
    assert min(values) - 1e-12 <= found.low <= found.high <= max(values) + 1e-12


def test_without_rows_there_is_no_number_and_json_says_null() -> None:
    assert mean_interval(np.zeros(0), seed=0).as_json() == {"value": None, "ci95": None}
    assert Interval(0.5, 0.4, 0.6).as_json() == {"value": 0.5, "ci95": [0.4, 0.6]}
    assert percentile_interval(0.5, np.array([np.nan, 0.5])).as_json()["ci95"] is None
