"""What is this product: its category and attributes, and what its buyers say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Tag, TypeAdapter

from shelfwise.api import asking
from shelfwise.api.engines import Engine, PicturesEngine, ProductsEngine
from shelfwise.api.forms import read_form
from shelfwise.api.items import as_problem, each
from shelfwise.api.models import as_reviews
from shelfwise.api.problems import RequestError
from shelfwise.api.reviewing import reviewed
from shelfwise.api.state import (
    FORM,
    Here,
    Json,
    JsonRoute,
    Server,
    answers,
    call_of,
    either,
    here_of,
    model_json,
    parsed,
)
from shelfwise.data.cells import given_product
from shelfwise.errors import PictureError
from shelfwise.schema import Frozen, Picture, Prediction, Product, ProductAnswer, Review, ReviewPrediction
from shelfwise.schema.serving import Analysis, Classified, GivenProduct
from shelfwise.service.analysis import analysis_of

router = APIRouter(tags=["products"], route_class=JsonRoute)

Top = Annotated[int, Query(ge=1, le=100, description="How many labels, the best first.")]
Asked = Annotated[
    str | None, Query(max_length=200, description="A bundle's name; the server's own if left out.")
]
SKIPPED = "picture_skipped"
"""The warning that a picture could not be had or used."""
_FIELDS = 8
"""Parts of a form besides its pictures."""
_PICTURES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/tiff", "image/avif")


class GivenProducts(Frozen):
    """Several products, each of which is answered by itself."""

    items: tuple[GivenProduct, ...]


class Analyses(Frozen):
    """An analysis for each product, in their order: items = ok + failed."""

    items: tuple[Analysis, ...]
    ok: int
    failed: int


class Classifieds(Frozen):
    """An answer for each product, in their order: items = ok + failed."""

    items: tuple[Classified, ...]
    ok: int
    failed: int


OneOrMany = Annotated[
    Annotated[GivenProducts, Tag(f"{FORM}items")] | Annotated[GivenProduct, Tag(f"{FORM}other")],
    either("items"),
]
_PRODUCT: Callable[[bytes], GivenProduct | GivenProducts] = TypeAdapter(OneOrMany).validate_json


@router.post("/v1/products/analyze", response_model=Analysis | Analyses, responses=answers(404, 415))
async def analyze(asked: OneOrMany, request: Request, here: Here, top: Top = 3, model: Asked = None) -> Json:
    """Category, attributes and buyers' opinions of a product, or of each of several."""
    chosen = here.models.name_for(("products", "pictures"), model)
    if isinstance(asked, GivenProduct):
        call_of(request).charge(asking.worth(asked.pictures, asked.reviews))
        found = await _analysis(here, asked, chosen, top, here.turns())
        _count(here, found)
        return model_json(found)
    here.asking.check_items(len(asked.items))
    call_of(request).charge(sum(asking.worth(one.pictures, one.reviews) for one in asked.items))
    turns = here.turns()
    told = await each(lambda one: _analysis(here, one, chosen, top, turns), asked.items)
    items = tuple(
        Analysis(id=one.id, status="failed", error=answer.message, error_kind=answer.code)
        if isinstance(answer, RequestError)
        else answer
        for one, answer in zip(asked.items, told, strict=True)
    )
    for item in items:
        _count(here, item)
    ok = sum(item.status == "ok" for item in items)
    return model_json(Analyses(items=items, ok=ok, failed=len(items) - ok))


