"""Search over HTTP: what the index gives, and nothing of the server's own files."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shelfwise.config import CatalogConfig, ColumnMap
from shelfwise.enrich.index import index_catalog
from shelfwise.predict.embedder import open_embedder
from shelfwise.schema.search import SearchRequest
from shelfwise.service.search import Searcher


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, products_table: Path, tiny_products_bundle: Path) -> Path:
    folder = tmp_path_factory.mktemp("index") / "shop.index"
    columns = ColumnMap(images=("image",), title="title", labels={"category": "category"})
    config = CatalogConfig(source=str(products_table), columns=columns)
    index_catalog(open_embedder(tiny_products_bundle), config, folder)
    return folder


@pytest.fixture(scope="module")
def api(served: Callable[..., Any], index: Path) -> Any:
    return served("products", index=str(index))


def test_a_page_is_the_searchers(api: Any, index: Path) -> None:
    asked = {"words": "blue dress", "limit": 5, "facets": [], "explain": True}
    found = api.post("/v1/search", json=asked)
    assert found.status_code == 200, found.text
    expected = Searcher.open(index).search(SearchRequest(words="blue dress", limit=5, explain=True))
    assert [hit["id"] for hit in found.json()["hits"]] == [hit.id for hit in expected.hits]
    assert found.json()["total"] == expected.total


def test_pictures_and_likeness_find_products(api: Any, png: bytes) -> None:
    data = base64.b64encode(png).decode()
    by_picture = api.post("/v1/search", json={"picture": {"data": data}, "limit": 3}).json()
    assert len(by_picture["hits"]) == 3
    first = by_picture["hits"][0]["id"]
    like = api.get(f"/v1/products/{first}/similar", params={"limit": 2}).json()
    assert len(like["hits"]) == 2
    assert first not in [hit["id"] for hit in like["hits"]]


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"filter": "nowhere = 1"}, 422, "search"),
        ({"filter": '"; drop table products; --'}, 422, "search"),
        ({"like": "nobody"}, 404, "unknown_product"),
        ({"picture": {"data": "PGh0bWw+"}}, 422, "search"),
        ({"picture": {"path": "/etc/passwd"}}, 422, "invalid"),
        ({"limit": 0}, 422, "invalid"),
        ({"words": "x", "offset": 5000}, 422, "search"),
    ],
)
def test_what_cannot_be_asked_is_refused(api: Any, asked: dict[str, Any], status: int, code: str) -> None:
    response = api.post("/v1/search", json=asked)
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code


def test_without_an_index_it_is_said(served: Callable[..., Any]) -> None:
    response = served("products").post("/v1/search", json={"words": "x"})
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "no_index"
