"""Roll-ups of several requests made one: counts are added, means weighted, the best quotes kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt

from shelfwise.schema import AspectSummary, Contradiction, ProductSummary, Quote, Sentiment

QUOTES = 5
CONTRADICTIONS = 50


def merged(summaries: Sequence[ProductSummary], product: str | None = None) -> ProductSummary:
    """One summary of reviews that were summarized in parts, each review in one of them.

    What needs all reviews at once is left out: the interval of the mean stars, and all that is about time."""
    weights = [part.reviews for part in summaries]
    given = _sums([part.given for part in summaries])
    rated = sum(given)
    return ProductSummary(
        product=product,
        reviews=sum(weights),
        failed=sum(part.failed for part in summaries),
        constructed=sum(part.constructed for part in summaries),
        given=given,
        decided=_sums([part.decided for part in summaries]),
        given_mean=sum(star * count for star, count in enumerate(given, 1)) / rated if rated else None,
        stars=_mean([part.stars for part in summaries], weights),
        sentiment=_sentiment(summaries, weights),
        recommended=_unit(_mean([part.recommended for part in summaries], weights)),
        aspects=_aspects(summaries),
        contradictions=sum(part.contradictions for part in summaries),
        contradicting=_contradicting(summaries),
    )


def merged_products(parts: Iterable[Sequence[ProductSummary]]) -> tuple[ProductSummary, ...]:
    """One summary for each product, the most reviewed first."""
    by_product: dict[str, list[ProductSummary]] = {}
    for part in parts:
        for summary in part:
            if summary.product is not None:
                by_product.setdefault(summary.product, []).append(summary)
    found = [merged(summaries, product) for product, summaries in by_product.items()]
    return tuple(sorted(found, key=lambda one: (-one.reviews, one.product or "")))


def wilson_95(k: int, n: int) -> tuple[float, float]:
    """95% interval of a share, `k` of `n` > 0 (Wilson 1927), as the API's own roll-up has it."""
    share, slack = k / n, 1.96**2 / n
    centre = (share + slack / 2) / (1 + slack)
    half = 1.96 * sqrt(share * (1 - share) / n + slack / (4 * n)) / (1 + slack)
    return (max(0.0, centre - half) if k else 0.0), (min(1.0, centre + half) if k < n else 1.0)


def _aspects(summaries: Sequence[ProductSummary]) -> tuple[AspectSummary, ...]:
    by_name: dict[str, list[AspectSummary]] = {}
    for summary in summaries:
        for aspect in summary.aspects:
            by_name.setdefault(aspect.aspect, []).append(aspect)
    found = []
    for name, parts in by_name.items():
        mentions = sum(part.mentions for part in parts)
        positive = sum(part.positive for part in parts)
        low, high = wilson_95(positive, mentions) if mentions else (None, None)
        found.append(
            AspectSummary(
                aspect=name,
                mentions=mentions,
                positive=positive,
                negative=mentions - positive,
                suppressed=mentions == 0,
                share_positive=positive / mentions if mentions else None,
                low=low,
                high=high,
                praise=_best_quotes(quote for part in parts for quote in part.praise),
                blame=_best_quotes(quote for part in parts for quote in part.blame),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.mentions, one.aspect)))


def _best_quotes(quotes: Iterable[Quote]) -> tuple[Quote, ...]:
    return tuple(sorted(quotes, key=lambda quote: -quote.probability)[:QUOTES])


def _contradicting(summaries: Sequence[ProductSummary]) -> tuple[Contradiction, ...]:
    """The most extreme first: those whose stars are furthest from what the text reads like."""
    every = (one for summary in summaries for one in summary.contradicting)
    return tuple(sorted(every, key=lambda one: -abs(one.given - one.stars))[:CONTRADICTIONS])


def _sentiment(summaries: Sequence[ProductSummary], weights: Sequence[int]) -> dict[Sentiment, float]:
    names: tuple[Sentiment, ...] = ("negative", "neutral", "positive")
    shares = {
        name: _mean([part.sentiment.get(name) for part in summaries], weights)
        for name in names
        if any(name in part.sentiment for part in summaries)
    }
    return {name: min(1.0, share) for name, share in shares.items() if share is not None}


def _unit(value: float | None) -> float | None:
    """A mean of probabilities, which rounding may put a hair above 1."""
    return None if value is None else min(1.0, value)


def _sums(rows: Sequence[Sequence[int]]) -> tuple[int, ...]:
    return tuple(sum(column) for column in zip(*rows, strict=True)) or (0,) * 5


def _mean(values: Sequence[float | None], weights: Sequence[int]) -> float | None:
    known = [
        (value, weight) for value, weight in zip(values, weights, strict=True) if value is not None and weight
    ]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None
