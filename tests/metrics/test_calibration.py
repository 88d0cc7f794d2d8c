"""ECE against the plain loop of its definition, and where its bins begin and end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.metrics.calibration import BINS, bin_of, expected_calibration_error, reliability


def _ece_loop(confidence: np.ndarray, correct: np.ndarray, bins: int) -> float:
    """Guo et al. 2017, equation 3, word for word."""
    total = 0.0
    edges = np.linspace(0, 1, bins + 1)
    for m in range(bins):
        inside = (confidence > edges[m]) & (confidence <= edges[m + 1])
        if inside.any():
            total += inside.sum() / len(confidence) * abs(correct[inside].mean() - confidence[inside].mean())
    return total


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.integers(1, 20))
def test_ece_is_the_loop_of_its_definition(seed: int, n: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(1e-9, 1, n)
    correct = rng.random(n) < confidence**2
    found = reliability(confidence, correct, bins)
    assert found.ece == pytest.approx(_ece_loop(confidence, correct, bins))
    assert 0 <= found.ece <= 1
    assert found.count.sum() == n


def test_a_bin_holds_its_upper_edge() -> None:
    edges = np.linspace(0, 1, BINS + 1)
    assert np.array_equal(bin_of(edges[1:]), np.arange(BINS))
    assert np.array_equal(bin_of(np.array([0.0, 1e-12, 1.0])), [0, 0, BINS - 1])


def test_a_model_that_is_always_sure_and_always_wrong_has_ece_one() -> None:
    assert expected_calibration_error(np.eye(3), np.array([1, 2, 0])) == 1
    assert expected_calibration_error(np.eye(3), np.array([0, 1, 2])) == 0


def test_an_empty_bin_has_no_accuracy_and_no_rows_have_no_ece() -> None:
    found = reliability(np.array([0.5]), np.array([True]), 4)
    assert np.isnan(found.accuracy[0])
    assert found.accuracy[1] == 1
    assert np.isnan(reliability(np.zeros(0), np.zeros(0, dtype=bool)).ece)
