"""Requests made up from the OpenAPI document: no undeclared status, and no fault of the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
openapi = pytest.importorskip("schemathesis.specs.openapi.checks")


CHECKS = [
    schemathesis.checks.not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_schema_conformance,
]


@pytest.fixture(scope="module")
def operations(served: Callable[..., Any]) -> dict[str, Any]:
    described = schemathesis.openapi.from_asgi("/openapi.json", served("products", "reviews").app)
    found = [result.ok() for result in described.get_all_operations()]
    return {operation.label: operation for operation in found}


def test_nothing_undeclared_comes_back(operations: dict[str, Any], subtests: Any) -> None:
    assert {"POST /v1/classify", "POST /v1/embeddings", "POST /v2/models/{name}/infer"} <= set(operations)
    for label, operation in operations.items():

        @settings(
            max_examples=12,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            case.validate_response(case.call(), checks=CHECKS)

        with subtests.test(label):
            ask()