@router.post(
    "/v1/classify",
    response_model=Classified | Classifieds,
    responses=answers(404, 415),
    openapi_extra={
        "parameters": [
            {
                "name": "top",
                "in": "query",
                "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 3},
                "description": "How many labels, the best first.",
            },
            {
                "name": "model",
                "in": "query",
                "schema": {"type": "string", "maxLength": 200},
                "description": "A bundle's name; the server's own if left out.",
            },
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "anyOf": [
                            {"$ref": "#/components/schemas/GivenProduct"},
                            {"$ref": "#/components/schemas/GivenProducts"},
                        ]
                    }
                },
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "image": {"type": "array", "items": {"type": "string", "format": "binary"}},
                            "title": {"type": "string"},
                        },
                    }
                },
                **{kind: {"schema": {"type": "string", "format": "binary"}} for kind in _PICTURES},
            },
        },
    },
)
async def classify(request: Request) -> Json:
    """What is it: of a picture as the body, of a form with `image` and `title`, or of products in JSON."""
    here = here_of(request)
    top, model = _asked_for(request)
    said = request.headers.get("content-type", "")
    kind = said.partition(";")[0].strip().lower()
    chosen = here.models.name_for(("products", "pictures"), model)
    if kind == "application/json":
        asked = parsed(_PRODUCT, await request.body())
        if isinstance(asked, GivenProducts):
            return await _classify_many(here, request, asked, chosen, top)
        call_of(request).charge(asking.worth(asked.pictures))
        given = await here.asking.product(asked)
    elif kind == "multipart/form-data":
        given = asking.Asked(_uploaded(here, await request.body(), said), ())
        call_of(request).charge(asking.worth(given.product.images))
    elif kind.startswith("image/") or kind in ("", "application/octet-stream"):
        given = asking.Asked(Product(id="picture", images=(_picture(await request.body()),)), ())
    else:
        raise RequestError(415, f"a body of '{kind}' is not read here; send a picture, a form or JSON")
    try:
        found = _classified(await _answer(here, given, chosen, top))
    except PictureError as error:
        raise RequestError(422, str(error), code=error.kind, field="pictures") from None
    except Exception as error:
        raise as_problem(error) from error
    here.metrics.item(found.status, found.error_kind)
    if found.status == "failed":
        field = None if found.error_kind == "nothing_known" else "pictures"
        raise RequestError(
            422, found.error or "nothing can be said of it", code=found.error_kind, field=field
        )
    return model_json(found)


def _asked_for(request: Request) -> tuple[int, str | None]:
    """`top` and `model` of the query; RequestError 422."""
    if not request.scope["query_string"]:
        return 3, None
    top = request.query_params.get("top", "3")
    if not (top.isascii() and top.isdigit() and len(top) <= 3 and 1 <= int(top) <= 100):
        raise RequestError(422, "top is no number from 1 to 100", field="top")
    return int(top), request.query_params.get("model")


async def _classify_many(
    here: Server, request: Request, asked: GivenProducts, chosen: str | None, top: int
) -> Json:
    here.asking.check_items(len(asked.items))
    call_of(request).charge(sum(asking.worth(one.pictures) for one in asked.items))

    async def one(given: GivenProduct) -> Classified:
        return _classified(await _answer(here, await here.asking.product(given), chosen, top))

    told = await each(one, asked.items, here.turns())
    items = tuple(
        Classified(id=given.id, status="failed", error=answer.message, error_kind=answer.code)
        if isinstance(answer, RequestError)
        else answer
        for given, answer in zip(asked.items, told, strict=True)
    )
    for item in items:
        here.metrics.item(item.status, item.error_kind)
    ok = sum(item.status == "ok" for item in items)
    return model_json(Classifieds(items=items, ok=ok, failed=len(items) - ok))


async def _analysis(
    here: Server, given: GivenProduct, chosen: str | None, top: int, turns: asyncio.Semaphore
) -> Analysis:
    """One product's analysis; what is wrong with one part of it leaves the others.

    The product takes one of the request's `turns`, and so does each of its reviews."""
    something = bool(given.pictures or given.title or given.description or given.fields)
    answer: Prediction | ProductAnswer | None = None
    answered: list[tuple[Review, ReviewPrediction]] = []
    name = here.models.name_for(("reviews",))
    product_model = review_model = None
    async with turns:
        asked = await here.asking.product(given)
        if chosen is not None:
            with here.models.held(chosen) as engine:
                product_model = engine.model
                if something:
                    answer = await _told(engine, asked, top)
    if name is not None:
        with here.models.held(name) as engine:
            review_model = engine.model
            answered = await reviewed(here, as_reviews(engine), asked.reviews, turns)
    return analysis_of(
        given.id, answer, answered, product_model=product_model, review_model=review_model, given=something
    )


