"""Why is it that: where in the picture, which words, how much each modality."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter

from shelfwise.api.engines import PicturesEngine, ProductsEngine
from shelfwise.api.problems import RequestError
from shelfwise.api.routes.products import Asked
from shelfwise.api.state import Here, Json, JsonRoute, answers, model_json
from shelfwise.errors import DataError
from shelfwise.schema.explanation import Explanation
from shelfwise.schema.serving import GivenQuestion

router = APIRouter(tags=["products"], route_class=JsonRoute)

WAITING = 8
"""Explanations that may be made or wait at once: each asks a bundle a hundred times."""


@router.post("/v1/explain", response_model=Explanation, responses=answers(404, 415))
async def explain(asked: GivenQuestion, here: Here, model: Asked = None) -> Json:
    """Why a bundle says a class of a product: from its answers alone, asked again with parts left out."""
    name = here.models.name_for(("products", "pictures"), model)
    if name is None:
        raise RequestError(404, "no bundle of products or pictures is open here", field="model")
    given = await here.asking.product(asked.product)
    if given.bad is not None and not given.product.images and not given.product.title:
        raise RequestError(422, str(given.bad), code=given.bad.kind, field="product.pictures")
    if here.explaining >= WAITING:
        raise RequestError(503, "too many explanations wait", code="queue_full", retry_after_s=5)
    here.explaining += 1
    try:
        with here.models.held(name) as engine:
            assert isinstance(engine, PicturesEngine | ProductsEngine)
            explainer = engine.explainer
            found = await asyncio.to_thread(
                explainer.explain, given.product, target=asked.target, label=asked.label
            )
    except DataError as error:
        raise RequestError(422, str(error), code=getattr(error, "kind", None)) from None
    finally:
        here.explaining -= 1
    return model_json(found)
