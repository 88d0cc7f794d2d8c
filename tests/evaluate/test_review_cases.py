"""Slices by length and field, and the reviews to look at, of drawn answers."""

from __future__ import annotations

import numpy as np
import pytest

from shelfwise.evaluate.review_cases import CASES, SHOWN, by_field, by_length, describe_reviews
from shelfwise.evaluate.review_scores import Answers, Truth, summed
from shelfwise.schema import Review

ROWS = 90
RNG = np.random.default_rng(2)
STARS = RNG.integers(1, 6, ROWS)
SCORES = np.exp(RNG.normal(size=(ROWS, 5)) + np.eye(5)[STARS - 1])
SCORES /= SCORES.sum(axis=1, keepdims=True)
SAID = Answers(SCORES, summed(SCORES), SCORES[:, 4])
PRODUCTS = [f"p{i}" for i in RNG.integers(0, 30, ROWS)]
TRUTH = Truth(STARS, np.full(ROWS, -1), np.array(PRODUCTS))
REVIEWS = [
    Review(
        id=f"r{i}",
        product=PRODUCTS[i],
        text="wörd " * (i + 1),
        rating=int(STARS[i]),
        fields={"department": ("Tops", "Coats", None)[min(i // 40, 2)], "size": str(i), "weight": 1.5},
    )
    for i in range(ROWS)
]


def test_lengths_are_thirds_of_what_is_read_at_once_and_the_rest() -> None:
    found = by_length(SAID, TRUTH, np.arange(1, ROWS + 1), 60)
    assert [(row["texts"], row["tokens"], row["rows"]) for row in found] == [
        ("short", [1, 20], 20),
        ("medium", [21, 40], 20),
        ("long", [41, 60], 20),
        ("windows", [61, 90], 30),
    ]
    right = (SAID.decided + 1 == STARS)[60:]
    assert found[3]["accuracy"]["value"] == pytest.approx(right.mean())


@pytest.mark.parametrize(("lengths", "room"), [([3] * ROWS, 9), ([12] * ROWS, 9), ([1] * 80 + [5] * 10, 9)])
def test_every_review_is_in_one_slice_however_lengths_lie(lengths: list[int], room: int) -> None:
    found = by_length(SAID, TRUTH, np.array(lengths), room)
    assert sum(row["rows"] for row in found) == ROWS


def test_fields_that_divide_a_shop_are_slices_and_others_are_not() -> None:
    found = by_field(SAID, TRUTH, REVIEWS)
    assert list(found) == ["department"]
    assert [(row["value"], row["rows"]) for row in found["department"]] == [("Tops", 40), ("Coats", 40)]


def test_few_products_have_no_interval() -> None:
    few = Truth(STARS, TRUTH.recommended, np.array(["a", "b", "c"] * 30))
    whole, part = (by_length(SAID, truth, np.full(ROWS, 3), 9)[0] for truth in (TRUTH, few))
    assert whole["qwk"]["ci95"] is not None
    assert part["qwk"] == {"value": whole["qwk"]["value"], "ci95": None}


def test_errors_are_wrong_and_the_surest_comes_first() -> None:
    found = describe_reviews(SAID, REVIEWS)
    errors = found["confident_errors"]
    assert 0 < len(errors) <= CASES
    assert all(case["decided"] != case["rating"] for case in errors)
    assert errors[0]["probability"] == max(case["probability"] for case in errors)
    gaps = [abs(case["expected"] - case["rating"]) for case in found["farthest"]]
    assert gaps == sorted(gaps, reverse=True)


def test_quotes_are_short_and_short_texts_are_whole() -> None:
    words = {
        case["id"]: case["words"] for cases in describe_reviews(SAID, REVIEWS).values() for case in cases
    }
    for review in REVIEWS:
        if review.id in words:
            quote = words[review.id]
            assert len(quote) <= SHOWN
            assert quote == review.text or (quote[-1] == "…" and review.text.startswith(quote[:-1]))
