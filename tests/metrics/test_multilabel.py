"""Metrics of several values at once against sets counted one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.metrics.multilabel import NAMES, multilabel_scores, sampled_multilabel


def drawn(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Answers and truths of five values, the last of which never occurs."""
    rng = np.random.default_rng(seed)
    said, truth = (rng.random((rows, 5)) < (0.5, 0.3, 0.1, 0.05, 0.0) for _ in range(2))
    return said, truth


def by_hand(said: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Row by row and value by value, with sets."""
    cells = [
        ({k for k in range(5) if one[k]}, {k for k in range(5) if other[k]})
        for one, other in zip(said, truth, strict=True)
    ]

    def scores(values: set[int]) -> tuple[float, float, float]:
        hits = sum(len(one & other & values) for one, other in cells)
        claimed = sum(len(one & values) for one, _ in cells)
        support = sum(len(other & values) for _, other in cells)
        both = claimed + support
        return (
            hits / claimed if claimed else 0.0,
            hits / support if support else 0.0,
            2 * hits / both if both else 0.0,
        )

    occurring = [k for k in range(5) if any(k in one | other for one, other in cells)]
    each = [scores({k}) for k in occurring] or [(0.0, 0.0, 0.0)]
    macro = [sum(part) / len(each) for part in zip(*each, strict=True)]
    exact = sum(one == other for one, other in cells) / len(cells)
    return dict(zip(NAMES, (*scores(set(range(5))), *macro, exact), strict=True))


@given(st.integers(1, 30), st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_scores_are_those_of_sets_counted_one_by_one(rows: int, seed: int) -> None:
    said, truth = drawn(rows, seed)
    assert multilabel_scores(said, truth) == pytest.approx(by_hand(said, truth))


def test_resamples_surround_the_value_and_draw_families_whole() -> None:
    said, truth = drawn(200, seed=1)
    alone = sampled_multilabel(said, truth, seed=0)
    twice = sampled_multilabel(
        np.repeat(said, 2, axis=0), np.repeat(truth, 2, axis=0), seed=0, groups=np.repeat(np.arange(200), 2)
    )
    for name in NAMES:
        found = alone[name].interval()
        assert found.low <= found.value <= found.high
        assert twice[name].drawn == pytest.approx(alone[name].drawn)


def test_many_rare_values_keep_every_macro_figure_in_the_middle_of_its_interval() -> None:
    random = np.random.default_rng(0)
    truth = random.random((900, 300)) < 0.004
    said = truth & (random.random(truth.shape) < 0.6) | (random.random(truth.shape) < 0.002)
    for name, found in sampled_multilabel(said, truth, seed=0).items():
        interval = found.interval()
        assert interval.low < interval.value < interval.high, name
        assert found.drawn.mean() == pytest.approx(found.value, abs=1e-3), name


def test_without_rows_there_is_no_number() -> None:
    nothing = np.zeros((0, 5), bool)
    assert all(math.isnan(value) for value in multilabel_scores(nothing, nothing).values())
    assert sampled_multilabel(nothing, nothing, seed=0)["micro_f1"].interval().as_json()["value"] is None
