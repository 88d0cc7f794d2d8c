"""Search over HTTP: what the index gives, and nothing of the server's own files."""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_index import LABEL

from shelfwise.config import CatalogConfig, ColumnMap
from shelfwise.enrich.index import index_catalog
from shelfwise.errors import SearchError
from shelfwise.predict.embedder import open_embedder
from shelfwise.schema.search import SearchRequest
from shelfwise.search.index import OpenedIndex
from shelfwise.search.lance_table import StoredProduct
from shelfwise.search.writer import open_writer
from shelfwise.service.search import Searcher


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, products_table: Path, tiny_products_bundle: Path) -> Path:
    folder = tmp_path_factory.mktemp("index") / "shop.index"
    columns = ColumnMap(images=("image",), title="title", labels={"category": "category"})
    config = CatalogConfig(source=str(products_table), columns=columns)
    index_catalog(open_embedder(tiny_products_bundle), config, folder)
    return folder


def stored(id: str, image: str | None) -> StoredProduct:
    return StoredProduct(id, id.encode().ljust(16), image, None, None, "{}")


@pytest.fixture
def pictured(served: Callable[..., Any], tmp_path: Path) -> Any:
    """An index whose paths lead everywhere."""
    root = tmp_path / "pictures"
    root.mkdir()
    (root / "secret.txt").write_text("a secret")
    beside = tmp_path / "pictures-beside"
    beside.mkdir()
    (root / "deep").mkdir()
    for file in (tmp_path / "above.png", beside / "a.png", root / "large.png", root / "deep" / "large.png"):
        Image.new("RGB", (600, 300), "navy").save(file)
    products = {
        "large": "large.png",
        "gone": "gone.png",
        "none": None,
        "above": "../above.png",
        "beside": "../pictures-beside/a.png",
        "elsewhere": "/etc/passwd",
        "secret": "secret.txt",
        "windows": "deep\\large.png",
    }
    vectors = np.eye(8, dtype=np.float32)[: len(products)]
    with open_writer(tmp_path / "index", label=LABEL, dimension=8, image_root=str(root)) as writer:
        writer.put([stored(id, image) for id, image in products.items()], vectors)
        writer.publish()
    return served("reviews", index=str(tmp_path / "index"))


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
    assert api.post("/v1/search", json={"words": " "}).json() == api.post("/v1/search", json={}).json()


def test_the_index_says_what_it_holds(api: Any, served: Callable[..., Any], index: Path) -> None:
    found = api.get("/v1/index")
    assert found.status_code == 200, found.text
    card = found.json()
    names = [one["field"] for one in card["fields"]]
    listed = api.post("/v1/search", json={"limit": 1, "facets": names}).json()
    assert card["products"] == listed["total"]
    assert card["index"] == listed["index"]
    assert names
    assert card["fields"] == listed["facets"]
    assert str(index) not in found.text
    assert served("reviews").get("/v1/index").json()["error"]["code"] == "no_index"


def test_pictures_and_likeness_find_products(api: Any, png: bytes) -> None:
    data = base64.encodebytes(png).decode()  # with line breaks
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


def test_the_pages_lead_to_the_end_of_the_ranking(api: Any) -> None:
    asked = {"words": "blue dress", "limit": 150, "offset": 0}
    counts = []
    while asked["offset"] is not None:
        found = api.post("/v1/search", json=asked)
        assert found.status_code == 200, found.text
        counts.append(len(found.json()["hits"]))
        asked["offset"] = found.json()["next_offset"]
    assert counts == [150, 50]
    assert api.post("/v1/search", json={"offset": 20_000}).json()["hits"] == []
    refused = api.post("/v1/search", json={"words": "blue dress", "offset": 200}).json()["error"]["message"]
    assert "no page begins at offset 200" in refused


def test_without_an_index_it_is_said(served: Callable[..., Any]) -> None:
    api = served("products")
    for response in (api.post("/v1/search", json={"words": "x"}), api.get("/v1/products/x/picture")):
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "no_index"


def test_a_product_has_its_picture_as_a_small_jpeg(api: Any, products_table: Path) -> None:
    found = api.get("/v1/products/p0007/picture")
    assert found.status_code == 200, found.text
    assert found.headers["content-type"] == "image/jpeg"
    assert found.headers["x-content-type-options"] == "nosniff"
    shown = np.asarray(Image.open(io.BytesIO(found.content)).convert("RGB"), int)
    file = np.asarray(Image.open(products_table.parent / "images" / "p0007.png").convert("RGB"), int)
    assert np.abs(shown - file).mean() < 8


@pytest.mark.parametrize(
    ("id", "code"),
    [
        ("nobody", "unknown_product"),
        ("..%2F..%2Fimages%2Fp0007.png", "unknown_product"),
        ("%2Fetc%2Fpasswd", "unknown_product"),
        ("gone", "no_picture"),
        ("none", "no_picture"),
        ("above", "no_picture"),
        ("beside", "no_picture"),
        ("elsewhere", "no_picture"),
        ("secret", "no_picture"),
    ],
)
def test_only_pictures_of_the_catalogues_folder_are_shown(pictured: Any, id: str, code: str) -> None:
    response = pictured.get(f"/v1/products/{id}/picture")
    assert response.status_code == 404, response.text
    assert response.json()["error"]["code"] == code
    for told in ("passwd", "secret.txt", "above.png", "/"):
        assert id.startswith(("..", "%")) or told not in response.json()["error"]["message"]


def test_an_index_of_a_bundle_that_is_nowhere_is_refused_at_the_start(
    served: Callable[..., Any], index: Path, tmp_path: Path
) -> None:
    assert served("pictures", index=str(index)).post("/v1/search", json={"words": "x"}).json()["sides"] == [
        "vector",
        "words",
    ]  # the index remembers where its bundle is
    moved = shutil.copytree(index, tmp_path / "moved.index")
    facts = moved / "index.json"
    known = json.loads(facts.read_text(encoding="utf-8"))
    facts.write_text(json.dumps({**known, "bundle_path": "/nowhere/bundle"}), encoding="utf-8")
    assert served("products", index=str(moved)).post("/v1/search", json={"words": "x"}).status_code == 200
    with pytest.raises(SearchError) as error:
        served("pictures", index=str(moved))
    for part in ("moved.index", known["bundle"], "'/nowhere/bundle'", "--bundle", "shelfwise index"):
        assert part in str(error.value)


@pytest.mark.parametrize("id", ["large", "windows"])
def test_a_large_picture_is_shown_small(pictured: Any, id: str) -> None:
    found = pictured.get(f"/v1/products/{id}/picture")
    assert Image.open(io.BytesIO(found.content)).size == (256, 128)


def test_an_index_of_several_folders_has_no_pictures(tmp_path: Path) -> None:
    for folder, expected in (("a", "a"), ("a", "a"), ("b", None), ("a", None)):
        with open_writer(tmp_path / "index", label=LABEL, dimension=4, image_root=folder) as writer:
            writer.put([stored(folder, "x.png")], np.eye(4, dtype=np.float32)[:1])
            facts = writer.publish()
        assert facts.image_root == expected
    assert OpenedIndex.open(tmp_path / "index").picture_of("a") is None
