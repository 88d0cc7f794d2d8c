"""What the endpoints of one server share, and how they get at it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar, cast

import orjson
from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError
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
    where = ".".join(str(part) for part in first["loc"])
    return RequestError(422, f"{where}: {first['msg']}" if where else first["msg"], field=where or None)


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Every status of an endpoint of our own besides 200, for the OpenAPI document."""
    always = (400, 401, 408, 413, 422, 429, 500, 503, 504)
    return {status: {"model": ErrorAnswer} for status in sorted({*always, *statuses})}
