"""Sets of labels against the true ones, by the obvious loop; kappa by its textbook example."""

from __future__ import annotations

import numpy as np
import pytest
from set_scores import difference, kappa, sampled_f1, scores, tally

TRUE = [{"fit+", "look+"}, {"fit-"}, set(), {"price+"}]
SAID = [{"fit+"}, {"fit+", "fit-"}, set(), set()]


def test_a_tally_counts_right_said_and_true() -> None:
    assert tally(SAID, TRUE).tolist() == [[1, 1, 2], [1, 2, 1], [0, 0, 0], [0, 0, 1]]
    assert tally([], []).shape == (0, 3)


def test_micro_scores_are_of_all_labels_together() -> None:
    found = scores([tally(SAID, TRUE)])
    assert found["precision"]["mean"] == pytest.approx(2 / 3, abs=1e-5)
    assert found["recall"]["mean"] == pytest.approx(2 / 4, abs=1e-5)
    assert found["f1"]["mean"] == pytest.approx(4 / 7, abs=1e-5)
    assert found["f1"]["ci95"] is None
    low, high = found["f1"]["ci95_rows"]
    assert low <= found["f1"]["mean"] <= high
    assert found["true"] == 4


def test_scores_of_several_seeds_are_their_mean() -> None:
    found = scores([tally(SAID, TRUE), tally(TRUE, TRUE)])
    assert found["f1"]["values"] == [0.57143, 1.0]
    assert found["f1"]["mean"] == pytest.approx((4 / 7 + 1) / 2, abs=1e-5)
    assert sampled_f1([tally(SAID, TRUE), tally(TRUE, TRUE)]).value == pytest.approx((4 / 7 + 1) / 2)


def test_who_says_nothing_has_a_score_of_zero() -> None:
    found = scores([tally([set()] * 4, TRUE)])
    assert (found["precision"]["mean"], found["f1"]["mean"], found["f1"]["ci95_rows"]) == (0, 0, [0, 0])


def test_differences_are_paired() -> None:
    same = difference([tally(SAID, TRUE)], [tally(SAID, TRUE)])
    assert same == {"value": 0, "ci95_rows": [0, 0]}
    assert difference([tally(TRUE, TRUE)], [tally(SAID, TRUE)])["value"] == pytest.approx(3 / 7, abs=1e-5)


def test_kappa_is_what_is_agreed_beyond_chance() -> None:
    """20 times both yes, 15 both no, 5 and 10 apart: the example of Cohen's kappa in the textbooks."""
    one = np.array([True] * 25 + [False] * 25)
    other = np.array([True] * 20 + [False] * 5 + [True] * 10 + [False] * 15)
    assert kappa(one, other) == pytest.approx(0.4)
    assert kappa(one, one) == 1
    assert kappa(np.zeros(4, bool), np.zeros(4, bool)) is None
