"""The API as the page asks it: a method for each question; whatever goes wrong is one `ApiError`."""

from __future__ import annotations

import json
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx2 as httpx
from pydantic import BaseModel, ValidationError

from shelfwise.schema.explanation import Explanation
from shelfwise.schema.search import IndexCard, SearchPage
from shelfwise.schema.serving import (
    Analysis,
    GivenProduct,
    GivenQuestion,
    GivenReview,
    GivenReviews,
    GivenSearch,
    ModelCard,
    Ready,
    ReviewAnswers,
)

TIMEOUT_S = 60.0
"""The API's own deadline is shorter, so that its word comes first."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_OPEN: dict[str, httpx.Client] = {}
_OPENING = Lock()
Answer = TypeVar("Answer", bound=BaseModel)


class ApiError(Exception):
    """A question that got no answer, and why; `status` is 0 where nothing came back at all."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.request_id = request_id
        self.retry_after_s = retry_after_s


class Client:
    """Asks one API, as the holder of a key where there is one."""

    def __init__(self, base: str, key: str | None = None) -> None:
        self.base = base.rstrip("/")
        self._headers = {"authorization": f"Bearer {key}"} if key else {}

    def paths(self) -> frozenset[str]:
        """Paths of the endpoints that the server has, by its OpenAPI document."""
        found = self._json("GET", "/openapi.json").get("paths", {})
        return frozenset(found)

    def models(self) -> tuple[ModelCard, ...]:
        """The bundles that answer."""
        rows = self._json("GET", "/v1/models").get("data", [])
        known = ModelCard.model_fields  # OpenAI's own keys stand beside them
        return tuple(
            _read(ModelCard, json.dumps({name: value for name, value in row.items() if name in known}))
            for row in rows
        )

    def ready(self) -> Ready:
        """Whether every bundle has just answered a real question."""
        response = self._response("GET", "/health/ready")
        if response.status_code not in (200, 503):
            raise _problem(response)
        return _read(Ready, response.content)

    def counts(self) -> str:
        """What the server counts, in Prometheus' text form."""
        return self._asked("GET", "/metrics").text

    def analyze(self, product: GivenProduct, *, model: str | None = None) -> Analysis:
        """Everything that can be said of one product."""
        query = {"top": 5} | ({"model": model} if model else {})
        return _read(Analysis, self._post("/v1/products/analyze", product, query))

    def explain(self, product: GivenProduct, *, model: str | None = None) -> Explanation:
        """Why the product is said to be what it is said to be."""
        query = {"model": model} if model else None
        return _read(Explanation, self._post("/v1/explain", GivenQuestion(product=product), query))

    def reviews(self, reviews: tuple[GivenReview, ...]) -> ReviewAnswers:
        """What each review says, and what they say together."""
        return _read(ReviewAnswers, self._post("/v1/reviews/analyze", GivenReviews(items=reviews)))

    def search(self, asked: GivenSearch) -> SearchPage:
        """One page of products."""
        return _read(SearchPage, self._post("/v1/search", asked))

    def similar(self, id: str, *, limit: int = 12, filter: str | None = None) -> SearchPage:
        """Products of the index that are like one of them."""
        query: dict[str, Any] = {"limit": limit} | ({"filter": filter} if filter else {})
        path = f"/v1/products/{quote(id, safe='')}/similar"
        return _read(SearchPage, self._asked("GET", path, params=query).content)

    def index(self) -> IndexCard:
        """What the index holds."""
        return _read(IndexCard, self._asked("GET", "/v1/index").content)

    def picture(self, id: str) -> bytes | None:
        """A small JPEG of a product of the index; None where the server has none of it."""
        try:
            return self._asked("GET", f"/v1/products/{quote(id, safe='')}/picture").content
        except ApiError as problem:
            if problem.status == 404:
                return None
            raise

    def _post(self, path: str, body: BaseModel, query: dict[str, Any] | None = None) -> bytes:
        content = body.model_dump_json(exclude_none=True)
        headers = {"content-type": "application/json"}
        return self._asked("POST", path, content=content, params=query, headers=headers).content

    def _json(self, method: str, path: str) -> dict[str, Any]:
        try:
            found = self._asked(method, path).json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise _other_form("no JSON object")
        return found

    def _asked(self, method: str, path: str, **given: Any) -> httpx.Response:
        response = self._response(method, path, **given)
        if response.status_code != 200:
            raise _problem(response)
        return response

    def _response(self, method: str, path: str, **given: Any) -> httpx.Response:
        headers = self._headers | given.pop("headers", {})
        try:
            return _http(self.base).request(method, self.base + path, headers=headers, **given)
        except httpx.TimeoutException:
            raise ApiError(0, "timeout", f"no answer within {TIMEOUT_S:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise ApiError(0, "unreachable", str(error) or type(error).__name__) from None


def hang_up() -> None:
    """Close the connections to all servers; the next question opens a new one."""
    while _OPEN:
        _OPEN.popitem()[1].close()


def _http(base: str) -> httpx.Client:
    """The connections to one server, kept open between questions and shared by all visitors."""
    with _OPENING:
        if base not in _OPEN:
            on_this_machine = urlsplit(base).hostname in _LOOPBACK  # no proxy leads there
            timeout = httpx.Timeout(TIMEOUT_S, connect=5.0)
            _OPEN[base] = httpx.Client(timeout=timeout, trust_env=not on_this_machine)
        return _OPEN[base]


def _read(kind: type[Answer], content: bytes | str) -> Answer:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise _other_form(f"{kind.__name__}.{place}: {first['msg']}") from None


def _other_form(what: str) -> ApiError:
    return ApiError(200, "other_form", f"the answer has another form than this page knows ({what})")


def _problem(response: httpx.Response) -> ApiError:
    """What a refusal says: in our form, in OpenAI's, or by its status alone."""
    told: dict[str, Any] = {}
    try:
        found = response.json()
    except ValueError:
        found = None
    if isinstance(found, dict) and isinstance(found.get("error"), dict):
        told = found["error"]
    wait = response.headers.get("retry-after", "")
    return ApiError(
        response.status_code,
        str(told.get("code") or f"http_{response.status_code}"),
        str(told.get("message") or f"the server answers with status {response.status_code}"),
        field=told.get("field") or told.get("param"),
        request_id=response.headers.get("x-request-id"),
        retry_after_s=float(wait) if wait.isdigit() else None,
    )
