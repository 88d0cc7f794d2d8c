"""Around all endpoints: keys, rates, sizes, deadlines, ids, health and counts."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shelfwise.api.app import check_exposure, create_app
from shelfwise.api.batching import Batcher, OverloadedError
from shelfwise.api.guard import Guard
from shelfwise.api.keys import add_key
from shelfwise.api.logs import JsonLines, TextLines
from shelfwise.api.metrics import Metrics
from shelfwise.config.serving import LimitsConfig, ServeConfig
from shelfwise.errors import ConfigError


def test_every_answer_has_an_id_and_a_sane_one_is_kept(api: Any) -> None:
    assert len(api.get("/health/live").headers["x-request-id"]) == 16
    assert api.get("/health/live", headers={"x-request-id": "mine-7"}).headers["x-request-id"] == "mine-7"
    odd = api.get("/health/live", headers={"x-request-id": "a b\tc" * 20}).headers["x-request-id"]
    assert " " not in odd


def test_without_a_key_nothing_of_the_shop_is_told(served: Callable[..., Any], tmp_path: Path) -> None:
    told = add_key(tmp_path / "keys.json", "shop", created="")
    api = served("reviews", keys=str(tmp_path / "keys.json"))
    for path in ("/v1/models", "/metrics", "/v2/models/reviews", "/nowhere"):
        response = api.get(path)
        assert response.status_code == 401, path
        assert response.headers["www-authenticate"] == "Bearer"
        assert api.get(path, headers={"authorization": "Bearer sw_wrong"}).status_code == 401
    for headers in ({"authorization": f"Bearer {told}"}, {"x-api-key": told}):
        assert api.get("/v1/models", headers=headers).status_code == 200
    assert api.get("/health/live").status_code == 200
    assert api.post("/v1/embeddings", json={}).json()["error"]["type"] == "authentication_error"


def test_who_asks_too_fast_is_told_when_to_come_again(served: Callable[..., Any]) -> None:
    api = served("reviews", limits={"rate": 0.5, "burst": 2})
    assert [api.get("/v1/models").status_code for _ in range(3)] == [200, 200, 429]
    refused = api.get("/v1/models")
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["type"] == "rate_limit_error"
    many = served("reviews", limits={"rate": 0.5, "burst": 2})
    reviews = {"items": [{"text": "good"}] * 5}
    assert many.post("/v1/reviews/analyze", json=reviews).status_code == 200  # the bucket was full
    assert many.post("/v1/reviews/analyze", json=reviews).status_code == 429


def test_a_request_counts_as_what_it_makes_the_models_do(
    served: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    reviews, pictures = [{"text": "good"}] * 3, [{"data": "AAAA"}] * 2
    product = {"title": "shoe", "reviews": reviews, "pictures": pictures}
    asked = (
        ("/v1/products/analyze", product, 5),
        ("/v1/products/analyze", {"items": [product, {"title": "shoe"}]}, 6),
        ("/v1/classify", product, 2),
        ("/v1/classify", {"items": [product, product]}, 4),
        ("/v1/explain", {"product": {"title": "shoe"}}, 100),
    )
    for path, body, items in asked:
        api = served("products", limits={"rate": 0.01, "burst": items + 1})
        assert api.post(path, json=body).status_code == 200
        assert api.get("/v1/models").status_code == 200  # one was left
        assert api.get("/v1/models").status_code == 429


def test_bodies_are_bounded_together(served: Callable[..., Any]) -> None:
    api = served("reviews", limits={"bodies_mb": 0.001})
    small = {"items": [{"text": "good"}]}
    for _ in range(100):  # what was answered is held no more
        assert api.post("/v1/reviews/analyze", json=small).status_code == 200
    refused = api.post("/v1/reviews/analyze", json={"items": [{"text": "good " * 300}]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "bodies_full")
    assert api.post("/v1/reviews/analyze", json=small).status_code == 200


@pytest.mark.parametrize("path", ["/v1/classify", "/v1/products/analyze", "/rerank"])
def test_who_hangs_up_amid_the_body_is_counted_as_gone(bundles: dict[str, Path], path: str) -> None:
    told: list[dict[str, Any]] = []
    messages = [{"type": "http.request", "body": b'{"a":', "more_body": True}]

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        pass

    app = create_app(ServeConfig(), [str(bundles["products"])])
    app._tell = told.append  # type: ignore[attr-defined]
    head = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    headers = [(b"content-type", b"application/json")]
    asyncio.run(app({**head, "headers": headers, "client": ("127.0.0.1", 1)}, receive, send))
    assert [one["status"] for one in told] == [499]


def test_probes_may_ask_by_head(api: Any) -> None:
    for path in ("/health", "/health/live", "/health/ready"):
        assert api("HEAD", path).status_code == 200


def test_large_bodies_are_refused_with_and_without_a_length(served: Callable[..., Any]) -> None:
    api = served("reviews", limits={"body_mb": 0.001})
    body = b"x" * 2000

    async def pieces() -> Any:
        for start in range(0, len(body), 500):
            yield body[start : start + 500]

    for content in (body, pieces()):
        headers = {"content-type": "application/json"}
        response = api.post("/v1/reviews/analyze", content=content, headers=headers)
        assert response.status_code == 413
        assert response.json()["error"]["code"] == "body_too_large"


def test_a_deadline_passes(served: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from shelfwise.api.engines import ReviewsEngine

    async def never(self: object, review: object) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr(ReviewsEngine, "answer", never)
    api = served("reviews")
    asked = {"items": [{"text": "good"}]}
    response = api.post("/v1/reviews/analyze", json=asked, headers={"x-deadline-s": "0.05"})
    assert response.status_code == 504
    assert response.json()["error"]["code"] == "deadline_exceeded"
    for odd in ("soon", "-1", "nan", "inf", "0"):
        refused = api.post("/v1/reviews/analyze", json=asked, headers={"x-deadline-s": odd})
        assert refused.status_code == 400


def test_a_caller_that_hangs_up_is_not_worked_for() -> None:
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def ask() -> None:
        messages: asyncio.Queue[Any] = asyncio.Queue()
        await messages.put({"type": "http.request", "body": b"", "more_body": False})
        guard = Guard(app, limits=LimitsConfig(), keys=None, metrics=Metrics())
        scope = {"type": "http", "path": "/", "method": "GET", "headers": [], "client": ("127.0.0.1", 1)}
        work = asyncio.create_task(guard(scope, messages.get, messages.put))  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        await messages.put({"type": "http.disconnect"})
        await asyncio.wait_for(work, 1)

    asyncio.run(ask())
    assert ended == ["cancelled"]


def test_a_fault_of_ours_is_told_without_its_details(
    served: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from shelfwise.api.engines import ReviewsEngine

    async def broken(self: object, review: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(ReviewsEngine, "answer", broken)
    response = served("reviews").post("/v1/reviews/analyze", json={"items": [{"text": "good"}]})
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "ZeroDivisionError" in caplog.text


def test_a_fault_in_a_route_of_fastapis_has_the_documented_form(
    served: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from shelfwise.api import asking

    def broken(self: object, given: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(asking.Asking, "reviews", broken)
    api = served("reviews")
    failed = api.post("/v1/reviews/analyze", json={"items": [{"text": "good"}]})
    assert failed.status_code == 500
    assert failed.json()["error"]["code"] == "internal"
    assert failed.json()["error"]["request_id"] == failed.headers["x-request-id"]
    assert "secret" not in failed.text


def test_readiness_asks_the_bundles(api: Any) -> None:
    assert api.get("/health/ready").json() == {
        "ready": True,
        "models": {"products": "ok", "reviews": "ok"},
    }


def test_readiness_asks_once_a_second_at_most(
    served: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from shelfwise.api import models

    asked: list[str] = []
    monkeypatch.setattr(models, "self_test", lambda model: asked.append(model.name))
    api = served("reviews")
    asked.clear()
    assert [api.get("/health/ready").status_code for _ in range(5)] == [200] * 5
    assert asked == ["reviews"]
    monkeypatch.setattr(models, "TEST_AGAIN_S", 0.0)
    assert api.get("/health/ready").status_code == 200
    assert asked == ["reviews"] * 2


def test_what_is_counted_is_on_the_metrics_page(served: Callable[..., Any]) -> None:
    api = served("reviews")
    api.post("/v1/reviews/analyze", json={"items": [{"text": "good"}, {"text": ""}]})
    api.post("/v1/reviews/analyze", content=b"{", headers={"content-type": "application/json"})
    assert api.post("/v1/reviews/analyze", content=b"{}").status_code == 415
    page = api.get("/metrics").text
    assert 'shelfwise_requests_total{method="POST",route="/v1/reviews/analyze",status="200"} 1.0' in page
    assert 'shelfwise_errors_total{kind="not_json"} 1.0' in page
    assert 'shelfwise_errors_total{kind="empty_text"} 1.0' in page
    assert 'shelfwise_batch_items_count{model="reviews"}' in page
    assert 'shelfwise_queue_items{model="reviews"} 0.0' in page
    assert 'shelfwise_model_info{model="reviews",task="reviews"' in page


@pytest.mark.parametrize("form", ["json", "text"])
def test_the_log_has_the_request_and_nothing_of_what_was_asked(
    served: Callable[..., Any],
    form: str,
    capfdbinary: pytest.CaptureFixture[bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    api = served("reviews", log=form)
    with caplog.at_level(logging.INFO, "shelfwise.api"):
        api.post("/v1/reviews/analyze", json={"items": [{"text": "confidential words"}]})
    if form == "json":
        line = capfdbinary.readouterr().err.splitlines()[-1].decode()
    else:
        line = JsonLines().format(next(each for each in caplog.records if each.getMessage() == "request"))
        assert "route=/v1/reviews/analyze" in TextLines().format(caplog.records[-1])
    told = json.loads(line)
    assert told["route"] == "/v1/reviews/analyze"
    assert (told["status"], told["items"], told["level"]) == (200, 1, "info")
    assert "confidential" not in line


def test_beyond_this_machine_a_key_is_needed_unless_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="open-without-keys"):
        check_exposure(ServeConfig(host="0.0.0.0"))
    check_exposure(ServeConfig(host="0.0.0.0", open_without_keys=True))
    check_exposure(ServeConfig(host="127.0.0.1"))


def test_browsers_of_other_pages_may_not_ask_unless_said(served: Callable[..., Any]) -> None:
    origin = {"origin": "https://page.example"}
    assert "access-control-allow-origin" not in served("reviews").get("/v1/models", headers=origin).headers
    open_ = served("reviews", cors=["https://page.example"])
    found = open_.get("/v1/models", headers=origin).headers["access-control-allow-origin"]
    assert found == "https://page.example"


def test_a_browser_asks_first_without_a_key_and_can_read_a_refusal(
    served: Callable[..., Any], tmp_path: Path
) -> None:
    page = "https://page.example"
    add_key(tmp_path / "keys.json", "shop", created="")
    api = served("reviews", cors=[page], keys=str(tmp_path / "keys.json"))
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    allowed = api("OPTIONS", "/v1/search", headers={"origin": page, **asks})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == page
    assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
    refused = api.post("/v1/search", json={}, headers={"origin": page})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == page
    assert api("OPTIONS", "/v1/search", headers={"origin": "https://x.example", **asks}).status_code == 400


def test_a_method_that_is_not_there_is_told_with_those_that_are(api: Any) -> None:
    refused = api.get("/v1/search")
    assert refused.status_code == 405
    assert refused.headers["allow"] == "POST"


def test_the_document_asks_for_a_key_where_the_server_does(
    served: Callable[..., Any], api: Any, tmp_path: Path
) -> None:
    add_key(tmp_path / "keys.json", "shop", created="")
    document = served("reviews", keys=str(tmp_path / "keys.json")).get("/openapi.json").json()
    assert document["security"] == [{"key": []}]
    assert "security" not in api.get("/openapi.json").json()


SURROGATE = '"\\ud83d"'  # what cutting a string in JavaScript leaves of an emoji


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/products/analyze", '{"id": %s, "title": "shoe"}'),
        ("/v1/products/analyze", '{"items": [{"title": "shoe"}, {"id": %s}]}'),
        ("/v1/classify", '{"id": %s, "title": "shoe"}'),
        ("/v1/reviews/analyze", '{"items": [{"text": "good", "product": %s}]}'),
        ("/v1/search", '{"facets": [%s]}'),
        ("/v1/explain", '{"product": {"title": %s}}'),
        ("/v1/embeddings", '{"model": "products", "input": %s}'),
        ("/v2/rerank", '{"query": %s, "documents": ["a"], "model": "products"}'),
        ("/rerank", '{"query": %s, "texts": ["a"]}'),
        ("/classify", '{"input": [%s]}'),
        ("/v2/models/products/infer", '{"id": %s, "inputs": []}'),
    ],
)
def test_half_a_character_is_refused(api: Any, path: str, body: str) -> None:
    refused = api.post(path, content=body % SURROGATE, headers={"content-type": "application/json"})
    assert refused.status_code == 400
    assert "JSON" in refused.text


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/classify?top=" + "9" * 5000, {}),
        ("/v2/models/products/infer", {"inference-header-content-length": "9" * 5000}),
        ("/v2/models/products/infer", {"inference-header-content-length": "\u00b2".encode("latin-1")}),
    ],
)
def test_numbers_that_are_none_are_refused(api: Any, path: str, headers: dict[str, Any]) -> None:
    assert api.post(path, json={"title": "shoe"}, headers=headers).status_code in (400, 422)


def test_bundles_are_exchanged_by_admins_and_kept_where_the_new_one_fails(
    served: Callable[..., Any], tmp_path: Path, bundles: dict[str, Path]
) -> None:
    keys = tmp_path / "keys.json"
    admin, plain = (add_key(keys, name, created="", admin=name == "admin") for name in ("admin", "plain"))
    api = served("reviews", keys=str(keys))

    def put(path: str, key: str) -> Any:
        headers = {"authorization": f"Bearer {key}"}
        return api("PUT", "/v1/bundles/reviews", json={"path": path}, headers=headers)

    assert put(str(bundles["reviews"]), plain).status_code == 403
    failed = put(str(tmp_path), admin)
    assert failed.status_code == 409
    assert put(str(bundles["products"]), admin).status_code == 409
    headers = {"authorization": f"Bearer {plain}"}
    asked = {"items": [{"text": "good"}]}
    assert api.post("/v1/reviews/analyze", json=asked, headers=headers).status_code == 200
    taken = put(str(bundles["reviews"]), admin)
    assert taken.status_code == 200
    assert taken.json()["task"] == "reviews"
    assert api.post("/v1/reviews/analyze", json=asked, headers=headers).status_code == 200


def test_no_request_fills_the_queue_by_itself(served: Callable[..., Any]) -> None:
    api = served("products", "reviews", limits={"queue": 8, "batch": 4, "items": 100})
    reviews = [{"text": f"It fits well {n}."} for n in range(20)]
    many = {"items": [{"id": str(n), "title": "blue dress", "reviews": reviews} for n in range(5)]}
    items = api.post("/v1/products/analyze", json=many).json()["items"]
    assert [(item["status"], item["reviews"]["reviews"]) for item in items] == [("ok", 20)] * 5
    titles = [f"blue dress {n}" for n in range(100)]
    assert api.post("/v1/reviews/analyze", json={"items": reviews * 5}).json()["ok"] == 100
    given = {"items": [{"title": title} for title in titles]}
    assert api.post("/v1/classify", json=given).json()["ok"] == 100
    tensor = {"name": "title", "shape": [100], "datatype": "BYTES", "data": titles}
    for path, asked in (
        ("/v1/embeddings", {"input": titles}),
        ("/v2/rerank", {"query": "dress", "documents": titles}),
        ("/classify", {"input": titles}),
        ("/v2/models/products/infer", {"inputs": [tensor]}),
    ):
        assert api.post(path, json=asked).status_code == 200, path
    assert api.post("/v1/embeddings", json={"input": ["dress", " "]}).status_code == 400
    page = api.get("/metrics").text
    assert f'shelfwise_items_total{{status="ok"}} {5 + 6 * 100 + 1}.0' in page
    assert 'shelfwise_items_total{status="failed"} 1.0' in page


def test_a_full_queue_is_told_with_a_time_to_come_again(
    api: Any, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise OverloadedError(2.0)

    monkeypatch.setattr(Batcher, "submit", full)
    for path, how in (
        ("/v1/classify", {"content": png, "headers": {"content-type": "image/png"}}),
        ("/v1/embeddings", {"json": {"input": "a shirt"}}),
    ):
        answer = api.post(path, **how)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
    assert answer.json()["error"]["code"] == "queue_full"
