"""Problems as responses."""

from __future__ import annotations

import orjson
from starlette.responses import Response
from starlette.types import Scope

from shelfwise.api.problems import RequestError, form_of


def response_of(problem: RequestError, scope: Scope) -> Response:
    """The answer that tells of a problem, in the form of the endpoint that was asked.

    The request's call, which the guard has put into the scope, learns what went wrong."""
    call = scope["state"]["call"]
    call.kind = problem.code
    body = orjson.dumps(form_of(scope["path"])(problem, call.id))
    headers = problem.headers
    if problem.status in (408, 413):
        headers["connection"] = "close"  # the rest of the body is not read
    return Response(body, problem.status, headers, media_type="application/json")
