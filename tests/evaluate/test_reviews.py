"""Evaluating reviews bundles: figures against plain loops, intervals over products, baselines beside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score, r2_score, roc_auc_score

from shelfwise.data.catalog import ReadCount
from shelfwise.data.reviews import ReviewParts
from shelfwise.data.synthetic_reviews import synthetic_reviews
from shelfwise.errors import DataError
from shelfwise.evaluate.review_scores import Answers, Truth, figures, sampled_figures, summed
from shelfwise.evaluate.reviews import compare_reviews, evaluate_reviews, majority, rated
from shelfwise.evaluate.tfidf import Tfidf
from shelfwise.metrics.ordinal import (
    kappa_of_counts,
    mean_absolute_error,
    quadratic_weighted_kappa,
    r_squared,
)
from shelfwise.predict.reviews import ReviewPredictor


def drawn(rows: int = 400) -> tuple[Answers, Truth]:
    random = np.random.default_rng(0)
    stars = random.integers(1, 6, rows)
    scores = np.exp(random.normal(size=(rows, 5)) + 2 * np.eye(5)[stars - 1])
    scores /= scores.sum(1, keepdims=True)
    liked = np.where(random.random(rows) < 0.1, -1, (stars > 3).astype(np.int64))
    products = np.array([f"p{i}" for i in random.integers(0, 60, rows)])
    return Answers(scores, summed(scores), scores[:, 3:].sum(1)), Truth(stars, liked, products)


@pytest.fixture(scope="module")
def parts() -> ReviewParts:
    reviews = list(synthetic_reviews(300, seed=9))
    return ReviewParts(
        {"train": reviews[:180], "validation": reviews[180:230], "test": reviews[230:]}, ReadCount(ok=300)
    )


def test_figures_are_those_of_scikit_learn() -> None:
    answers, truth = drawn()
    found, decided = figures(answers, truth), answers.decided + 1
    known = truth.recommended >= 0
    assert found["qwk"] == pytest.approx(cohen_kappa_score(decided, truth.stars, weights="quadratic"))
    assert found["macro_f1"] == pytest.approx(f1_score(truth.stars, decided, average="macro"))
    assert found["r2"] == pytest.approx(r2_score(truth.stars, answers.expected))
    assert found["recommended_auc"] == pytest.approx(
        roc_auc_score(truth.recommended[known], answers.recommended[known])
    )


def test_kappa_is_one_for_perfect_answers_and_zero_for_shuffled_ones() -> None:
    stars = np.arange(1, 6).repeat(200)
    shuffled = np.random.default_rng(0).permutation(stars)
    assert quadratic_weighted_kappa(stars, stars, 5) == 1
    assert abs(quadratic_weighted_kappa(shuffled, stars, 5)) < 0.1
    assert np.isnan(kappa_of_counts(np.diag([3.0, 0.0])))


def test_metrics_of_nothing_are_not_numbers() -> None:
    none = np.zeros(0)
    assert np.isnan(mean_absolute_error(none, none.astype(np.int64)))
    assert np.isnan(r_squared(none, none.astype(np.int64)))


def test_every_interval_holds_its_value_and_follows_products() -> None:
    answers, truth = drawn()
    together = Truth(truth.stars, truth.recommended, np.array([f"q{i // 100}" for i in range(400)]))
    apart, joined = sampled_figures(answers, truth), sampled_figures(answers, together)
    for name, sampled in apart.items():
        found = sampled.interval()
        assert found.low < found.value < found.high, name
        assert sampled.value == joined[name].value


def test_the_majority_knows_only_the_shares() -> None:
    _, truth = drawn()
    said = majority(truth, 10)
    assert said.stars.shape == (10, 5)
    assert said.stars[0] == pytest.approx(np.bincount(truth.stars - 1) / 400)


def test_tfidf_learns_constructed_reviews(parts: ReviewParts) -> None:
    train, validation, test = (rated(parts, part) for part in ("train", "validation", "test"))
    fitted = Tfidf.fit(train.texts, train.truth, validation.texts, validation.truth)
    assert figures(fitted.answers(test.texts), test.truth)["qwk"] > 0.6


def test_a_bundle_is_measured_beside_the_baselines(parts: ReviewParts, tiny_reviews_bundle: Path) -> None:
    predictor = ReviewPredictor.load(tiny_reviews_bundle)
    stages: list[str] = []
    found = evaluate_reviews(predictor, parts, source="drawn", watch=stages.append)
    assert found["data"]["rows"] == 70
    assert found["test"]["qwk"]["value"] > 0.5
    beside: dict[str, Any] = found["baselines"]
    assert beside["majority"]["qwk"]["value"] == pytest.approx(0, abs=1e-9)
    difference = found["test"]["qwk"]["value"] - beside["tfidf"]["qwk"]["value"]
    assert beside["model_minus_tfidf"]["qwk"]["value"] == pytest.approx(difference)
    assert "baselines" in stages
    assert sum(map(sum, found["test"]["confusion"])) == 70
    assert all(len(case["words"]) <= 160 for case in found["cases"])


def test_a_bundle_does_not_differ_from_itself(parts: ReviewParts, tiny_reviews_bundle: Path) -> None:
    predictor = ReviewPredictor.load(tiny_reviews_bundle)
    found = compare_reviews(predictor, predictor, rated(parts, "test"))
    assert all(row["difference"]["value"] == 0 for row in found["metrics"].values())
    assert {row["better"] for row in found["metrics"].values()} == {"neither"}


def test_a_part_without_rated_reviews_is_one_clear_error(parts: ReviewParts) -> None:
    with pytest.raises(DataError, match="no review of the test part has both text and stars"):
        rated(ReviewParts({**parts.parts, "test": []}, parts.count), "test")
