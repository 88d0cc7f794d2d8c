"""The fitted temperature is the one that made the logits, and no logits break the fit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.decide.temperature import HIGHEST, LOWEST, apply_temperature, fit_temperature


def _drawn(temperature: float, n: int = 4000, k: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose true temperature is known: labels are drawn from softmax(logits / temperature)."""
    rng = np.random.default_rng(seed)
    logits = (rng.normal(size=(n, k)) * 3 * temperature).astype(np.float32)
    chances = apply_temperature(logits, temperature).cumsum(axis=1)
    return logits, (rng.random((n, 1)) > chances[:, :-1]).sum(axis=1)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 20.0])
def test_the_fit_finds_the_temperature_that_made_the_labels(temperature: float) -> None:
    assert fit_temperature(*_drawn(temperature)) == pytest.approx(temperature, rel=0.06)


def plain_loss(logits: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    """The mean negative log-likelihood alone."""
    chance = apply_temperature(logits.astype(np.float64), temperature)[np.arange(len(labels)), labels]
    return float(-np.log(chance).mean())


def test_the_fit_is_the_lowest_of_a_fine_grid() -> None:
    logits, labels = _drawn(1.7, n=300)

    def loss(temperature: float) -> float:
        return plain_loss(logits, labels, temperature) + (1 / temperature + math.log(temperature)) / 300

    fitted = fit_temperature(logits, labels)
    assert loss(fitted) <= min(loss(t) for t in np.geomspace(LOWEST, HIGHEST, 400)) + 1e-9


@pytest.mark.parametrize("margin", [1.0, 4.0, 8.0])
def test_a_few_right_rows_make_no_answer_certain(margin: float) -> None:
    logits = margin * np.eye(4)[np.arange(7) % 4]
    temperature = fit_temperature(logits, np.arange(7) % 4)
    assert 0.25 < temperature <= 1
    unlike = apply_temperature(np.array([[0.2 * margin, 0.1 * margin, 0.0, 0.0]]), temperature)
    assert unlike.max() < 0.75


@pytest.mark.parametrize("temperature", [0.4, 1.7, 6.0])
def test_thousands_of_rows_are_calibrated_by_what_they_say_alone(temperature: float) -> None:
    logits, labels = _drawn(temperature, n=2000)
    grid = temperature * np.geomspace(0.8, 1.25, 1000)
    alone = min(grid, key=lambda t: plain_loss(logits, labels, t))
    assert fit_temperature(logits, labels) == pytest.approx(alone, rel=0.01)


def test_missing_labels_are_left_out() -> None:
    logits, labels = _drawn(2.0, n=200)
    more = np.concatenate([logits, np.full((5, 5), 99, np.float32)])
    assert fit_temperature(more, np.append(labels, [-1] * 5)) == fit_temperature(logits, labels)
    assert fit_temperature(logits, np.full(200, -1)) == 1.0


def test_extreme_logits_end_at_a_number_and_not_in_nan() -> None:
    right = np.eye(3) * 1e30
    assert fit_temperature(right, np.arange(3)) == pytest.approx(1, rel=1e-3)
    assert fit_temperature(right, np.array([1, 2, 0])) == pytest.approx(HIGHEST, rel=1e-3)
    assert np.isfinite(apply_temperature(right.astype(np.float32), 0.01)).all()


def test_what_cannot_be_scaled_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        apply_temperature(np.zeros((1, 2)), 0.0)
    with pytest.raises(ValueError, match="finite"):
        fit_temperature(np.array([[math.nan, 0.0]]), np.array([0]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(LOWEST, HIGHEST))
def test_scaling_keeps_the_order_and_sums_to_one(seed: int, temperature: float) -> None:
    logits = np.random.default_rng(seed).normal(size=(6, 4)) * 5
    found = apply_temperature(logits, temperature)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert np.array_equal(found.argmax(axis=1), logits.argmax(axis=1))
