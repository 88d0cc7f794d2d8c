"""The learning rate rises, falls and ends at nothing."""

from __future__ import annotations

import pytest

from shelfwise.config import TrainConfig
from shelfwise.train.schedule import learning_rate_factor


@pytest.mark.parametrize("decay", ["linear", "cosine"])
def test_the_rate_peaks_after_the_warm_up_and_falls(decay: str) -> None:
    config = TrainConfig.model_validate({"warmup": 0.2, "decay": decay})
    factors = [learning_rate_factor(step, 100, config) for step in range(101)]
    assert factors[20] == max(factors) == 1.0
    assert factors[0] == 0.0
    assert factors[10] == pytest.approx(0.5)
    assert factors[60] == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0.0, abs=1e-12)


def test_without_warm_up_the_first_step_has_the_full_rate() -> None:
    assert learning_rate_factor(0, 10, TrainConfig(warmup=0.0)) == 1.0


def test_a_run_of_one_step_takes_it() -> None:
    assert learning_rate_factor(0, 1, TrainConfig(warmup=0.2)) == 1.0


def test_a_warm_up_over_the_whole_run_never_falls() -> None:
    assert learning_rate_factor(9, 10, TrainConfig(warmup=1.0)) == pytest.approx(0.9)
