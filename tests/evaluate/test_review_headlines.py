"""Headlines of drawn answers: against scikit-learn, calibration undone, differences paired."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, roc_auc_score

from shelfwise.decide.temperature import apply_temperature
from shelfwise.evaluate.review_headlines import (
    HEADLINES,
    LOWER_IS_BETTER,
    evaluate_answers,
    feelings,
    headlines_of,
    other_decodings,
    star_logits,
)
from shelfwise.evaluate.review_scores import Answers, Truth, summed
from shelfwise.metrics.calibration import expected_calibration_error

ROWS = 300
RNG = np.random.default_rng(1)
STARS = RNG.integers(1, 6, ROWS)
LOGITS = RNG.normal(size=(ROWS, 5)) + 2 * np.eye(5)[STARS - 1]
TEMPERATURE = 1.7
TRUTH = Truth(
    STARS,
    np.where(RNG.random(ROWS) < 0.1, -1, (STARS > 3).astype(np.int64)),
    np.array([f"p{i}" for i in RNG.integers(0, 40, ROWS)]),
)


def answers(temperature: float = TEMPERATURE) -> Answers:
    scores = apply_temperature(LOGITS, temperature)
    return Answers(scores, summed(scores), scores[:, 3:].sum(axis=1))


def test_headlines_are_those_of_scikit_learn() -> None:
    said, found = answers(), headlines_of(answers(), TRUTH, temperature=TEMPERATURE)
    felt = said.sentiment.argmax(axis=1)
    auroc = roc_auc_score(STARS, said.stars, multi_class="ovr", average="macro")
    assert found["auroc"].value == pytest.approx(auroc)
    assert found["nll"].value == pytest.approx(log_loss(STARS, said.stars))
    assert found["ece"].value == pytest.approx(expected_calibration_error(said.stars, STARS - 1))
    assert found["mae_decided"].value == pytest.approx(mean_absolute_error(STARS, said.decided + 1))
    assert found["sentiment_accuracy"].value == pytest.approx(accuracy_score(feelings(TRUTH), felt))


def test_every_headline_is_inside_its_interval() -> None:
    found = headlines_of(answers(), TRUTH)
    assert set(found) == set(HEADLINES)
    assert set(LOWER_IS_BETTER) < set(HEADLINES)
    for name, sampled in found.items():
        interval = sampled.interval()
        assert interval.low < interval.value < interval.high, name


def test_figures_before_scaling_are_those_of_the_raw_logits() -> None:
    found, raw = evaluate_answers(answers(), TRUTH, temperature=TEMPERATURE), answers(1.0).stars
    assert found["nll_before_scaling"]["value"] == pytest.approx(log_loss(STARS, raw))
    assert found["ece_before_scaling"]["value"] == pytest.approx(expected_calibration_error(raw, STARS - 1))
    assert apply_temperature(star_logits(answers(), TEMPERATURE), 1.0) == pytest.approx(raw)
    assert found["reliability"]["before_scaling"] != found["reliability"]["after_scaling"]


def test_the_difference_of_a_system_to_itself_has_no_width() -> None:
    a, b = headlines_of(answers(), TRUTH, seed=4), headlines_of(answers(), TRUTH, seed=4)
    for name in a:
        found = (a[name] - b[name]).interval()
        assert (found.low, found.value, found.high) == (0, 0, 0), name


def test_stars_that_a_system_excludes_cost_much_and_not_everything() -> None:
    certain = np.eye(5)[np.full(ROWS, 4)]
    found = evaluate_answers(Answers(certain, summed(certain), certain[:, 4]), TRUTH)
    assert 10 < found["nll"]["value"] < 17


def test_reviews_of_one_star_alone_have_no_figure_that_needs_two() -> None:
    few = Truth(np.full(20, 5), np.full(20, -1), np.array([f"p{i}" for i in range(20)]))
    said = Answers(answers().stars[:20], answers().sentiment[:20], answers().recommended[:20])
    found = evaluate_answers(said, few)
    assert found["r2"] == found["auroc"] == {"value": None, "ci95": None}
    assert "recommended_auc" not in found


def test_what_was_not_learned_is_left_out() -> None:
    assert "recommended_auc" not in headlines_of(answers(), TRUTH, recommends=False)


def test_other_decodings_of_certain_answers_are_the_same_stars() -> None:
    certain = np.eye(5)[STARS - 1]
    found = other_decodings(Answers(certain, summed(certain), certain[:, 4]), TRUTH)
    assert [found[name]["value"] for name in ("median", "rounded_mean")] == [1, 1]


def test_the_median_is_the_first_star_that_half_the_distribution_reaches() -> None:
    flat = np.tile([0.3, 0.19, 0.02, 0.09, 0.4], (2, 1))  # most probable 5, median 3
    truth = Truth(np.array([3, 5]), np.array([-1, -1]), np.array(["a", "b"]))
    said = Answers(flat, summed(flat), flat[:, 4])
    assert said.decided.tolist() == [4, 4]
    assert other_decodings(said, truth)["median"]["value"] == 0  # both 3: no better than chance
