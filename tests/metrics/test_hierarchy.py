"""Hierarchical metrics against sets of ancestors written out, and what a near miss must be worth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.metrics.hierarchy import hierarchy_scores, nodes_of, sampled_hierarchy

LEVELS = ("master", "sub", "article")
ANCESTORS = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3], [1, 2, 4], [1, 3, 5]])
"""Leaves 0 and 1 are siblings, 2 their cousin, 3 to 5 strangers."""

seeds = st.integers(0, 2**31)


def drawn(rows: int, seed: int, *, stopping: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Answers and truths, each cut off at a random depth."""
    rng = np.random.default_rng(seed)
    said, truth = (ANCESTORS[rng.integers(0, 6, rows)].copy() for _ in range(2))
    truth[np.arange(3) >= rng.integers(0, 4, rows)[:, None]] = -1
    if stopping:
        said[np.arange(3) >= rng.integers(0, 4, rows)[:, None]] = -1
    return said, truth


def by_hand(said: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Row by row, with sets."""
    common = answered = labelled = 0
    heights: list[int] = []
    right: list[list[bool]] = [[], [], []]
    for one, other in zip(said.tolist(), truth.tolist(), strict=True):
        depth = sum(node >= 0 for node in other)
        mine = {(level, node) for level, node in enumerate(one) if node >= 0 and level < depth}
        true = {(level, node) for level, node in enumerate(other) if node >= 0}
        common, answered, labelled = common + len(mine & true), answered + len(mine), labelled + len(true)
        for level in range(depth):
            right[level].append(one[level] == other[level])
        if depth == 3 and one[2] != other[2]:
            heights.append(3 - len(mine & true))

    def ratio(top: float, bottom: float) -> float:
        return top / bottom if bottom else math.nan

    return {
        "hierarchical_precision": ratio(common, answered),
        "hierarchical_recall": ratio(common, labelled),
        "hierarchical_f1": ratio(2 * common, answered + labelled),
        **{f"accuracy_{name}": ratio(sum(hits), len(hits)) for name, hits in zip(LEVELS, right, strict=True)},
        "error_height": ratio(sum(heights), len(heights)),
    }


@settings(deadline=None)
@given(seeds, st.integers(0, 30))
def test_scores_are_the_obvious_loop(seed: int, rows: int) -> None:
    said, truth = drawn(rows, seed)
    assert hierarchy_scores(said, truth, LEVELS) == pytest.approx(by_hand(said, truth), nan_ok=True)


@given(seeds)
def test_right_answers_are_worth_one_whatever_the_truth_leaves_out(seed: int) -> None:
    said, truth = drawn(20, seed, stopping=False)
    truth = np.where(truth >= 0, said, -1)
    truth[0] = said[0]
    found = hierarchy_scores(said, truth, LEVELS)
    assert math.isnan(found.pop("error_height"))
    assert set(found.values()) == {1.0}


def test_a_sibling_costs_less_than_a_cousin_and_a_cousin_less_than_a_stranger() -> None:
    truth = ANCESTORS[[0]]
    scores = [hierarchy_scores(nodes_of(np.array([leaf]), ANCESTORS), truth, LEVELS) for leaf in range(4)]
    assert [score["hierarchical_f1"] for score in scores] == pytest.approx([1, 2 / 3, 1 / 3, 0])
    assert [score["error_height"] for score in scores[1:]] == [1, 2, 3]
    assert [score["accuracy_master"] for score in scores] == [1, 1, 1, 0]


def test_down_to_the_leaf_the_three_are_the_mean_accuracy_of_the_levels() -> None:
    rng = np.random.default_rng(0)
    found = hierarchy_scores(ANCESTORS[rng.integers(0, 6, 50)], ANCESTORS[rng.integers(0, 6, 50)], LEVELS)
    levels = np.mean([found[f"accuracy_{level}"] for level in LEVELS])
    for name in ("hierarchical_precision", "hierarchical_recall", "hierarchical_f1"):
        assert found[name] == pytest.approx(levels)


def test_stopping_early_costs_recall_alone() -> None:
    found = hierarchy_scores(np.array([[0, 0, -1]]), ANCESTORS[[0]], LEVELS)
    assert found["hierarchical_precision"] == 1
    assert found["hierarchical_recall"] == pytest.approx(2 / 3)
    assert found["accuracy_article"] == 0


def test_no_answer_has_no_nodes() -> None:
    assert nodes_of(np.array([-1, 4]), ANCESTORS).tolist() == [[-1, -1, -1], [1, 2, 4]]


def test_one_level_is_plain_accuracy() -> None:
    said, truth = np.array([[0], [1], [2], [2]]), np.array([[0], [1], [1], [-1]])
    found = hierarchy_scores(said, truth, ("colour",))
    assert found.pop("error_height") == 1
    assert list(found.values()) == pytest.approx([2 / 3] * 4)


def test_resamples_are_the_scores_of_the_drawn_rows() -> None:
    said, truth = drawn(60, 1)
    groups = np.repeat(np.arange(20), 3)
    found = sampled_hierarchy(said, truth, LEVELS, seed=3, resamples=25, groups=groups)
    picks = np.random.default_rng(3).integers(0, 20, (25, 20))
    for r, units in enumerate(picks):
        rows = (units[:, None] * 3 + np.arange(3)).ravel()
        again = hierarchy_scores(said[rows], truth[rows], LEVELS)
        assert {name: sampled.drawn[r] for name, sampled in found.items()} == pytest.approx(again)
    assert {name: sampled.value for name, sampled in found.items()} == hierarchy_scores(said, truth, LEVELS)


def test_no_rows_give_no_number_and_no_interval() -> None:
    none = np.zeros((0, 3), dtype=np.int64)
    found = sampled_hierarchy(none, none, LEVELS, seed=0, resamples=10)
    for sampled in found.values():
        assert sampled.interval().as_json() == {"value": None, "ci95": None}
