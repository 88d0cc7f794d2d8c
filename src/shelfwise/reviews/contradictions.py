"""Reviews whose text does not read like the stars that were given: a slip, irony, or a model that errs."""

from __future__ import annotations

from heapq import heappush, heappushpop

from shelfwise.schema import Contradiction, Opinion, Review, ReviewPrediction

GAP = 2.0
"""Given and expected stars that differ by at least this may contradict each other ..."""
UNLIKELY = 0.1
"""... where the given stars have at most this probability by the text."""
LONGEST = 4_000
"""Characters of a title or text that are kept, of the few reviews listed."""

Contradictions = list[tuple[float, float, int, Contradiction]]
"""A heap by gap, improbability and place in the file, the least extreme first."""


def contradiction(review: Review, prediction: ReviewPrediction) -> Contradiction | None:
    """Return what contradicts in a review, or None where its text goes with its stars."""
    given, stars = review.rating, prediction.stars
    if given is None or stars is None or -GAP < given - stars < GAP or not prediction.star_probabilities:
        return None
    probability = prediction.star_probabilities[given - 1]
    if probability > UNLIKELY:
        return None
    return Contradiction(
        review=review.id,
        product=review.product,
        given=given,
        stars=stars,
        probability=probability,
        title=review.title[:LONGEST],
        text=review.text[:LONGEST],
        evidence=_evidence(prediction, "negative" if stars < given else "positive"),
        constructed=review.constructed,
    )


def _evidence(prediction: ReviewPrediction, pulls: str) -> tuple[Opinion, ...]:
    """The opinions within what is kept; those of polarity `pulls` first."""
    found = [opinion for opinion in prediction.opinions if opinion.end <= LONGEST]
    return tuple(sorted(found, key=lambda opinion: (opinion.polarity != pulls, -opinion.probability)))


def keep_extreme(heap: Contradictions, found: Contradiction, *, order: int, most: int) -> None:
    """Put `found` among the `most` most extreme ones; `order` counts the reviews."""
    entry = (abs(found.given - found.stars), -found.probability, -order, found)
    if len(heap) < most:
        heappush(heap, entry)
    else:
        heappushpop(heap, entry)


def most_extreme(heap: Contradictions) -> tuple[Contradiction, ...]:
    """Return the contradictions of a heap, most extreme first."""
    return tuple(entry[3] for entry in sorted(heap, key=lambda entry: entry[:3], reverse=True))
