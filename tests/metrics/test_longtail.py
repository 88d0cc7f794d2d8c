"""Scores of frequent and rare classes against scikit-learn, and their counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from shelfwise.metrics.longtail import longtail_scores, parts_of, sampled_longtail

COUNTS = np.array([500, 100, 99, 20, 19, 3, 0])
MEMBERS = {"head": [0, 1], "middle": [2, 3], "tail": [4, 5, 6]}


def drawn(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and labels, right in about two thirds."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 7, rows)
    return np.where(rng.random(rows) < 0.6, labels, rng.integers(0, 7, rows)), labels


def test_parts_are_cut_at_a_hundred_and_at_twenty() -> None:
    parts = parts_of(COUNTS)
    assert {part: np.flatnonzero(members).tolist() for part, members in parts.items()} == MEMBERS
    assert np.flatnonzero(parts_of(COUNTS, head=20, tail=20)["middle"]).tolist() == []
    with pytest.raises(ValueError, match="above the head's"):
        parts_of(COUNTS, head=10, tail=20)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 60))
def test_scores_agree_with_scikit_learn(seed: int, rows: int) -> None:
    predicted, labels = drawn(rows, seed)
    for part, found in longtail_scores(predicted, labels, COUNTS).items():
        inside = np.isin(labels, MEMBERS[part])
        tested = np.unique(labels[inside]).tolist()
        assert (found.classes, found.tested) == (len(MEMBERS[part]), len(tested))
        assert found.rows == inside.sum()
        if tested:
            assert found.accuracy == pytest.approx(sk.accuracy_score(labels[inside], predicted[inside]))
            f1 = sk.f1_score(labels, predicted, labels=tested, average="macro", zero_division=0)
            assert found.macro_f1 == pytest.approx(f1)
        else:
            assert np.isnan([found.accuracy, found.macro_f1]).all()


def test_taking_head_rows_for_a_rare_class_costs_the_rare_class_f1() -> None:
    labels = np.array([0, 0, 0, 5])
    right, greedy = longtail_scores(labels, labels, COUNTS), longtail_scores(np.full(4, 5), labels, COUNTS)
    assert right["tail"].macro_f1 == greedy["tail"].accuracy == 1
    assert greedy["tail"].macro_f1 == pytest.approx(0.4)
    assert greedy["head"].accuracy == 0


def test_resamples_are_the_scores_of_the_drawn_rows() -> None:
    predicted, labels = drawn(60, 0)
    groups = np.repeat(np.arange(20), 3)
    found = sampled_longtail(predicted, labels, COUNTS, seed=3, resamples=25, groups=groups)
    plain: dict[str, list[float]] = {part: [] for part in MEMBERS}
    for r, units in enumerate(np.random.default_rng(3).integers(0, 20, (25, 20))):
        rows = (units[:, None] * 3 + np.arange(3)).ravel()
        for part, again in longtail_scores(predicted[rows], labels[rows], COUNTS).items():
            assert found[f"accuracy_{part}"].drawn[r] == pytest.approx(again.accuracy)
            plain[part].append(again.macro_f1)
    for part, values in plain.items():
        f1 = found[f"macro_f1_{part}"].drawn
        assert f1 - f1.mean() == pytest.approx(np.array(values) - np.mean(values))
    for part, whole in longtail_scores(predicted, labels, COUNTS).items():
        assert found[f"accuracy_{part}"].value == whole.accuracy
        assert found[f"macro_f1_{part}"].value == whole.macro_f1


def test_many_rare_classes_keep_the_mean_f1_of_each_part_in_the_middle_of_its_interval() -> None:
    labels = np.repeat(np.arange(300), 3)
    random = np.random.default_rng(0)
    predicted = np.where(random.random(900) < 0.6, labels, random.integers(0, 300, 900))
    found = sampled_longtail(predicted, labels, np.repeat([200, 50, 5], 100), seed=0)
    for part in MEMBERS:
        f1 = found[f"macro_f1_{part}"]
        assert f1.drawn.mean() == pytest.approx(f1.value, abs=1e-3)


def test_a_part_without_test_rows_has_no_number_and_no_interval() -> None:
    labels = np.array([0, 1, 2])
    found = sampled_longtail(labels, labels, COUNTS, seed=0, resamples=10)
    assert found["accuracy_tail"].interval().as_json() == {"value": None, "ci95": None}
    assert found["macro_f1_tail"].interval().as_json() == {"value": None, "ci95": None}
    assert found["macro_f1_head"].value == 1
