"""Why is it that: where in the picture, which words, how much each modality."""

from __future__ import annotations

from fastapi import APIRouter, Request

from shelfwise.api.asking import Asked as Given
from shelfwise.api.engines import Engine, PicturesEngine, ProductsEngine
from shelfwise.api.problems import RequestError
from shelfwise.api.routes.products import SKIPPED, Asked
from shelfwise.api.state import Here, Json, JsonRoute, answers, call_of, model_json
from shelfwise.errors import DataError
from shelfwise.explain.served import ServedExplainer
from shelfwise.schema.explanation import Explanation
from shelfwise.schema.serving import GivenQuestion

router = APIRouter(tags=["products"], route_class=JsonRoute)
ITEMS = 100
"""That an explanation counts as: about as often it asks the bundle."""


@router.post("/v1/explain", response_model=Explanation, responses=answers(404, 415))
async def explain(asked: GivenQuestion, request: Request, here: Here, model: Asked = None) -> Json:
    """Why a bundle says a class of a product: from its answers alone, asked again with parts left out."""
    call_of(request).charge(ITEMS)
    name = here.models.name_for(("products", "pictures"), model)
    if name is None:
        raise RequestError(404, "no bundle of products or pictures is open here", field="model")
    given = await here.asking.product(asked.product)
    try:
        with here.models.held(name) as engine:
            _check_picture(engine, given)
            found = await here.explaining.run(
                lambda: _explainer(engine).explain(given.product, target=asked.target, label=asked.label)
            )
    except DataError as error:
        raise RequestError(422, str(error), code=getattr(error, "kind", None)) from None
    if given.bad is not None:
        found = found.model_copy(update={"warnings": (SKIPPED, *found.warnings)})
    return model_json(found)


def _check_picture(engine: Engine, given: Given) -> None:
    """RequestError 422 where all hangs on a picture, and there is none or it cannot be had."""
    product = given.product
    if isinstance(engine, PicturesEngine) and given.bad is None and not product.images:
        why = f"the bundle '{engine.model.name}' reads pictures, and there is none"
        raise RequestError(422, why, field="product.pictures")
    words = isinstance(engine, ProductsEngine) and bool(
        product.title or product.description or product.fields
    )
    if given.bad is not None and not product.images and not words:
        raise RequestError(422, str(given.bad), code=given.bad.kind, field="product.pictures")


def _explainer(engine: Engine) -> ServedExplainer:
    assert isinstance(engine, PicturesEngine | ProductsEngine)
    return engine.explainer
