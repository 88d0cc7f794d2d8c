"""Is it alive, is it ready, what does it count, which bundles answer."""

from __future__ import annotations

import time
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from shelfwise.api.metrics import TEXT
from shelfwise.api.problems import RequestError
from shelfwise.api.state import Here, Json, answers, call_of, model_json, parsed
from shelfwise.errors import ShelfwiseError
from shelfwise.schema import Frozen
from shelfwise.schema.serving import ModelCard, Ready

router = APIRouter(tags=["server"])


class Exchange(Frozen):
    """Which bundle takes over."""

    path: str
    """A folder on the server."""


_EXCHANGE = Exchange.model_validate_json


@router.head("/health/live", include_in_schema=False)
@router.get("/health/live", responses=answers())
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@router.head("/health", include_in_schema=False)
@router.get("/health", responses=answers(), tags=["as TEI and Infinity"])
async def health() -> dict[str, float]:
    """The process answers, with the time in Infinity's form."""
    return {"unix": time.time()}


@router.head("/health/ready", include_in_schema=False)
@router.get("/health/ready", responses={**answers(), 503: {"model": Ready}})
async def ready(here: Here) -> Response:
    """Every bundle has just answered a real question; 503 where one has not, or as the server goes down."""
    if here.draining:
        return _ready(Ready(ready=False, models={}))
    models = await here.models.test()
    return _ready(Ready(ready=all(said == "ok" for said in models.values()), models=models))


def _ready(said: Ready) -> Response:
    response = model_json(said)
    response.status_code = 200 if said.ready else 503
    return response


@router.get("/metrics", response_class=Response, responses=answers())
async def metrics(here: Here) -> Response:
    """Counts, for Prometheus."""
    return Response(here.metrics.page(), media_type=TEXT)


@router.put(
    "/v1/bundles/{name}",
    response_model=ModelCard,
    responses=answers(403, 404, 409),
    openapi_extra={
        "requestBody": {"content": {"application/json": {"schema": Exchange.model_json_schema()}}}
    },
)
async def exchange(name: str, request: Request, here: Here) -> Json:
    """Let another bundle take over without dropping a request; 409 where it fails its self-test."""
    key = call_of(request).key
    if key is None or not key.admin:
        raise RequestError(403, "exchanging bundles needs an admin key: shelfwise keys add NAME --admin")
    asked = parsed(_EXCHANGE, await request.body())
    if name not in [model.name for model in here.models]:
        raise RequestError(404, f"there is no bundle '{name}'", field="name")
    try:
        model = await here.models.exchange(name, Path(asked.path))
    except ShelfwiseError as error:
        raise RequestError(409, f"nothing was exchanged: {error}") from None
    return model_json(model.card())
