"""The page's client: answers as the wire's own types, and every way to fail as one error."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from shelfwise.schema.serving import GivenProduct, GivenReview, GivenSearch
from shelfwise.ui.advice import advice_on
from shelfwise.ui.client import ApiError, Client
from shelfwise.ui.given import picture_of


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def test_every_question_is_answered_by_a_real_api(api_url: str, picture: bytes) -> None:
    api = Client(api_url)
    assert {"/v1/search", "/v1/products/{id}/similar", "/v1/reviews/analyze"} <= api.paths()
    assert [card.id for card in api.models()] == ["products", "reviews"]
    assert api.ready().ready
    assert "shelfwise_requests_total" in api.counts()
    review = GivenReview(text="It fits well, but the colour faded.", rating=3)
    found = api.analyze(
        GivenProduct(title="blue shirt", pictures=(picture_of(picture),), reviews=(review,)), model="products"
    )
    assert found.category is not None
    assert found.known == ("picture", "text")
    assert len(found.opinions) == 1
    assert api.reviews((review,)).ok == 1
    page = api.search(GivenSearch(words="blue shirt", limit=3))
    assert len(page.hits) == 3
    assert page.hits[0].id not in [hit.id for hit in api.similar(page.hits[0].id, limit=2).hits]


def test_a_refusal_tells_what_the_api_said(api_url: str) -> None:
    with pytest.raises(ApiError) as caught:
        Client(api_url).analyze(GivenProduct(title="x"), model="nobody")
    assert (caught.value.status, caught.value.code) == (404, "not_found")
    assert caught.value.request_id


def test_nobody_at_the_address_is_a_problem_of_status_zero() -> None:
    with pytest.raises(ApiError) as caught:
        Client(f"http://127.0.0.1:{free_port()}").paths()
    assert (caught.value.status, caught.value.code) == (0, "unreachable")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((200, {}, b"<html>"), "other_form"),
        ((200, {}, []), "other_form"),
        ((502, {}, b"<html>bad gateway"), "http_502"),
        (
            (
                401,
                {},
                {"error": {"message": "no key", "type": "authentication_error", "code": "unauthorized"}},
            ),
            "unauthorized",
        ),
    ],
)
def test_answers_of_others_are_told_from_ours(stub: Any, answer: Any, code: str) -> None:
    stub.answers["/v1/models"] = answer
    with pytest.raises(ApiError) as caught:
        Client(stub.url).models()
    assert caught.value.code == code


def test_an_answer_of_another_version_is_refused(stub: Any) -> None:
    stub.answers["/v1/products/analyze"] = (200, {}, {"id": "x", "status": "ok", "mood": "cheerful"})
    with pytest.raises(ApiError, match=r"Analysis\.mood"):
        Client(stub.url).analyze(GivenProduct(title="x"))


def test_the_key_and_the_time_to_wait_travel(stub: Any) -> None:
    stub.refuses("/v1/search", 503, "queue_full", retry_after="7")
    with pytest.raises(ApiError) as caught:
        Client(stub.url + "/", "sw_secret").search(GivenSearch())
    assert caught.value.retry_after_s == 7
    assert stub.asked[-1][1]["authorization"] == "Bearer sw_secret"


def test_a_product_with_a_slash_in_its_id_is_one_segment(stub: Any) -> None:
    with pytest.raises(ApiError):
        Client(stub.url).similar("a/b?c")
    assert stub.asked[-1][0] == "/v1/products/a%2Fb%3Fc/similar"


def test_every_problem_has_its_own_advice() -> None:
    kinds = [
        ApiError(0, "unreachable", "refused"),
        ApiError(0, "timeout", "no answer"),
        ApiError(200, "other_form", "odd"),
        *(
            ApiError(status, "some", "told", request_id="r1")
            for status in (401, 403, 413, 422, 429, 503, 504, 500)
        ),
        ApiError(404, "no_index", "none"),
        ApiError(404, "unknown_product", "the index has no product 'x'"),
    ]
    found = [advice_on(problem, "http://here") for problem in kinds]
    assert len({one.title for one in found}) == len(kinds)
    assert [problem.status for problem, one in zip(kinds, found, strict=True) if one.wants_key] == [401, 403]
    assert [one.grave for one in found[-2:]] == [False, False]
    assert "r1" in next(one for one in found if "(500)" in one.title).text


def test_the_page_imports_nothing_of_ours_but_schema() -> None:
    folder = Path(__file__).resolve().parents[2] / "src" / "shelfwise" / "ui"
    lines = [line for path in folder.glob("*.py") for line in path.read_text(encoding="utf-8").splitlines()]
    ours = {
        line.split()[1] for line in lines if line.lstrip().startswith(("from shelfwise", "import shelfwise"))
    }
    assert {name for name in ours if not name.startswith(("shelfwise.ui", "shelfwise.schema"))} == set()
