"""Answers for drawn reviews without a model: the planted truth, or stars and opinions of the test's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shelfwise.data.synthetic_reviews import Planted
from shelfwise.schema import Opinion, Review, ReviewPrediction


def opinion(text: str, quote: str, label: str, probability: float = 0.9) -> Opinion:
    """An opinion on the first place of `quote` in `text`; the label is an aspect and + or -, as in `fit+`."""
    start = text.index(quote)
    polarity = "positive" if label.endswith("+") else "negative"
    return Opinion(
        aspect=label[:-1],
        polarity=polarity,
        quote=quote,
        start=start,
        end=start + len(quote),
        probability=probability,
    )


def answer(review: Review, stars: float, opinions: Sequence[Opinion] = (), **more: Any) -> ReviewPrediction:
    """What a bundle would say: `stars`, rather surely, and these opinions."""
    rating = round(stars)
    sentiment = "negative" if rating < 3 else "neutral" if rating == 3 else "positive"
    values: dict[str, Any] = {
        "id": review.id,
        "status": "ok",
        "product": review.product,
        "rating": rating,
        "stars": stars,
        "star_probabilities": tuple(0.88 if k == rating else 0.03 for k in range(1, 6)),
        "sentiment": sentiment,
        "sentiment_probabilities": (0.1, 0.1, 0.8),
        "recommended": 0.9 if rating > 3 else 0.2,
        "opinions": tuple(opinions),
        "bundle": "drawn@1",
    }
    return ReviewPrediction(**{**values, **more})


def failed(review: Review) -> ReviewPrediction:
    """What a bundle says of a review that it cannot read."""
    return ReviewPrediction(
        id=review.id,
        status="failed",
        product=review.product,
        error="no text",
        error_kind="no_text",
        bundle="drawn@1",
    )


@dataclass
class DrawnBundle:
    """As much of a bundle as its label and domain."""

    label: str = "drawn@1"
    info: dict[str, Any] = field(default_factory=lambda: {"source": "constructed"})


class PlantedReader:
    """Reads out of a review what was planted in it; what it does not know, it fails on."""

    def __init__(self, planted: Iterable[Planted]) -> None:
        self.bundle = DrawnBundle()
        self.known = {each.review.id: each for each in planted}

    def predict(self, reviews: Sequence[Review]) -> list[ReviewPrediction]:
        """Rather sure of the stars that the text was written for, and of each opinion as it was planted."""
        return [self._answer(review) for review in reviews]

    def _answer(self, review: Review) -> ReviewPrediction:
        found = self.known.get(review.id)
        if found is None:
            return failed(review)
        return answer(review, 1.2 + 0.9 * (found.told - 1), found.opinions)
