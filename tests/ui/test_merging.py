"""Summaries of batches made one, against the API's own roll-up of all reviews at once."""

from __future__ import annotations

from typing import Any

import pytest

from shelfwise.reviews.rollup import Rollup
from shelfwise.reviews.wilson import wilson_interval
from shelfwise.schema import Opinion, ProductSummary, Review, ReviewPrediction
from shelfwise.schema.serving import Answered, GivenReview, ReviewAnswers
from shelfwise.ui.batches import PATIENCE, Run
from shelfwise.ui.client import ApiError
from shelfwise.ui.merging import merged, merged_products, wilson_95

TEXT = "The fit is good but the colour is bad."


def answered(place: int) -> tuple[Review, ReviewPrediction]:
    """A review of one of three products, and an answer that is made up but consistent."""
    stars = place % 5 + 1
    opinions = [
        Opinion(
            aspect="fit",
            polarity="positive" if place % 3 else "negative",
            quote=TEXT[0:15],
            start=0,
            end=15,
            probability=0.5 + (place * 7 % 40) / 100,
        )
    ]
    if place % 4 == 0:
        opinions.append(
            Opinion(aspect="look", polarity="negative", quote=TEXT[20:37], start=20, end=37, probability=0.8)
        )
    review = Review(id=str(place), product=f"p{place % 3}", text=TEXT, rating=(place * 2) % 5 + 1)
    spread = [0.02] * 5
    spread[stars - 1] = 0.92
    prediction = ReviewPrediction(
        id=review.id,
        status="ok",
        product=review.product,
        rating=stars,
        stars=float(stars),
        star_probabilities=tuple(spread),
        sentiment="positive" if stars > 3 else "negative",
        sentiment_probabilities=(0.1, 0.1, 0.8),
        recommended=stars / 5,
        opinions=tuple(opinions),
    )
    return review, prediction


def rolled(rows: list[tuple[Review, ReviewPrediction]]) -> tuple[ProductSummary, tuple[ProductSummary, ...]]:
    rollup = Rollup(min_mentions=1)
    for review, prediction in rows:
        rollup.add(review, prediction)
    return rollup.catalogue(), tuple(rollup.products())


def comparable(summary: ProductSummary) -> dict[str, Any]:
    """What does not need all reviews at once, quotes and contradictions by number."""
    found = summary.model_dump(
        exclude={"stars_low", "stars_high", "periods", "later_since", "change", "contradicting", "aspects"}
    )
    found["aspects"] = [one.model_dump(exclude={"praise", "blame", "change"}) for one in summary.aspects]
    return found


def assert_same(left: Any, right: Any) -> None:
    if isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left:
            assert_same(left[key], right[key])
    elif isinstance(left, list | tuple):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_same(one, other)
    elif isinstance(left, float):
        assert left == pytest.approx(right)
    else:
        assert left == right


def test_merged_parts_are_the_roll_up_of_the_whole() -> None:
    rows = [answered(place) for place in range(50)]
    whole, products = rolled(rows)
    parts = [rolled(rows[start : start + 7]) for start in range(0, 50, 7)]
    assert_same(comparable(merged([part for part, _ in parts])), comparable(whole))
    found = merged_products([part for _, part in parts])
    assert [one.product for one in found] == [one.product for one in products]
    for one, other in zip(found, products, strict=True):
        assert_same(comparable(one), comparable(other))


def test_merging_twice_is_merging_once() -> None:
    parts = [rolled([answered(place) for place in range(start, start + 5)])[0] for start in range(0, 30, 5)]
    assert_same(comparable(merged([merged(parts[:3]), merged(parts[3:])])), comparable(merged(parts)))


def test_the_interval_is_wilsons() -> None:
    for k, n in ((0, 1), (1, 1), (3, 10), (99, 100)):
        assert wilson_95(k, n) == pytest.approx(wilson_interval(k, n))


class Api:
    """Answers reviews; `problems` are raised first, and more than `most` reviews are refused."""

    def __init__(self, most: int = 64, problems: tuple[ApiError, ...] = ()) -> None:
        self.most, self.problems, self.sizes = most, list(problems), []

    def __call__(self, reviews: tuple[GivenReview, ...]) -> ReviewAnswers:
        self.sizes: list[int] = [*self.sizes, len(reviews)]
        if self.problems:
            raise self.problems.pop(0)
        if len(reviews) > self.most:
            raise ApiError(422, "invalid", f"between 1 and {self.most} items", field="items")
        rows = [answered(int(review.id or 0)) for review in reviews]
        whole, products = rolled(rows)
        by = Answered(bundle="b@1", domain="drawn")
        items = tuple(prediction for _, prediction in rows)
        return ReviewAnswers(items=items, ok=len(items), failed=0, summary=whole, products=products, by=by)


def run_of(count: int) -> Run:
    return Run(tuple(GivenReview(id=str(place), text=TEXT) for place in range(count)))


def test_a_run_is_answered_batch_by_batch_and_in_order() -> None:
    run, api = run_of(150), Api()
    while not run.ended:
        run.step(api)
    assert api.sizes == [64, 64, 22]
    assert [answer.id for answer in run.answers] == [str(place) for place in range(150)]
    summary = run.summary()
    assert summary is not None
    assert_same(comparable(summary), comparable(rolled([answered(place) for place in range(150)])[0]))


def test_a_smaller_bound_is_found_by_halving() -> None:
    run, api = run_of(40), Api(most=10)
    while not run.ended:
        run.step(api)
    assert api.sizes[:3] == [40, 20, 10]
    assert max(api.sizes[2:]) == 10


def test_a_busy_api_is_asked_again_after_the_time_it_says() -> None:
    waits: list[float] = []
    busy = ApiError(429, "rate_limited", "too fast", retry_after_s=3.0)
    run, api = run_of(5), Api(problems=(busy, ApiError(503, "queue_full", "full")))
    run.step(api, wait=waits.append)
    assert run.ended
    assert waits == [3, 4]


def test_patience_ends_and_what_is_answered_stays() -> None:
    run = run_of(100)
    run.step(Api())
    busy = tuple(ApiError(503, "queue_full", "full") for _ in range(PATIENCE + 1))
    with pytest.raises(ApiError):
        run.step(Api(problems=busy), wait=lambda _: None)
    assert run.done == 64
    run.step(Api())
    assert run.ended


def test_memory_does_not_grow_with_the_batches() -> None:
    run, api = run_of(300), Api()
    run.size = 2
    while not run.ended:
        run.step(api)
    assert len(run._whole) < 60
    assert_same(
        comparable(run.summary() or run_of(0).summary()),  # type: ignore[arg-type]
        comparable(rolled([answered(place) for place in range(300)])[0]),
    )
