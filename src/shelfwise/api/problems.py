"""What goes wrong with a request, told in the form that the endpoint's clients expect.

Our own endpoints answer {"error": {"code", "message", "request_id", "field"?}}; others as their models do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shelfwise.errors import DataError, ShelfwiseError

CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    429: "rate_limited",
    500: "internal",
    503: "overloaded",
    504: "deadline_exceeded",
}
"""Status to the code that it has unless something better is known."""


class RequestError(Exception):
    """A request that is refused or has failed, and why; `field` says which part of it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or CODES.get(status, "error")
        self.field = field
        self.retry_after_s = retry_after_s
        self._headers = dict(headers or {})

    @property
    def headers(self) -> dict[str, str]:
        """Retry-After, where trying again helps; the challenge where a key is missing; and what is given."""
        found = dict(self._headers)
        if self.retry_after_s is not None:
            found["retry-after"] = str(max(1, round(self.retry_after_s)))
        if self.status == 401:
            found["www-authenticate"] = "Bearer"
        return found


def of_error(error: ShelfwiseError) -> RequestError:
    """An error that a user can mend, as the one who asked may be told of it.

    What is wrong with the given data is said in full; what is wrong on the server's side names no path."""
    if isinstance(error, DataError):
        return RequestError(422, str(error), code=getattr(error, "kind", None))
    return RequestError(500, "the server's own data cannot be used; its log says why")


def own_form(problem: RequestError, request_id: str) -> dict[str, Any]:
    """Ours."""
    told = {"code": problem.code, "message": problem.message, "request_id": request_id}
    return {"error": told | ({"field": problem.field} if problem.field else {})}


def openai_form(problem: RequestError, _request_id: str) -> dict[str, Any]:
    """OpenAI's: type by who must act."""
    kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    kind = kinds.get(problem.status, "invalid_request_error" if problem.status < 500 else "server_error")
    told = {"message": problem.message, "type": kind, "param": problem.field, "code": problem.code}
    return {"error": told}


def cohere_form(problem: RequestError, request_id: str) -> dict[str, Any]:
    """Cohere's."""
    return {"id": request_id, "message": problem.message}


def inference_form(problem: RequestError, _request_id: str) -> dict[str, Any]:
    """The Open Inference Protocol's."""
    return {"error": problem.message}


def tei_form(problem: RequestError, _request_id: str) -> dict[str, Any]:
    """Text Embeddings Inference's."""
    kinds = {413: "validation", 422: "validation", 400: "validation", 429: "overloaded", 503: "overloaded"}
    return {"error": problem.message, "error_type": kinds.get(problem.status, "backend")}


Form = Callable[[RequestError, str], dict[str, Any]]
FORMS: dict[str, Form] = {
    "/v1/embeddings": openai_form,
    "/v1/models": openai_form,
    "/embeddings": openai_form,
    "/v2/rerank": cohere_form,
    "/v2": inference_form,
    "/rerank": tei_form,
    "/classify": tei_form,
}
"""The beginning of a path to its form, the first that fits."""


def form_of(path: str) -> Form:
    """How problems with a path are told."""
    for start, form in FORMS.items():
        if path == start or path.startswith(start + "/"):
            return form
    return own_form
