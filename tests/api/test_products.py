"""Products over HTTP: in every form, several at once, and the same answer as the bundle gives."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shelfwise.api.app import create_app
from shelfwise.api.asking import Asking
from shelfwise.config.serving import LimitsConfig, ServeConfig
from shelfwise.predict.predictor import Predictor
from shelfwise.predict.products import ProductPredictor
from shelfwise.schema import Picture, Prediction, Product
from shelfwise.schema.serving import GivenProduct


@pytest.fixture
def data(png: bytes) -> str:
    return base64.b64encode(png).decode()


def test_one_product_has_one_answer_in_every_form(
    api: Any, png: bytes, data: str, bundles: dict[str, Path]
) -> None:
    predictor = ProductPredictor.load(bundles["products"], precision="int8")  # as served
    (expected,) = predictor.predict([Product(id="picture", images=(Picture(data=png),))], Path())
    main = next(iter(expected.targets.values()))
    forms = [
        api.post("/v1/classify", content=png, headers={"content-type": "image/png"}),
        api.post("/v1/classify", content=png),
        api.post("/v1/classify", files={"image": ("a.png", png, "image/png")}),
        api.post("/v1/classify", json={"id": "picture", "pictures": [{"data": data}]}),
        api.post(
            "/v1/classify", json={"id": "picture", "pictures": [{"data": f"data:image/png;base64,{data}"}]}
        ),
    ]
    for response in forms:
        assert response.status_code == 200, response.text
        assert response.json()["label"] == main.labels[-1]
        assert response.json()["probability"] == pytest.approx(main.probabilities[-1], abs=1e-6)
        assert response.json()["bundle"] == predictor.bundle.label
    analysis = api.post("/v1/products/analyze", json={"pictures": [{"data": data}]}).json()
    assert analysis["category"]["labels"] == list(main.labels)
    assert set(analysis["attributes"]) == set(expected.targets) - {next(iter(expected.targets))}
    assert analysis["by"]["product"]["bundle"] == predictor.bundle.label


def test_what_cannot_be_told_is_null_with_the_reason(served: Callable[..., Any], data: str) -> None:
    api = served("pictures")
    found = api.post(
        "/v1/products/analyze", json={"pictures": [{"data": data}], "title": "blue dress"}
    ).json()
    assert found["status"] == "ok"
    assert found["category"]["labels"]
    assert found["attributes"] is None
    assert "own catalogue" in found["missing"]["attributes"]
    assert found["reviews"] is None
    assert found["missing"]["reviews"] == "no bundle of reviews is open"
    titled = api.post("/v1/products/analyze", json={"title": "blue dress"}).json()
    assert (titled["status"], titled["category"]) == ("failed", None)
    assert titled["error"] == f"{titled['missing']['category']}; no bundle of reviews is open"
    assert "reads pictures only" in titled["missing"]["category"]


def test_reviews_are_part_of_an_analysis(api: Any) -> None:
    reviews = [
        {"text": "I love it, it fits well."},
        {"text": "The seams came apart.", "rating": 1},
        {"text": ""},
    ]
    found = api.post("/v1/products/analyze", json={"title": "red dress", "reviews": reviews}).json()
    assert found["status"] == "ok"
    assert found["known"] == ["text"]
    assert (found["reviews"]["reviews"], found["reviews"]["failed"]) == (2, 1)
    assert [opinion["status"] for opinion in found["opinions"]] == ["ok", "ok", "failed"]
    empty = api.post("/v1/products/analyze", json={"reviews": [{"text": ""}, {"text": " "}]}).json()
    assert (empty["status"], empty["error_kind"]) == ("failed", "empty_text")
    assert empty["error"].startswith("none of its 2 reviews can be used; the first: ")


def test_an_answer_names_the_text_that_was_read(api: Any) -> None:
    text = "<p>I   love it.</p> The colour is <b>lovely</b> &amp; soft,  but it runs small."
    given = {"text": text, "rating": 1}
    plain = {"text": "The seams came apart."}
    found = api.post("/v1/reviews/analyze", json={"items": [given, plain]}).json()
    read = found["items"][0]["read_text"]
    assert read == "I love it. The colour is lovely & soft, but it runs small."
    assert found["items"][1]["read_text"] is None


def test_html_in_a_title_and_json_in_fields_are_read_as_those_of_a_table(api: Any) -> None:
    plain, marked = (
        api.post("/v1/products/analyze", json={"title": title}).json()
        for title in ("red dress & belt", "<b>red</b> dress &amp; belt")
    )
    assert marked["category"] == plain["category"]
    fields = {"new": True, "sizes": [38, 40, None], "price": 9, "none": None}
    assert api.post("/v1/products/analyze", json={"title": "red", "fields": fields}).status_code == 200
    given = GivenProduct(fields=fields)
    product = asyncio.run(Asking(LimitsConfig(), None).product(given)).product
    assert product.fields == {"new": "true", "sizes": ("38", "40"), "price": 9.0, "none": None}


def test_a_long_review_fails_alone(served: Callable[..., Any]) -> None:
    api = served("reviews", limits={"characters": 100})
    reviews = [{"id": "a", "text": "I love it."}, {"id": "b", "text": "good " * 21}]
    many = api.post("/v1/reviews/analyze", json={"items": reviews}).json()
    product = api.post("/v1/products/analyze", json={"reviews": reviews}).json()
    assert (many["ok"], many["failed"]) == (1, 1)
    assert (product["status"], product["reviews"]["reviews"], product["reviews"]["failed"]) == ("ok", 1, 1)
    for answers in (many["items"], product["opinions"]):
        assert [answer["status"] for answer in answers] == ["ok", "failed"]
        assert answers[1]["error"] == "a text has 105 characters, 100 are allowed"
        assert answers[1]["bundle"] == answers[0]["bundle"]


def test_a_hostile_item_never_fails_its_neighbours(api: Any, data: str) -> None:
    items: list[dict[str, Any]] = [
        {"id": "good", "pictures": [{"data": data}]},
        {"id": "html", "pictures": [{"data": base64.b64encode(b"<html>").decode()}]},
        {"id": "none", "pictures": [{"data": "!"}]},
        {"id": "url", "pictures": [{"url": "http://127.0.0.1/a.png"}]},
        {"id": "title", "title": "green shirt", "pictures": [{"data": data[:80]}]},
        {"id": "empty"},
    ]
    found = api.post("/v1/products/analyze", json={"items": items}).json()
    assert [item["id"] for item in found["items"]] == [item["id"] for item in items]
    assert [item["status"] for item in found["items"]] == ["ok", "failed", "failed", "failed", "ok", "failed"]
    assert (found["ok"], found["failed"]) == (2, 4)
    assert found["items"][1]["error_kind"] == "not_a_picture"
    assert found["items"][3]["error_kind"] == "picture_url"
    assert "picture_skipped" in found["items"][4]["warnings"]
    assert found["items"][5]["missing"]["category"] == "neither a picture nor a title was given"
    many = api.post("/v1/classify", json={"items": items}).json()
    assert [item["status"] for item in many["items"]] == ["ok", "failed", "failed", "failed", "ok", "failed"]


@pytest.mark.parametrize("task", ["pictures", "products"])
def test_a_picture_that_cannot_be_used_is_skipped_and_named_by_every_face(
    served: Callable[..., Any], png: bytes, data: str, bundles: dict[str, Path], task: str
) -> None:
    cut = png[: len(png) // 2]
    product = Product(id="p", images=(Picture(data=cut), Picture(data=png)))
    predictor = (ProductPredictor if task == "products" else Predictor).load(bundles[task])
    (expected,) = predictor.predict([product], image_root=Path())
    assert expected.warnings == ("picture_skipped",)
    api = served(task)
    for bad in (base64.b64encode(cut).decode(), "!"):
        given = {"id": "p", "pictures": [{"data": bad}, {"data": data}]}
        found = api.post("/v1/classify", json=given).json()
        (one,) = api.post("/v1/classify", json={"items": [given]}).json()["items"]
        analysis = api.post("/v1/products/analyze", json=given).json()
        explained = api.post("/v1/explain", json={"product": given}).json()
        for answer in (found, one, analysis, explained):
            assert answer["warnings"] == ["picture_skipped"], answer
        assert found["label"] == one["label"] == analysis["category"]["labels"][-1] == explained["label"]
    if task == "pictures":
        assert isinstance(expected, Prediction)
        assert found["label"] == expected.label


@pytest.mark.parametrize("path", ["/v1/classify", "/v1/explain"])
def test_a_title_does_not_hide_what_is_wrong_with_the_only_picture(
    served: Callable[..., Any], path: str
) -> None:
    given = {"title": "blue dress", "pictures": [{"data": "!"}]}
    asked = {"product": given} if path == "/v1/explain" else given
    refused = served("pictures").post(path, json=asked)
    assert refused.status_code == 422
    assert refused.json()["error"]["message"] == "its data is not base64"
    assert refused.json()["error"]["field"].endswith("pictures")
    answered = served("products").post(path, json=asked)
    assert answered.status_code == 200
    assert answered.json()["warnings"] == ["picture_skipped"]


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({"content": b"", "headers": {"content-type": "image/png"}}, 422, "picture_empty"),
        ({"content": b"<html>", "headers": {"content-type": "image/png"}}, 422, "not_a_picture"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "not_json"),
        ({"json": {"pictures": "x"}}, 422, "invalid"),
        ({"json": {"unknown": 1}}, 422, "invalid"),
        ({"json": {"items": []}}, 422, "invalid"),
        ({"json": {"title": "x" * 20_001}}, 422, "invalid"),
        ({"content": b"a", "headers": {"content-type": "text/csv"}}, 415, "unsupported_media_type"),
        ({"json": {"title": "x"}, "params": {"model": "nobody"}}, 404, "not_found"),
        ({"json": {"title": "x"}, "params": {"top": 0}}, 422, "invalid"),
    ],
)
def test_what_is_wrong_is_said_in_one_form(api: Any, given: dict[str, Any], status: int, code: str) -> None:
    response = api.post("/v1/classify", **given)
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["code"] == code
    assert error["message"]
    assert error["request_id"] == response.headers["x-request-id"]


def test_a_picture_above_the_servers_limit_is_not_decoded(served: Callable[..., Any], png: bytes) -> None:
    for task in ("products", "pictures"):
        response = served(task, limits={"max_pixels": 1199}).post("/v1/classify", content=png)
        assert response.status_code == 422
        assert response.json()["error"]["code"] == "picture_too_large"


def test_a_name_chooses_the_bundle(served: Callable[..., Any], png: bytes, bundles: dict[str, Path]) -> None:
    api = served("products", "pictures", "reviews")
    cards = {card["id"]: card for card in api.get("/v1/models").json()["data"]}
    named = next(name for name, card in cards.items() if card["task"] == "pictures")
    found = api.post("/v1/classify", content=png, params={"model": named}).json()
    assert found["bundle"].endswith("@" + cards[named]["version"])
    other = next(name for name, card in cards.items() if card["task"] == "reviews")
    response = api.post("/v1/classify", content=png, params={"model": other})
    assert response.status_code == 400
    assert "is of reviews" in response.json()["error"]["message"]


def test_reviews_have_an_answer_each_and_a_roll_up(api: Any) -> None:
    items = [
        {"id": "a", "product": "p", "text": "Lovely colour."},
        {"product": "q", "text": "It runs small.", "rating": 2},
        {"text": " "},
    ]
    found = api.post("/v1/reviews/analyze", json={"items": items}).json()
    assert [item["id"] for item in found["items"]] == ["a", "2", "3"]
    assert (found["ok"], found["failed"]) == (2, 1)
    assert found["summary"]["reviews"] == 2
    assert [product["product"] for product in found["products"]] == ["p", "q"]
    assert found["by"]["bundle"] == found["items"][0]["bundle"]


def test_a_bundle_without_targets_gives_vectors_and_says_that_it_has_no_classes(
    api: Any, alone_bundle: Path
) -> None:
    api = type(api)(create_app(ServeConfig(), [f"alike={alone_bundle}"]))
    vectors = api.post("/v1/embeddings", json={"input": ["red shoe"], "model": "alike"}).json()
    assert len(vectors["data"][0]["embedding"]) == 16
    told = api.get("/v2/models/alike").json()
    assert [output["name"] for output in told["outputs"]] == ["vector"]
    analysis = api.post("/v1/products/analyze", json={"title": "red shoe"}).json()
    assert (analysis["status"], analysis["category"]) == ("ok", None)
    assert "has learned no targets" in analysis["missing"]["category"]
    assert api.post("/v1/classify", json={"title": "red shoe"}).json()["label"] is None
    refused = api.post("/classify", json={"input": ["red shoe"]})
    assert refused.status_code == 404
    assert "has learned no targets" in refused.text
