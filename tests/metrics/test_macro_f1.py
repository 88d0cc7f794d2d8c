"""Macro-F1 over the classes that rows have, against the obvious loop."""

from __future__ import annotations

import numpy as np
import pytest

from shelfwise.metrics.macro_f1 import sampled_macro_f1


def test_it_is_the_mean_over_classes_that_occur() -> None:
    random = np.random.default_rng(0)
    truth, said = random.integers(0, 5, 200), random.integers(0, 7, 200)
    scores = []
    for k in np.unique(truth):
        hits = ((truth == k) & (said == k)).sum()
        scores.append(2 * hits / ((truth == k).sum() + (said == k).sum()))
    found = sampled_macro_f1(truth, said, seed=0)
    assert found.value == pytest.approx(np.mean(scores))
    assert found.drawn.mean() == pytest.approx(found.value, abs=1e-3)
    assert found.drawn.std() > 0


def test_one_group_leaves_nothing_to_chance() -> None:
    truth = np.array([0, 0, 1])
    found = sampled_macro_f1(truth, np.array([0, 1, 1]), seed=0, groups=np.zeros(3, int))
    assert found.drawn == pytest.approx(found.value)
    assert np.isnan(sampled_macro_f1(truth[:0], truth[:0], seed=0).value)


def test_no_resample_is_above_one() -> None:
    truth = np.repeat(np.arange(40), 2)
    said = np.where(np.arange(80) == 0, 1, truth)
    assert sampled_macro_f1(truth, said, seed=0).drawn.max() == 1
