"""Statistics of reviews: exact where they can be, bounded where they must be."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.data import review_statistics, typical_words
from shelfwise.data.length_counts import LengthCounts
from shelfwise.data.review_statistics import ReviewStatistics
from shelfwise.data.review_tokens import TextReader, review_text, train_word_tokenizer
from shelfwise.data.synthetic_reviews import synthetic_reviews
from shelfwise.data.typical_words import WordCounts, words_of
from shelfwise.data.typical_words import typical_words as typical_of
from shelfwise.schema import Review, RowError


def test_constructed_reviews_are_counted() -> None:
    reviews = list(synthetic_reviews(300, seed=1))
    statistics = ReviewStatistics()
    for review in reviews:
        statistics.add(review)
    facts = statistics.as_dict()
    json.dumps(facts, allow_nan=False)
    assert facts["reviews"] == facts["constructed"] == 300
    assert facts["ratings"]["counts"] == [30, 30, 60, 90, 90]
    assert facts["ratings"]["mean"] == pytest.approx(3.6)
    assert facts["products"]["products"] == len({review.product for review in reviews})
    assert sum(facts["products"]["by_reviews"].values()) == facts["products"]["products"]
    assert sum(facts["characters"]["histogram"]["counts"]) == 300
    assert sum(sum(month["counts"]) for month in facts["months"]) == 300
    assert [month["month"] for month in facts["months"]] == sorted(
        {f"{r.time:%Y-%m}" for r in reviews if r.time}
    )


def test_tokens_are_those_of_our_own_tokenizer() -> None:
    reviews = list(synthetic_reviews(50, seed=2, noise=0.5))
    statistics = ReviewStatistics()
    for review in reviews:
        statistics.add(review)
    texts = [review_text(review) for review in reviews]
    reader = TextReader(train_word_tokenizer(texts, vocabulary=500, min_count=1), 64)
    lengths = reader.lengths(texts)
    assert statistics.tokens.total == lengths.sum()
    assert statistics.tokens.longest == lengths.max()
    assert statistics.tokens.share_longer(20) == pytest.approx((lengths > 20).mean())


def test_nothing_at_all_is_a_report_too() -> None:
    facts = ReviewStatistics().as_dict()
    json.dumps(facts, allow_nan=False)
    assert facts["ratings"] == {"counts": [0] * 5, "without": 0, "mean": None}
    assert facts["characters"]["histogram"] == {"edges": [], "counts": []}
    assert facts["months"] == []
    assert facts["products"]["by_reviews"] == {}


def test_what_a_review_lacks_is_said() -> None:
    statistics = ReviewStatistics()
    statistics.add(Review(id="a", text="Nice."))
    statistics.add(Review(id="b", product="p", rating=4, time=datetime(2024, 5, 1, tzinfo=UTC)))
    facts = statistics.as_dict()
    assert facts["ratings"]["without"] == facts["products"]["reviews_without_product"] == 1
    assert facts["recommended"] == {"yes": 0, "no": 0, "without": 2}
    assert facts["months"] == [{"month": "2024-05", "counts": [0, 0, 0, 1, 0], "without": 0, "mean": 4}]


def test_flags_have_three_short_samples_and_errors_fifty() -> None:
    statistics = ReviewStatistics()
    for number in range(60):
        statistics.add(Review(id=f"r{number}", text="x" * 1000), ["cut_text"])
        statistics.add_error(RowError(row=number, column="stars", value="9", kind="bad_rating", why="no"))
    facts = statistics.as_dict()
    assert facts["flags"]["cut_text"]["reviews"] == facts["errors"]["bad_rating"] == 60
    assert [sample["id"] for sample in facts["flags"]["cut_text"]["samples"]] == ["r0", "r1", "r2"]
    assert max(len(sample["text"]) for sample in facts["flags"]["cut_text"]["samples"]) == 160
    assert facts["flags"]["empty_text"] == {"reviews": 0, "samples": []}
    assert len(facts["first_errors"]) == 50


def test_products_past_the_bound_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_statistics, "MOST_PRODUCTS", 2)
    statistics = ReviewStatistics()
    for product in ("a", "b", "c", "a", "d"):
        statistics.add(Review(id="r", product=product))
    products = statistics.as_dict()["products"]
    assert (products["products"], products["reviews_of_further_products"]) == (2, 2)
    assert products["most_reviewed"] == {"a": 2, "b": 1}


def test_rare_words_are_forgotten_past_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typical_words, "MOST_WORDS", 4)
    counts = WordCounts()
    counts.add(["a", "a", "b", "b", "c", "d", "e"], 5)
    assert counts.overall() == {"a": 2, "b": 2}
    assert (counts.total, counts.forgotten) == (7, 3)


def test_words_typical_of_stars_are_found_and_rare_ones_do_not_come_first() -> None:
    counts = WordCounts()
    for _ in range(200):
        counts.add(words_of("The dress is awful and the seam ripped"), 1)
        counts.add(words_of("The dress is lovely and the seam held"), 5)
        counts.add(words_of("The dress is a dress"), 3)
    for _ in range(5):
        counts.add(["once"], 5)
    low, high = typical_of(counts, 2)
    assert {word.word for word in low} == {"awful", "ripped"}
    assert {word.word for word in high} == {"lovely", "held"}
    assert all(word.log_odds * word.z > 0 for word in low + high)
    assert "dress" not in {word.word for group in typical_of(counts) for word in group}


def test_stars_of_one_kind_have_no_typical_words() -> None:
    counts = WordCounts()
    counts.add(["good"] * 50, 5)
    assert typical_of(counts) == ([], [])


def test_words_keep_their_apostrophes_and_accents() -> None:
    assert words_of("Don’t wash it: café-coloured, size 38 赤い!") == [
        *("don't", "wash", "it", "café", "coloured", "size", "赤い"),
    ]


@given(st.lists(st.integers(0, 300), min_size=1, max_size=60), st.sampled_from([1, 50, 90, 99, 100]))
def test_percentiles_are_numpys(lengths: list[int], percent: int) -> None:
    counts = LengthCounts(1_000)
    for length in lengths:
        counts.add(length)
    assert counts.percentile(percent) == np.percentile(lengths, percent, method="inverted_cdf")
    assert sum(counts.histogram()["counts"]) == counts.texts == len(lengths)


def test_lengths_past_the_limit_are_one_group() -> None:
    counts = LengthCounts(10)
    for length in (3, 50, 70):
        counts.add(length)
    assert (counts.percentile(99), counts.longest, counts.total) == (10, 70, 123)
    assert counts.share_longer(5) == pytest.approx(2 / 3)
