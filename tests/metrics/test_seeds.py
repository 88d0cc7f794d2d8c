"""Figures over seeds: their intervals hold the seeds' spread and the rows', whichever is larger."""

from __future__ import annotations

import numpy as np
import pytest

from shelfwise.metrics.bootstrap import Sampled, mean_of
from shelfwise.metrics.seeds import over_seeds


def fixed(value: float) -> Sampled:
    return Sampled(value, np.full(100, value))


def test_without_doubt_about_rows_it_is_students_interval_of_the_seeds() -> None:
    found = over_seeds([fixed(0.1), fixed(0.2), fixed(0.6)])
    assert found.value == pytest.approx(0.3)
    arm = 4.303 * np.std([0.1, 0.2, 0.6], ddof=1) / np.sqrt(3)
    assert (found.low, found.high) == pytest.approx((0.3 - arm, 0.3 + arm))


def test_seeds_that_agree_leave_the_interval_of_the_rows() -> None:
    rows = mean_of(np.arange(50) % 2, seed=0)
    alone = rows.interval()
    for found in (over_seeds([rows] * 3), over_seeds([rows])):
        assert (found.low, found.high) == pytest.approx((alone.low, alone.high))


def test_it_covers_a_true_difference_as_often_as_it_says() -> None:
    random, hits = np.random.default_rng(0), 0
    for _ in range(200):
        rows = random.normal(0, 1, 80)
        drawn = rows[random.integers(0, 80, (200, 80))].mean(axis=1)
        seeds = random.normal(0, 0.2, 3)
        found = over_seeds([Sampled(float(rows.mean() + seed), drawn + seed) for seed in seeds])
        hits += found.low <= 0 <= found.high
    assert 0.92 <= hits / 200 <= 1


def test_many_seeds_come_near_the_normal_and_none_is_a_slip() -> None:
    values = [fixed(value) for value in np.linspace(0, 1, 41)]
    found = over_seeds(values)
    expected = 2.0211 * np.std(np.linspace(0, 1, 41), ddof=1) / np.sqrt(41)
    assert found.high - found.value == pytest.approx(expected, rel=1e-3)
    with pytest.raises(ValueError, match="no seed"):
        over_seeds([])


def test_a_seed_without_a_value_leaves_none() -> None:
    found = over_seeds([fixed(0.5), fixed(float("nan"))]).as_json()
    assert found == {"value": None, "ci95": None}
