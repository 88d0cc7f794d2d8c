"""What do buyers say: stars, sentiment and opinions of each review, and the roll-up by product."""

from __future__ import annotations

from fastapi import APIRouter, Request

from shelfwise.api.models import as_reviews
from shelfwise.api.problems import RequestError
from shelfwise.api.reviewing import reviewed
from shelfwise.api.routes.products import Asked
from shelfwise.api.state import Here, Json, JsonRoute, answers, call_of, model_json
from shelfwise.reviews.rollup import Rollup
from shelfwise.schema import ReviewPrediction
from shelfwise.schema.serving import GivenReviews, ReviewAnswers

router = APIRouter(tags=["reviews"], route_class=JsonRoute)


@router.post("/v1/reviews/analyze", response_model=ReviewAnswers, responses=answers(404, 415))
async def analyze(asked: GivenReviews, request: Request, here: Here, model: Asked = None) -> Json:
    """What each review says, in which of its own words, and what all of them say together."""
    name = here.models.name_for(("reviews",), model)
    if name is None:
        raise RequestError(404, "no bundle of reviews is open here", field="model")
    here.asking.check_items(len(asked.items))
    call_of(request).charge(len(asked.items))
    reviews = here.asking.reviews(asked.items)
    with here.models.held(name) as engine:
        told = await reviewed(here, as_reviews(engine), reviews, here.turns())
        by = engine.model.answered
    rollup = Rollup(min_mentions=1)
    items: list[ReviewPrediction] = []
    for review, answer in told:
        items.append(answer)
        rollup.add(review, answer)
        here.metrics.item(answer.status, answer.error_kind)
    ok = sum(item.status == "ok" for item in items)
    return model_json(
        ReviewAnswers(
            items=tuple(items),
            ok=ok,
            failed=len(items) - ok,
            summary=rollup.catalogue() if asked.summarize else None,
            products=tuple(rollup.products()) if asked.summarize else (),
            by=by,
        )
    )
