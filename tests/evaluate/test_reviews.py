"""Evaluating reviews bundles: figures against plain loops, intervals over products, baselines beside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score, r2_score, roc_auc_score
from small_reviews import untrained_reviews_bundle

from shelfwise.data.catalog import ReadCount
from shelfwise.data.reviews import ReviewParts
from shelfwise.data.synthetic_reviews import synthetic_reviews
from shelfwise.errors import DataError
from shelfwise.evaluate.review_headlines import headlines_of
from shelfwise.evaluate.review_scores import Answers, Truth, figures, summed
from shelfwise.evaluate.reviews import compare_reviews, evaluate_reviews, majority, rated
from shelfwise.evaluate.tfidf import Tfidf
from shelfwise.metrics.ordinal import kappa_of_counts, quadratic_weighted_kappa
from shelfwise.predict.reviews import ReviewPredictor
from shelfwise.schema import Review


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


def test_every_interval_holds_its_value_and_follows_products() -> None:
    answers, truth = drawn()
    together = Truth(truth.stars, truth.recommended, np.array([f"q{i // 100}" for i in range(400)]))
    apart, joined = headlines_of(answers, truth), headlines_of(answers, together)
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
    assert all(len(case["words"]) <= 160 for case in found["cases"]["farthest"])


def test_a_bundle_does_not_differ_from_itself(parts: ReviewParts, tiny_reviews_bundle: Path) -> None:
    predictor = ReviewPredictor.load(tiny_reviews_bundle)
    found = compare_reviews(predictor, predictor, rated(parts, "test"), source="drawn")
    assert all(row["difference"]["value"] == 0 for row in found["metrics"].values())
    assert {row["better"] for row in found["metrics"].values()} == {"neither"}
    assert found["agreement"]["only_a_right"] == found["agreement"]["only_b_right"] == 0
    assert sum(found["agreement"].values()) == found["rows"] == 70


def test_reviews_that_cannot_be_judged_are_left_out_and_counted(
    parts: ReviewParts, tiny_reviews_bundle: Path
) -> None:
    bare = [
        Review(id="no stars", text="Lovely."),
        Review(id="no text", rating=4),
        Review(id="neither"),
        Review(id="no words", product="p", text=" ", rating=5),
    ]
    more = ReviewParts({**parts.parts, "test": [*parts.parts["test"], *bare]}, parts.count)
    found = evaluate_reviews(
        ReviewPredictor.load(tiny_reviews_bundle), more, source="drawn", baselines=False
    )["data"]
    assert (found["rows"], found["without_stars"], found["without_text"]) == (71, 2, 1)
    assert found["without_words"] == 1
    assert found["constructed"] == 70


def test_a_recommendation_that_was_not_learned_is_not_scored(parts: ReviewParts, tmp_path: Path) -> None:
    predictor = ReviewPredictor.load(untrained_reviews_bundle(tmp_path, aspects=False, recommends=False))
    found = evaluate_reviews(predictor, parts, source="drawn")
    assert "recommended_auc" not in found["test"]
    assert "recommended_auc" not in found["baselines"]["model_minus_tfidf"]
    assert found["baselines"]["tfidf"]["recommended_auc"]["value"] > 0.5


def test_baselines_that_cannot_be_fitted_name_the_remedy(
    parts: ReviewParts, tiny_reviews_bundle: Path
) -> None:
    predictor = ReviewPredictor.load(tiny_reviews_bundle)
    alike = [review.model_copy(update={"rating": 5}) for review in parts.parts["train"]]
    for train in ([], alike):
        few = ReviewParts({**parts.parts, "train": train}, parts.count)
        with pytest.raises(DataError, match=r"cannot be fitted on the training part.*use --no-baselines"):
            evaluate_reviews(predictor, few, source="drawn")


def test_a_part_without_rated_reviews_is_one_clear_error(parts: ReviewParts) -> None:
    with pytest.raises(DataError, match="no review of the test part has both text and stars"):
        rated(ReviewParts({**parts.parts, "test": []}, parts.count), "test")
