"""`create_app(config)`: the whole HTTP API on the bundles that a configuration names."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from shelfwise import __version__
from shelfwise.api.answering import response_of
from shelfwise.api.asking import Asking
from shelfwise.api.batching import OverloadedError, StoppedError
from shelfwise.api.compat import cohere, inference, openai, tei
from shelfwise.api.decoders import Decoders
from shelfwise.api.direct import Direct
from shelfwise.api.engines import Stages
from shelfwise.api.fetch import Fetcher
from shelfwise.api.guard import Guard, fault
from shelfwise.api.items import as_problem
from shelfwise.api.keys import Keys
from shelfwise.api.logs import log_request, write_request
from shelfwise.api.metrics import Metrics
from shelfwise.api.models import Models
from shelfwise.api.problems import RequestError
from shelfwise.api.routes import explain, health, products, reviews, search
from shelfwise.api.searching import Searching
from shelfwise.api.state import Server, misfit
from shelfwise.config.serving import ServeConfig
from shelfwise.data.pictures import STRICT
from shelfwise.errors import ConfigError, ShelfwiseError

ROUTERS = (  # in the order in which paths are compared
    products.router,
    openai.router,
    reviews.router,
    search.router,
    explain.router,
    health.router,
    cohere.router,
    inference.router,
    tei.router,
)
DIRECT = (products.classify, openai.embeddings)
"""Endpoints that are asked so often, and answer so fast, that FastAPI's routing would be half of it."""
TOLD = (
    RequestValidationError,
    HTTPException,
    OverloadedError,
    StoppedError,
    ShelfwiseError,
    RequestError,
)
"""Errors that callers are told of; all others are faults of ours."""
DESCRIPTION = """What is this product, what do buyers say of it, what is like it?

Our own endpoints tell what went wrong as `{"error": {"code", "message", "request_id", "field"}}`; those of
other systems as these do. Every answer has the header `X-Request-Id`."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def check_exposure(config: ServeConfig) -> None:
    """ConfigError where anybody who reaches the machine could ask, and nobody has said that this is meant."""
    if config.host not in _LOOPBACK and config.keys is None and not config.open_without_keys:
        raise ConfigError(
            f"--host {config.host} is reached from other machines, and there are no API keys: "
            "make one (shelfwise keys add NAME --file keys.json) and give --keys keys.json, "
            "or say --open-without-keys"
        )


def create_app(config: ServeConfig, bundles: Sequence[str]) -> ASGIApp:
    """The API as an ASGI application; the bundles are opened and tested here, before it is started.

    ConfigError, BundleError and SearchError for what cannot be served."""
    check_exposure(config)
    metrics = Metrics()
    pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="decode")
    stages = Stages(Decoders(pool), config.limits, metrics)
    models = Models(stages, threads=config.threads, precision=config.precision)
    models.open(bundles)
    fetcher = Fetcher(int(config.limits.body_mb * 1e6)) if config.picture_urls else None
    searching = None
    if config.index:
        most = config.limits.max_pixels
        searching = Searching(Path(config.index), models, threads=config.threads, max_pixels=most)
    server = Server(config, models, Asking(config.limits, fetcher), metrics, searching)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with STRICT:  # entered once, not with every picture
            yield
        server.draining = True
        async with asyncio.timeout(config.limits.drain_s):
            await models.stop()
        if fetcher is not None:
            await fetcher.close()
        if searching is not None:
            searching.stop()
        pool.shutdown(wait=False)

    app = FastAPI(
        title="shelfwise", version=__version__, description=DESCRIPTION, lifespan=lifespan, redoc_url=None
    )
    app.state.server = server
    if config.keys:
        app.openapi = lambda: _with_keys(FastAPI.openapi(app))  # type: ignore[method-assign]
    for router in ROUTERS:
        app.include_router(router)
    for kind in TOLD:
        app.add_exception_handler(kind, _told)
    app.add_exception_handler(Exception, _fault)
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    keys = Keys(Path(config.keys)) if config.keys else None
    tell = write_request if config.log == "json" else log_request
    guarded = Guard(
        Direct(app, routes, DIRECT, _told, TOLD), limits=config.limits, keys=keys, metrics=metrics, tell=tell
    )
    if not config.cors:
        return guarded
    # Outside: a browser asks whether it may before it shows its key, and must be able to read refusals.
    return CORSMiddleware(
        guarded,
        allow_origins=config.cors,
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=["X-Request-Id", "Retry-After"],
    )


def _with_keys(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document of a server that wants keys."""
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"key": []}]
    return document


async def _told(request: Request, error: Exception) -> Response:
    """An error in the form of its endpoint, whoever raised it."""
    if isinstance(error, RequestValidationError):
        problem = _of_request(error, request)
    elif isinstance(error.__cause__, RequestError):  # what the body raised, FastAPI takes for bad JSON
        problem = error.__cause__
    elif isinstance(error, HTTPException):
        problem = RequestError(error.status_code, str(error.detail), headers=error.headers)
    else:
        problem = as_problem(error)
    return response_of(problem, request.scope)


async def _fault(request: Request, _error: Exception) -> Response:
    """The form in which a fault of ours is told; starlette raises it again, and the guard logs it."""
    return response_of(fault(), request.scope)


def _of_request(error: RequestValidationError, request: Request) -> RequestError:
    first = error.errors()[0]
    if first["loc"][0] == "body":
        if not request.headers.get("content-type", "").lower().startswith("application/json"):
            return RequestError(415, "the body is read as JSON only; send Content-Type: application/json")
        if first["type"] == "json_invalid":
            return RequestError(400, "the body is not JSON", code="not_json")
    return misfit(first["loc"][1:], first["msg"])
