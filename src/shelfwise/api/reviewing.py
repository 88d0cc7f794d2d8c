"""Reviews, each answered by itself, for every endpoint that takes reviews."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from shelfwise.api.engines import ReviewsEngine
from shelfwise.api.items import each
from shelfwise.api.problems import RequestError
from shelfwise.api.state import Server
from shelfwise.schema import Review, ReviewPrediction


async def reviewed(
    here: Server, engine: ReviewsEngine, reviews: Sequence[Review], turns: asyncio.Semaphore
) -> list[tuple[Review, ReviewPrediction]]:
    """Each review as it was read, and what it says; one that is too long, or finds no room, fails alone."""

    async def one(review: Review) -> tuple[Review, ReviewPrediction]:
        here.asking.check_texts((review.title, review.text))
        return await engine.answer(review)

    told = await each(one, reviews, turns)
    label = engine.model.bundle.label
    return [
        (review, _failed(review, found, label)) if isinstance(found, RequestError) else found
        for review, found in zip(reviews, told, strict=True)
    ]


def _failed(review: Review, problem: RequestError, bundle: str) -> ReviewPrediction:
    return ReviewPrediction(
        id=review.id,
        status="failed",
        product=review.product,
        error=problem.message,
        error_kind=problem.code,
        bundle=bundle,
    )
