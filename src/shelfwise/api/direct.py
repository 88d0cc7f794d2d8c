"""Endpoints that read their requests themselves, found by their paths in front of FastAPI's routing.

Routing, dependencies and checks of FastAPI take as long as a small picture's answer. The same functions are
its routes, too: for the OpenAPI document, and for every other method on their paths.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

Endpoint = Callable[[Request], Awaitable[Response]]
Tell = Callable[[Request, Exception], Awaitable[Response]]


class Direct:
    """An application in front of `app` that answers POST to `endpoints` itself.

    `tell` makes a response of what an endpoint raises, as `app` has it; `told` are the kinds it knows."""

    def __init__(
        self,
        app: FastAPI,
        routes: Iterable[APIRoute],
        endpoints: Iterable[Endpoint],
        tell: Tell,
        told: tuple[type[Exception], ...],
    ) -> None:
        self._app, self._tell, self._told = app, tell, told
        wanted = set(endpoints)
        self._routes = {route.path: route for route in routes if route.endpoint in wanted}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = self._routes.get(scope.get("path", ""))
        if route is None or scope.get("method") != "POST":
            await self._app(scope, receive, send)
            return
        scope["app"], scope["route"] = self._app, route
        request = Request(scope, receive)
        try:
            response = await route.endpoint(request)
        except self._told as error:
            response = await self._tell(request, error)
        await response(scope, receive, send)
