"""From reviews and what a bundle says of them to summaries of each product and of the whole catalogue.

    rollup = Rollup()
    for review, prediction in zip(reviews, predictions):
        rollup.add(review, prediction)
    rollup.catalogue(), list(rollup.products())

Memory is bounded for each product: by its aspects, its months and a few quotes. Until a product's quotes are
full, a review with three opinions takes about a kilobyte.
"""

from __future__ import annotations

from collections.abc import Iterator

from shelfwise.reviews import trend
from shelfwise.reviews.contradictions import Contradictions, keep_extreme, most_extreme
from shelfwise.reviews.moments import mean_interval
from shelfwise.reviews.quotes import choose
from shelfwise.reviews.tally import Mentions, Tally
from shelfwise.reviews.wilson import wilson_interval
from shelfwise.schema import AspectSummary, ProductSummary, Review, ReviewPrediction, Sentiment

MIN_MENTIONS = 5
"""Of fewer mentions no share is told unless asked for."""
QUOTES = 3
"""Quotes for and against in the summary of a product ..."""
CATALOGUE_QUOTES = 5
"""... and in that of a catalogue."""
CATALOGUE_CONTRADICTIONS = 50

SENTIMENTS: tuple[Sentiment, ...] = ("negative", "neutral", "positive")


class Rollup:
    """A streaming accumulator of reviews; ask it for summaries at any time."""

    def __init__(self, *, min_mentions: int = MIN_MENTIONS) -> None:
        self.min_mentions = min_mentions
        self._tallies: dict[str | None, Tally] = {}
        self._contradicting: Contradictions = []
        self._order = 0

    def add(self, review: Review, prediction: ReviewPrediction) -> None:
        """Count one review; where the bundle failed on it, as failed and nothing else."""
        self._order += 1
        tally = self._tallies.get(review.product)
        if tally is None:
            tally = self._tallies[review.product] = Tally(review.product)
        found = tally.add(review, prediction, self._order)
        if found is not None:
            keep_extreme(self._contradicting, found, order=self._order, most=CATALOGUE_CONTRADICTIONS)

    def __len__(self) -> int:
        """How many products have reviews."""
        return len(self._tallies) - (None in self._tallies)

    @property
    def unassigned(self) -> int:
        """How many reviews name no product; they count for the catalogue alone."""
        return self._tallies[None].reviews if None in self._tallies else 0

    @property
    def aspects(self) -> tuple[str, ...]:
        """The aspects that were mentioned anywhere, by name."""
        return tuple(sorted({aspect for tally in self._tallies.values() for aspect, _ in tally.mentions}))

    def products(self) -> Iterator[ProductSummary]:
        """Each product's summary, most reviewed first; made one at a time, since there may be many."""
        tallies = [tally for tally in self._tallies.values() if tally.product is not None]
        for tally in sorted(tallies, key=lambda tally: (-tally.reviews, tally.product)):
            yield _summarize(tally, self.min_mentions, quotes=QUOTES)

    def catalogue(self) -> ProductSummary:
        """The summary of all reviews together."""
        whole = Tally(None)
        for tally in self._tallies.values():
            whole.merge(tally)
        whole.contradicting = self._contradicting
        return _summarize(whole, self.min_mentions, quotes=CATALOGUE_QUOTES)


def _summarize(tally: Tally, min_mentions: int, *, quotes: int) -> ProductSummary:
    rated, judged = sum(tally.given), sum(tally.sentiment.values())
    low, high = mean_interval(tally.stars) or (None, None)
    parted = trend.halves(tally.months)
    parts, since = parted or (None, None)
    aspects = [
        _aspect_summary(name, tally, min_mentions, quotes=quotes, parts=parts)
        for name in {aspect for aspect, _ in tally.mentions}
    ]
    return ProductSummary(
        product=tally.product,
        reviews=tally.reviews,
        failed=tally.failed,
        constructed=tally.constructed,
        given=tuple(tally.given),
        decided=tuple(tally.decided),
        given_mean=sum(star * n for star, n in enumerate(tally.given, 1)) / rated if rated else None,
        stars=tally.stars.mean,
        stars_low=None if low is None else max(low, 1.0),
        stars_high=None if high is None else min(high, 5.0),
        sentiment={name: tally.sentiment.get(name, 0) / judged for name in SENTIMENTS} if judged else {},
        recommended=_unit(tally.recommended.mean),
        recommended_given=tally.said_yes / tally.said if tally.said else None,
        aspects=tuple(sorted(aspects, key=lambda aspect: (-aspect.mentions, aspect.aspect))),
        contradictions=tally.contradictions,
        contradicting=most_extreme(tally.contradicting),
        periods=trend.periods(tally.months, min_mentions=min_mentions),
        later_since=since,
        change=trend.star_change(parts, fewest=min_mentions) if parts else None,
    )


def _aspect_summary(
    name: str, tally: Tally, min_mentions: int, *, quotes: int, parts: trend.Halves | None
) -> AspectSummary:
    praise = tally.mentions.get((name, "positive"), Mentions())
    blame = tally.mentions.get((name, "negative"), Mentions())
    mentions = praise.count + blame.count
    suppressed = mentions < min_mentions
    low, high = (None, None) if suppressed else wilson_interval(praise.count, mentions)
    return AspectSummary(
        aspect=name,
        mentions=mentions,
        positive=praise.count,
        negative=blame.count,
        suppressed=suppressed,
        share_positive=None if suppressed else praise.count / mentions,
        low=low,
        high=high,
        praise=choose(praise.quotes, quotes),
        blame=choose(blame.quotes, quotes),
        change=trend.aspect_change(parts, name, fewest=min_mentions) if parts else None,
    )


def _unit(value: float | None) -> float | None:
    """A mean of probabilities, which rounding may put a hair above 1."""
    return None if value is None else min(value, 1.0)
