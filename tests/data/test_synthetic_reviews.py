"""Constructed reviews: exact shares, the same for the same seed, and everything they say is known."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import combinations
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.data import synthetic_wording
from shelfwise.data.fashion_mnist import CLASSES
from shelfwise.data.synthetic_reviews import (
    DRIFTING,
    DRIFTING_ASPECT,
    END,
    STAR_PERCENT,
    START,
    Planted,
    largest_remainder,
    synthetic_opinions,
    synthetic_reviews,
)

GOLDEN = Path(__file__).with_suffix(".json")
"""Regenerate: python -c "from tests.data.test_synthetic_reviews import *; GOLDEN.write_text(golden())"."""


def golden() -> str:
    """Two reviews as they are, a hundred by their hash."""
    planted = list(synthetic_opinions(100, seed=7, noise=0.1))
    lines = [each.review.model_dump_json() + repr(each.opinions) for each in planted]
    shown = [json.loads(each.review.model_dump_json(exclude_defaults=True)) for each in planted[:2]]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return json.dumps({"first": shown, "sha256": digest}, indent=1) + "\n"


@pytest.fixture(scope="module")
def thousand() -> list[Planted]:
    return list(synthetic_opinions())


def test_the_same_seed_gives_the_same_reviews_on_every_machine() -> None:
    assert golden() == GOLDEN.read_text(encoding="utf-8")
    assert list(synthetic_reviews(50)) == list(synthetic_reviews(50))
    assert list(synthetic_reviews(50)) != list(synthetic_reviews(50, seed=1))


def test_a_thousand_have_the_promised_stars_and_categories(thousand: list[Planted]) -> None:
    reviews = [each.review for each in thousand]
    assert Counter(review.rating for review in reviews) == {1: 100, 2: 100, 3: 200, 4: 300, 5: 300}
    assert Counter(review.fields["category"] for review in reviews) == dict.fromkeys(CLASSES, 100)
    assert all(review.constructed and review.text and review.product for review in reviews)
    assert len({review.id for review in reviews}) == 1000
    assert len({review.text for review in reviews}) > 950


@given(st.integers(0, 300), st.lists(st.integers(1, 50), min_size=1, max_size=12))
def test_largest_remainders_add_up_and_are_off_by_less_than_one(count: int, weights: list[int]) -> None:
    shares = largest_remainder(count, weights)
    assert sum(shares) == count
    assert all(
        abs(share - count * weight / sum(weights)) < 1 for share, weight in zip(shares, weights, strict=True)
    )


@pytest.mark.parametrize("count", [0, 1, 7, 13, 101])
def test_any_count_has_the_shares_to_the_row(count: int) -> None:
    stars = Counter(review.rating for review in synthetic_reviews(count))
    assert [stars[k] for k in range(1, 6)] == largest_remainder(count, STAR_PERCENT)


def test_times_are_utc_in_order_and_within_the_range() -> None:
    start = datetime(2025, 3, 1, tzinfo=timezone(timedelta(hours=2)))
    end = start + timedelta(days=10)
    times = [review.time for review in synthetic_reviews(200, start=start, end=end)]
    assert all(time is not None and time.tzinfo is UTC and time.microsecond == 0 for time in times)
    assert times == sorted(times)  # type: ignore[type-var]
    assert start - timedelta(seconds=1) <= times[0] < times[-1] <= end  # type: ignore[operator]
    assert {review.time for review in synthetic_reviews(5, start=START, end=START)} == {START}


def thirds(reviews: Sequence[Planted]) -> tuple[float, float]:
    """Mean stars in the first and in the last third of the time."""
    length = (END - START) / 3
    early = [each.review.rating for each in reviews if each.review.time < START + length]  # type: ignore[operator]
    late = [each.review.rating for each in reviews if each.review.time >= END - length]  # type: ignore[operator]
    return mean(early), mean(late)  # type: ignore[type-var]


@pytest.fixture(scope="module")
def many() -> list[Planted]:
    return list(synthetic_opinions(3000))


def test_one_product_declines_and_its_quality_is_what_buyers_blame(many: list[Planted]) -> None:
    reviews = [each for each in many if each.review.product == DRIFTING]
    early, late = thirds(reviews)
    assert early - late > 1.0
    spoken = [each for each in reviews if each.opinions]
    assert all(DRIFTING_ASPECT in {o.aspect for o in each.opinions} for each in spoken)
    for each in spoken:
        polarity = next(o.polarity for o in each.opinions if o.aspect == DRIFTING_ASPECT)
        assert polarity == ("negative" if each.told <= 3 else "positive")


def test_without_drift_and_elsewhere_nothing_declines(many: list[Planted]) -> None:
    still = [each for each in synthetic_opinions(3000, drift=0.0) if each.review.product == DRIFTING]
    assert abs(thirds(still)[0] - thirds(still)[1]) < 0.7  # fifty reviews a third
    others = [each for each in many if each.review.product != DRIFTING]
    assert abs(thirds(others)[0] - thirds(others)[1]) < 0.2


def test_every_opinion_is_quoted_from_its_text(thousand: list[Planted]) -> None:
    for each in [*thousand, *synthetic_opinions(200, noise=1.0)]:
        for opinion in each.opinions:
            assert each.review.text[opinion.start : opinion.end] == opinion.quote
            assert opinion.term is None or opinion.term in opinion.quote
            assert "*" not in opinion.quote
        assert all(one.end <= two.start for one, two in zip(each.opinions, each.opinions[1:], strict=False))
    aspects = Counter(opinion.aspect for each in thousand for opinion in each.opinions)
    assert set(aspects) == set(synthetic_wording.ASPECT_WEIGHTS)
    assert min(aspects.values()) > 50


def test_opinions_go_with_the_stars(thousand: list[Planted]) -> None:
    said = {k: Counter(o.polarity for t in thousand if t.told == k for o in t.opinions) for k in range(1, 6)}
    assert set(said[1]) == {"negative"}
    assert set(said[5]) == {"positive"}
    share = [said[k]["positive"] / said[k].total() for k in range(1, 6)]
    assert share == sorted(share)
    mixed = [each for each in thousand if len({o.polarity for o in each.opinions}) == 2]
    assert {each.told for each in mixed} == {2, 3, 4}


def test_noise_is_a_share_of_texts_from_other_stars_and_leaves_the_rest(thousand: list[Planted]) -> None:
    noisy = list(synthetic_opinions(noise=0.2))
    struck = [i for i, each in enumerate(noisy) if each.told != each.review.rating]
    assert len(struck) == 200
    assert all(noisy[i].review.text != thousand[i].review.text for i in struck)
    assert all(noisy[i] == thousand[i] for i in set(range(1000)) - set(struck))
    assert [each.review.rating for each in noisy] == [each.review.rating for each in thousand]
    assert all(each.told == each.review.rating for each in thousand)


def test_buyers_recommend_what_they_like(thousand: list[Planted]) -> None:
    share = [mean(t.review.recommended or False for t in thousand if t.told == k) for k in range(1, 6)]
    assert share[0] < 0.15
    assert 0.3 < share[2] < 0.7
    assert share[3] > 0.85


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": -1},
        {"noise": 1.5},
        {"noise": float("nan")},
        {"start": datetime(2025, 1, 1)},
        {"start": END, "end": START},
    ],
)
def test_a_programmers_slip_is_refused_at_once(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must not be|time zones"):
        synthetic_reviews(**wrong)  # type: ignore[arg-type]


def test_every_clause_can_be_filled_and_joined() -> None:
    plain, own = synthetic_wording._data(), synthetic_wording._categories()
    agreeing = {"it", "is", "was", "s", "es", "them"}
    assert set(own) == set(CLASSES)
    for category, aspect in ((c, a) for c in CLASSES for a in synthetic_wording.ASPECT_WEIGHTS):
        for polarity in ("positive", "negative"):
            clauses = synthetic_wording._clauses(category, aspect, polarity)
            assert len(clauses) >= 4, (category, aspect, polarity)
            assert len(set(clauses)) == len(clauses)
            for clause in clauses:
                assert clause[0].islower() or clause.startswith(("I ", "{", "*")), clause
                assert clause[-1] not in ".!?", clause
                assert clause.isascii(), clause
                assert clause.count("*") in (0, 2), clause
                assert set(synthetic_wording._SLOT.findall(clause)) <= agreeing
    assert set(plain["stars"]) == set("12345")


def test_no_clause_both_praises_and_blames() -> None:
    both = [
        set(synthetic_wording._clauses(category, aspect, polarity))
        for category in ("Dress",)
        for aspect in synthetic_wording.ASPECT_WEIGHTS
        for polarity in ("positive", "negative")
    ]
    assert all(not one & two for one, two in combinations(both, 2))
