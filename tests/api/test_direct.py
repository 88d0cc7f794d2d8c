"""Endpoints that are found past FastAPI's routing: only POST is theirs, and their errors are everybody's."""

from __future__ import annotations

from typing import Any

import pytest

from shelfwise.api.app import DIRECT, ROUTERS
from shelfwise.api.models import Models

PATHS = ("/v1/classify", "/v1/embeddings", "/embeddings")


def test_they_are_routes_of_fastapi_too() -> None:
    routes = [route for router in ROUTERS for route in router.routes]
    assert {route.path for route in routes if getattr(route, "endpoint", None) in DIRECT} == set(PATHS)  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", PATHS)
def test_other_methods_are_refused_as_anywhere(api: Any, path: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = api(method, path)
        assert answer.status_code == 405
        assert answer.json()["error"]
        assert answer.headers["x-request-id"]


@pytest.mark.parametrize("path", PATHS)
def test_a_bad_request_is_told_in_the_endpoints_form(api: Any, path: str) -> None:
    answer = api.post(path, content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "not_json"


def test_a_fault_is_told_without_its_details(api: Any, png: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(Models, "name_for", broken)
    answer = api.post("/v1/classify", content=png, headers={"content-type": "image/png"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
