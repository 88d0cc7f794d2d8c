"""Metrics of ordered classes, against scikit-learn and against resampling by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, mean_absolute_error, r2_score

from shelfwise.metrics import ordinal
from shelfwise.metrics.bootstrap import row_weights

RNG = np.random.default_rng(0)
LABELS = RNG.integers(1, 6, 120)
SAID = np.clip(LABELS + RNG.integers(-1, 2, 120), 1, 5)
EXPECTED = SAID + RNG.normal(0, 0.3, 120)
GROUPS = np.array([f"p{i}" for i in RNG.integers(0, 20, 120)])


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=40))
def test_kappa_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    said, labels = np.array(pairs).T
    ours = ordinal.quadratic_weighted_kappa(said, labels, 5)
    if len(set(said) | set(labels)) == 1:
        assert np.isnan(ours)
    else:
        assert ours == pytest.approx(cohen_kappa_score(said, labels, weights="quadratic", labels=range(1, 6)))


def test_distance_and_variance_explained_are_scikit_learns() -> None:
    assert ordinal.mean_absolute_error(EXPECTED, LABELS) == pytest.approx(
        mean_absolute_error(LABELS, EXPECTED)
    )
    assert ordinal.r_squared(EXPECTED, LABELS) == pytest.approx(r2_score(LABELS, EXPECTED))


def test_resamples_are_those_of_rows_drawn_by_hand() -> None:
    drawn = {"seed": 3, "resamples": 5, "groups": GROUPS}
    kappa = ordinal.sampled_kappa(SAID, LABELS, 5, **drawn)
    distance = ordinal.sampled_absolute_error(EXPECTED, LABELS, **drawn)
    explained = ordinal.sampled_r_squared(EXPECTED, LABELS, **drawn)
    weights = np.concatenate(list(row_weights(120, **drawn))).astype(int)
    for r, times in enumerate(weights):
        rows = np.repeat(np.arange(120), times)
        assert kappa.drawn[r] == pytest.approx(
            cohen_kappa_score(SAID[rows], LABELS[rows], weights="quadratic")
        )
        assert distance.drawn[r] == pytest.approx(mean_absolute_error(LABELS[rows], EXPECTED[rows]))
        assert explained.drawn[r] == pytest.approx(r2_score(LABELS[rows], EXPECTED[rows]))


def test_labels_all_alike_explain_nothing_and_have_no_interval() -> None:
    alike = np.full(30, 5)
    found = ordinal.sampled_r_squared(np.linspace(3, 5, 30), alike, seed=0, resamples=20).interval()
    assert found.as_json() == {"value": None, "ci95": None}


def test_metrics_of_nothing_are_not_numbers() -> None:
    values, labels = np.zeros(0), np.zeros(0, dtype=np.int64)
    assert np.isnan(ordinal.mean_absolute_error(values, labels))
    assert np.isnan(ordinal.r_squared(values, labels))
