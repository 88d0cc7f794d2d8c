"""Means and their intervals: coverage, streams that add up, and too few values."""

from __future__ import annotations

import random

import numpy as np
import pytest

from shelfwise.reviews.moments import Moments, difference_interval, mean_interval, student_t


def test_the_mean_has_its_interval_95_times_in_100() -> None:
    dice, hits = random.Random(0), 0
    for _ in range(2000):
        values = moments([dice.gauss(3, 1) for _ in range(6)])
        low, high = mean_interval(values) or (0.0, 0.0)
        hits += low <= 3 <= high
    assert 0.935 < hits / 2000 < 0.965


def test_moments_add_up_to_those_of_both_streams() -> None:
    dice = random.Random(1)
    one, other = ([dice.uniform(1, 5) for _ in range(n)] for n in (7, 30))
    joined = moments(one)
    joined += moments(other)
    assert joined.count == 37
    assert joined.mean == pytest.approx(np.mean(one + other))
    assert joined.variance == pytest.approx(np.var(one + other, ddof=1))


def test_one_value_has_no_interval() -> None:
    assert mean_interval(moments([4.0])) is None
    assert mean_interval(moments([])) is None
    with pytest.raises(ValueError, match="two values on either side"):
        difference_interval(moments([4.0]), moments([1.0, 2.0]))


def test_equal_values_differ_by_exactly_nothing() -> None:
    assert difference_interval(moments([4.0] * 3), moments([4.0] * 5)) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.706), (6, 2.447), (10, 2.228), (30, 2.042), (1e9, 1.96)]
)
def test_quantiles_of_student_are_those_of_the_tables(freedom: float, quantile: float) -> None:
    assert student_t(freedom) == pytest.approx(quantile, rel=6e-3)


def moments(values: list[float]) -> Moments:
    """The moments of a list."""
    found = Moments()
    for value in values:
        found.add(value)
    return found
