"""What the endpoints of one server share, and how they get at it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar, cast

import orjson
from fastapi import Depends, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, Discriminator, ValidationError
from starlette.responses import Response

from shelfwise.api.asking import Asking
from shelfwise.api.explaining import Explaining
from shelfwise.api.guard import Call
from shelfwise.api.metrics import Metrics
from shelfwise.api.models import Models
from shelfwise.api.problems import RequestError
from shelfwise.api.searching import Searching
from shelfwise.config.serving import ServeConfig
from shelfwise.schema.serving import ErrorAnswer

T = TypeVar("T")
FORM = "form:"
"""How pydantic's tag of one of several forms begins; it is no part of a request, so nobody is told of it."""


def either(key: str) -> Discriminator:
    """Which of two forms a body has: `form:KEY` where the key is there, else `form:other`."""
    return Discriminator(lambda body: FORM + (key if isinstance(body, dict) and key in body else "other"))


@dataclass
class Server:
    """One server."""

    config: ServeConfig
    models: Models
    asking: Asking
    metrics: Metrics
    searching: Searching | None = None
    """Where an index is open."""
    draining: bool = False
    explaining: Explaining = field(default_factory=Explaining)

    def turns(self) -> asyncio.Semaphore:
        """How many items of one request are worked on or wait at a time: two batches, never a whole queue."""
        limits = self.config.limits
        return asyncio.Semaphore(max(1, min(2 * limits.batch, limits.queue // 2)))


async def server_of(request: Request) -> Server:  # a plain function would be called in a thread
    """The server that a request came to."""
    return here_of(request)


Here = Annotated[Server, Depends(server_of)]


def here_of(request: Request) -> Server:
    """The same, for endpoints that have no time for FastAPI's dependencies."""
    return cast(Server, request.app.state.server)


def call_of(request: Request) -> Call:
    """What the guard knows of a request."""
    return cast(Call, request.state.call)


class JsonRequest(Request):
    """Reads JSON as it is defined: no lone surrogates and no NaN, which no answer could hold."""

    async def json(self) -> Any:
        """The body; JSONDecodeError."""
        return orjson.loads(await self.body())


class JsonRoute(APIRoute):
    """A route of FastAPI's whose JSON is read so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As FastAPI's."""
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            return await handle(JsonRequest(request.scope, request.receive))

        return handle_json


class Json(Response):
    """An answer that is made of bytes already."""

    media_type = "application/json"


def model_json(value: BaseModel) -> Json:
    """One of our own types; it was made here, so it is not checked again."""
    return Json(value.__pydantic_serializer__.to_json(value))


def plain_json(value: Any, status: int = 200) -> Json:
    """Plain values, and numpy's."""
    return Json(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), status)


def parsed(read: Callable[[bytes], T], body: bytes) -> T:
    """A body by a pydantic `validate_json`; RequestError 400 for no JSON, 422 for another form."""
    try:
        return read(body)
    except ValidationError as error:
        raise of_validation(error) from None


def of_validation(error: ValidationError) -> RequestError:
    """The first thing that is wrong with a body; nothing of the body itself is told."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        return RequestError(400, f"the body is not JSON: {first['msg']}", code="not_json")
    return misfit(first["loc"], first["msg"])


def misfit(place: Iterable[int | str], why: str) -> RequestError:
    """What is told of a part of a request that has not the form that is asked for."""
    where = ".".join(str(part) for part in place if not str(part).startswith(FORM))
    return RequestError(422, f"{where}: {why}" if where else why, field=where or None)


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Every status of an endpoint of our own besides 200, for the OpenAPI document."""
    always = (400, 401, 408, 413, 422, 429, 500, 503, 504)
    return {status: {"model": ErrorAnswer} for status in sorted({*always, *statuses})}