async def _told(engine: Engine, given: asking.Asked, top: int) -> Prediction | ProductAnswer | None:
    """A bundle's answer, which may have failed; None where a pictures bundle is given no picture."""
    try:
        return await _asked(engine, given, top)
    except PictureError as error:
        label = engine.model.bundle.label
        return Prediction(
            id=given.product.id, status="failed", error=str(error), error_kind=error.kind, bundle=label
        )


async def _asked(engine: Engine, given: asking.Asked, top: int) -> Prediction | ProductAnswer | None:
    """The same, but PictureError where a pictures bundle can use none of the pictures."""
    product, bad = given.product, given.bad
    found: Prediction | ProductAnswer
    if isinstance(engine, ProductsEngine):
        found = await engine.answer(product, top=top)
    else:
        assert isinstance(engine, PicturesEngine)
        if not product.images:
            if bad is not None:
                raise bad
            return None
        found = await engine.classify(product, top=top)
    if bad is None:
        return found
    if found.status == "failed":
        return found.model_copy(update={"error": str(bad), "error_kind": bad.kind})
    return found.model_copy(update={"warnings": (SKIPPED, *found.warnings)})


async def _answer(
    here: Server, given: asking.Asked, chosen: str | None, top: int
) -> Prediction | ProductAnswer:
    if chosen is None:
        raise RequestError(404, "no bundle of products or pictures is open here", field="model")
    with here.models.held(chosen) as engine:
        found = await _asked(engine, given, top)
    if found is None:
        raise RequestError(422, f"the bundle '{chosen}' reads pictures, and there is none", field="pictures")
    return found


def _uploaded(here: Server, body: bytes, kind: str) -> Product:
    """The product that a form describes."""
    parts = read_form(body, kind, most=here.config.limits.pictures + _FIELDS)
    pictures = [part for part in parts if part.name == "image" and part.filename is not None]
    if len(pictures) > here.config.limits.pictures:
        raise RequestError(
            422, f"a form has at most {here.config.limits.pictures} pictures here", field="image"
        )
    words = next((part.text() for part in parts if part.name == "title" and part.filename is None), None)
    if not pictures and not words:
        raise RequestError(422, "the form has neither `image` nor `title`", field="image")
    here.asking.check_texts((words or "",), "title")
    return given_product("picture", images=tuple(_picture(part.data) for part in pictures), title=words)


def _picture(data: bytes) -> Picture:
    if not data:
        raise RequestError(422, "the picture is empty", code="picture_empty", field="pictures")
    return Picture(data=data)


def _classified(answer: Prediction | ProductAnswer) -> Classified:
    """The main target's answer, in one form for bundles of either kind."""
    if isinstance(answer, Prediction):
        return Classified(
            id=answer.id,
            status=answer.status,
            label=answer.label,
            probability=answer.probability,
            top=answer.top,
            path=(answer.label,) if answer.label else (),
            warnings=answer.warnings,
            error=answer.error,
            error_kind=answer.error_kind,
            bundle=answer.bundle,
        )
    main = next(iter(answer.targets.values()), None)
    return Classified(
        id=answer.id,
        status=answer.status,
        label=main.labels[-1] if main and main.labels else None,
        probability=main.probabilities[-1] if main and main.probabilities else None,
        top=main.top if main else (),
        path=main.labels if main else (),
        warnings=answer.warnings,
        error=answer.error,
        error_kind=answer.error_kind,
        bundle=answer.bundle,
    )


def _count(here: Server, item: Analysis) -> None:
    here.metrics.item(item.status, item.error_kind)
