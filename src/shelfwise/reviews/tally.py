"""What is counted of one product's reviews while they stream by: plain numbers, and a few quotes.

A review costs a few microseconds here; the schema's models are made of a tally once, at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from shelfwise.reviews.aspects import AspectLabel
from shelfwise.reviews.contradictions import Contradictions, contradiction, keep_extreme
from shelfwise.reviews.moments import Moments
from shelfwise.reviews.quotes import KEPT_IN_ALL, Pool, offer, offer_opinion
from shelfwise.schema import Contradiction, Opinion, Polarity, Review, ReviewPrediction

CONTRADICTIONS = 3
"""Contradictions kept of one product."""


@cache
def label_of(aspect: str, polarity: Polarity) -> AspectLabel:
    """Return the pair, always the same object: tallies hold it many times over."""
    return aspect, polarity


@dataclass(slots=True)
class Mentions:
    """Praise, or blame, of one aspect: in how many reviews, and some quotes."""

    count: int = 0
    quotes: Pool = field(default_factory=list)

    def merge(self, other: Mentions) -> None:
        """Take in another product's mentions."""
        self.count += other.count
        for said in other.quotes:
            offer(self.quotes, said, most=KEPT_IN_ALL)


@dataclass(slots=True)
class Month:
    """What is counted of one month, or of several together."""

    reviews: int = 0
    stars: Moments = field(default_factory=Moments)
    mentions: dict[AspectLabel, int] = field(default_factory=dict)

    def merge(self, other: Month) -> None:
        """Take in another month, or the same one of another product."""
        self.reviews += other.reviews
        self.stars += other.stars
        for label, count in other.mentions.items():
            self.mentions[label] = self.mentions.get(label, 0) + count

    def praise_of(self, aspect: str) -> tuple[int, int]:
        """Return how many mentions of an aspect are praise, of how many."""
        positive = self.mentions.get((aspect, "positive"), 0)
        return positive, positive + self.mentions.get((aspect, "negative"), 0)


@dataclass(slots=True)
class Tally:
    """All that is counted of one product; tallies of products merge to that of a catalogue."""

    product: str | None
    reviews: int = 0
    failed: int = 0
    constructed: int = 0
    given: list[int] = field(default_factory=lambda: [0] * 5)
    decided: list[int] = field(default_factory=lambda: [0] * 5)
    stars: Moments = field(default_factory=Moments)
    sentiment: dict[str, int] = field(default_factory=dict)
    recommended: Moments = field(default_factory=Moments)
    said: int = 0
    """Buyers who said whether they recommend the product, and below those who do."""
    said_yes: int = 0
    mentions: dict[AspectLabel, Mentions] = field(default_factory=dict)
    """A review counts once for each aspect that it praises and once for each that it blames."""
    contradictions: int = 0
    contradicting: Contradictions = field(default_factory=list)
    months: dict[int, Month] = field(default_factory=dict)
    """Months since the year 0."""

    def add(self, review: Review, prediction: ReviewPrediction, order: int) -> Contradiction | None:
        """Count one review, the `order`th; returned is what contradicts in it."""
        if prediction.status == "failed":
            self.failed += 1
            if prediction.error_kind == "empty_text":
                self._count_given(review)  # who wrote nothing gave stars all the same
            return None
        self.reviews += 1
        self.constructed += review.constructed
        self._count_given(review)
        if prediction.recommended is not None:
            self.recommended.add(prediction.recommended)
        if prediction.sentiment is not None:
            self.sentiment[prediction.sentiment] = self.sentiment.get(prediction.sentiment, 0) + 1
        found = self._count_stars(review, prediction, order)
        month = self._month_of(review, prediction)
        for label, opinion in _surest(prediction.opinions).items():
            mentions = self.mentions.get(label)
            if mentions is None:
                mentions = self.mentions[label] = Mentions()
            mentions.count += 1
            offer_opinion(mentions.quotes, opinion, review, product=self.product, order=order)
            if month is not None:
                month.mentions[label] = month.mentions.get(label, 0) + 1
        return found

    def _count_given(self, review: Review) -> None:
        """Stars and recommendation as the buyer gave them."""
        if review.rating is not None:
            self.given[review.rating - 1] += 1
        if review.recommended is not None:
            self.said += 1
            self.said_yes += review.recommended

    def _count_stars(self, review: Review, prediction: ReviewPrediction, order: int) -> Contradiction | None:
        if prediction.rating is not None:
            self.decided[prediction.rating - 1] += 1
        if prediction.stars is not None:
            self.stars.add(prediction.stars)
        found = contradiction(review, prediction)
        if found is not None:
            self.contradictions += 1
            keep_extreme(self.contradicting, found, order=order, most=CONTRADICTIONS)
        return found

    def _month_of(self, review: Review, prediction: ReviewPrediction) -> Month | None:
        """The review's month, with the review counted; None where it has no date."""
        if review.time is None:
            return None
        number = review.time.year * 12 + review.time.month - 1
        month = self.months.get(number)
        if month is None:
            month = self.months[number] = Month()
        month.reviews += 1
        if prediction.stars is not None:
            month.stars.add(prediction.stars)
        return month

    def merge(self, other: Tally) -> None:
        """Take in another product's tally, all but its list of contradictions."""
        self.reviews += other.reviews
        self.failed += other.failed
        self.constructed += other.constructed
        self.given = [a + b for a, b in zip(self.given, other.given, strict=True)]
        self.decided = [a + b for a, b in zip(self.decided, other.decided, strict=True)]
        self.stars += other.stars
        self.recommended += other.recommended
        self.said += other.said
        self.said_yes += other.said_yes
        self.contradictions += other.contradictions
        for sentiment, count in other.sentiment.items():
            self.sentiment[sentiment] = self.sentiment.get(sentiment, 0) + count
        for label, mentions in other.mentions.items():
            self.mentions.setdefault(label, Mentions()).merge(mentions)
        for number, month in other.months.items():
            self.months.setdefault(number, Month()).merge(month)


def _surest(opinions: tuple[Opinion, ...]) -> dict[AspectLabel, Opinion]:
    """Of each aspect and polarity the surest opinion of a review."""
    surest: dict[AspectLabel, Opinion] = {}
    for opinion in opinions:
        label = label_of(opinion.aspect, opinion.polarity)
        kept = surest.get(label)
        if kept is None or opinion.probability > kept.probability:
            surest[label] = opinion
    return surest
