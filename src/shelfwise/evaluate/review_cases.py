"""Which reviews a system reads well, by their length or a field, and which to look at. N reviews."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64
from numpy import ndarray

from shelfwise.data.review_tokens import review_text
from shelfwise.evaluate.cases import confident_errors
from shelfwise.evaluate.review_scores import STARS, Answers, Truth
from shelfwise.metrics.bootstrap import mean_of
from shelfwise.metrics.ordinal import sampled_absolute_error, sampled_kappa
from shelfwise.schema import Review

SHOWN = 160
"""Characters of a quote, at most."""
CASES = 24
VALUES = 12
"""A field with more values than this is no division of a shop."""
FEWEST_PRODUCTS = 10
"""Resamples of fewer products differ too little: their interval would be narrow for no reason."""


def describe_reviews(said: Answers, reviews: Sequence[Review]) -> dict[str, Any]:
    """Return the wrong answers, the surest first, and those farthest from the stars that were given."""
    given = np.array([review.rating for review in reviews], dtype=np.int64)
    apart = np.argsort(-np.abs(said.expected - given), kind="stable")[:CASES]
    return {
        "confident_errors": [
            _case(said, reviews, row) for row in confident_errors(said.stars, given - 1, CASES).tolist()
        ],
        "farthest": [_case(said, reviews, row) for row in apart.tolist()],
    }


def by_length(
    said: Answers, truth: Truth, lengths: Int64[ndarray, "N"], room: int, *, seed: int = 0
) -> list[dict[str, Any]]:
    """Return scores of short, medium and long texts, thirds of those read at once, and of those in windows.

    `lengths` are tokens, of which `room` are read at once. What no text belongs to is left out."""
    whole = lengths <= room
    first, second = np.quantile(lengths[whole], [1 / 3, 2 / 3]) if whole.any() else (0.0, 0.0)
    slices = {
        "short": whole & (lengths <= first),
        "medium": whole & (lengths > first) & (lengths <= second),
        "long": whole & (lengths > second),
        "windows": ~whole,
    }
    return [
        {
            "texts": name,
            "tokens": [int(lengths[inside].min()), int(lengths[inside].max())],
            **_scores(said, truth, inside, seed),
        }
        for name, inside in slices.items()
        if inside.any()
    ]


def by_field(
    said: Answers, truth: Truth, reviews: Sequence[Review], *, seed: int = 0
) -> dict[str, list[dict[str, Any]]]:
    """Return the same by the values of each field that has 2 to VALUES of them, the commonest first."""
    found = {}
    for field in sorted({name for review in reviews for name in review.fields}):
        values = [review.fields.get(field) for review in reviews]
        counts = Counter(value for value in values if isinstance(value, str))
        if 2 <= len(counts) <= VALUES:
            found[field] = [
                {"value": value, **_scores(said, truth, np.array([v == value for v in values]), seed)}
                for value, _ in counts.most_common()
            ]
    return found


def _scores(said: Answers, truth: Truth, inside: Bool[ndarray, "N"], seed: int) -> dict[str, Any]:
    stars, groups, decided = truth.stars[inside], truth.products[inside], said.decided[inside] + 1
    sampled = {
        "accuracy": mean_of(decided == stars, seed=seed, groups=groups),
        "qwk": sampled_kappa(decided, stars, STARS, seed=seed, groups=groups),
        "mae": sampled_absolute_error(said.expected[inside], stars, seed=seed, groups=groups),
    }
    scores, products = {name: some.interval().as_json() for name, some in sampled.items()}, np.unique(groups)
    if len(products) < FEWEST_PRODUCTS:
        scores = {name: {**score, "ci95": None} for name, score in scores.items()}
    return {"rows": int(inside.sum()), "products": len(products), **scores}


def _case(said: Answers, reviews: Sequence[Review], row: int) -> dict[str, Any]:
    review, decided = reviews[row], int(said.decided[row])
    assert review.rating is not None
    words = review_text(review)
    return {
        "id": review.id,
        "product": review.product,
        "rating": review.rating,
        "decided": decided + 1,
        "expected": float(said.expected[row]),
        "probability": float(said.stars[row, decided]),
        "probability_of_rating": float(said.stars[row, review.rating - 1]),
        "words": words if len(words) <= SHOWN else words[: SHOWN - 1] + "…",
    }
