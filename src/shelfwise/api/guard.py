"""The one layer around all endpoints: who asks, how much, for how long; all is logged and counted.

A plain ASGI application, because a request that costs the model 0.1 ms has no time for a stack of them.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from shelfwise.api.answering import response_of
from shelfwise.api.exchange import Answer, Bodies, Body, too_large
from shelfwise.api.keys import Key, Keys
from shelfwise.api.logs import log_request
from shelfwise.api.metrics import Metrics
from shelfwise.api.problems import RequestError
from shelfwise.api.rates import Rates
from shelfwise.config.serving import LimitsConfig

log = logging.getLogger("shelfwise.api")

OPEN = (
    "/",
    "/health",
    "/health/live",
    "/health/ready",
    "/v2/health/live",
    "/v2/health/ready",
    "/docs",
    "/openapi.json",
)
"""Paths that need no key: they tell nothing of the shop."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass
class Call:
    """One request on its way; endpoints find it in the scope's state as `call`."""

    id: str
    caller: str
    """The key's name, or the address where there are no keys."""
    key: Key | None
    rates: Rates
    began: float = field(default_factory=time.perf_counter)
    items: int = 1
    kind: str = ""
    """The code of what went wrong."""

    def charge(self, items: int) -> None:
        """Count a request of many items as so many; RequestError 429 where that is too fast."""
        self.items = items
        wait = self.rates.take(self.caller, items, held=1, rate=self.key.rate if self.key else None)
        if wait:
            raise too_fast(wait)


def too_fast(wait_s: float) -> RequestError:
    """What a caller over its rate is told."""
    return RequestError(
        429, f"more items a second than allowed; try again in {wait_s:.1f} s", retry_after_s=wait_s
    )


def fault() -> RequestError:
    """What a caller is told of an error that nobody foresaw."""
    return RequestError(500, "a fault of the server; its log has the request's id")


class Guard:
    """Keys, rates, sizes, deadlines and request ids around an application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: LimitsConfig,
        keys: Keys | None,
        metrics: Metrics,
        tell: Callable[[dict[str, Any]], None] = log_request,
    ) -> None:
        self._app, self._limits, self._keys, self._metrics = app, limits, keys, metrics
        self._rates = Rates(limits.rate, limits.burst)
        self._bodies = Bodies(int(limits.bodies_mb * 1e6))
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        assert scope["type"] == "http", "there are no websockets here"
        call = self._call(scope)
        scope.setdefault("state", {})["call"] = call
        answer = Answer(send, call.id)
        try:
            await self._served(scope, receive, answer, call)
        except RequestError as problem:
            await _refuse(problem, scope, receive, answer)
        except ClientDisconnect:
            pass  # `answer.status` says so
        except Exception as error:
            log.exception("request %s failed: %s", call.id, type(error).__name__)
            await _refuse(fault(), scope, receive, answer)
        finally:
            self._told(scope, answer, call)

    def _call(self, scope: Scope) -> Call:
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        key = self._keys.find(_key_of(headers)) if self._keys else None
        address = (scope.get("client") or ("unknown", 0))[0]
        return Call(id, key.name if key else f"address {address}", key, self._rates)

    async def _served(self, scope: Scope, receive: Receive, answer: Answer, call: Call) -> None:
        if scope["path"] not in OPEN:
            if self._keys is not None and call.key is None:
                # Guessing is slowed down as asking is.
                self._take(call)
                raise RequestError(401, "a valid API key is needed: Authorization: Bearer KEY")
            self._take(call)
        headers = dict(scope["headers"])
        most = int(self._limits.body_mb * 1e6)
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > most:
            raise too_large(most)
        body = Body(receive, most, answer, self._bodies)
        deadline_s = _deadline(headers, self._limits.deadline_s)
        try:
            await body.watched(self._app(scope, body.receive, answer.send), deadline_s)
        finally:
            body.forget()
        if body.late:
            if body.whole:
                raise RequestError(504, "the deadline of this request has passed")
            raise RequestError(408, "the request did not arrive in time")

    def _take(self, call: Call) -> None:
        wait = self._rates.take(call.caller, rate=call.key.rate if call.key else None)
        if wait:
            raise too_fast(wait)

    def _told(self, scope: Scope, answer: Answer, call: Call) -> None:
        """Count and log, without anything that was asked or answered."""
        seconds = time.perf_counter() - call.began
        route = getattr(scope.get("route"), "path", "unknown")
        self._metrics.request(route, scope["method"], answer.status, seconds, call.kind)
        told = {
            "request_id": call.id,
            "caller": call.caller,
            "method": scope["method"],
            "route": route,
            "status": answer.status,
            "items": call.items,
            "ms": round(1000 * seconds, 2),
        }
        self._tell(told | {"kind": call.kind} if call.kind else told)


def _deadline(headers: dict[bytes, bytes], most: float) -> float:
    """Seconds that the request may take; RequestError 400 for a header that is no time."""
    asked = headers.get(b"x-deadline-s")
    if asked is None:
        return most
    try:
        seconds = float(asked)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise RequestError(400, "X-Deadline-S is no number of seconds above 0", field="X-Deadline-S")
    return min(seconds, most)


def _key_of(headers: dict[bytes, bytes]) -> str | None:
    """What the caller gives as its key: a bearer token, or X-Api-Key."""
    kind, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if kind.lower() == "bearer" and token:
        return token.strip()
    given = headers.get(b"x-api-key")
    return given.decode("latin-1") if given else None


async def _refuse(problem: RequestError, scope: Scope, receive: Receive, answer: Answer) -> None:
    """Tell of a problem, unless an answer has begun."""
    response = response_of(problem, scope)
    if not answer.begun:
        await response(scope, receive, answer.send)
