"""Each page as a visitor uses it, over a real API process; and what it says when the API does not answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ui_reviews import csv_of

from shelfwise.api.keys import add_key

Opened = Callable[..., Any]


def html(page: Any) -> str:
    return "\n".join(one.proto.body for one in page.get("html") if "<style>" not in one.proto.body)


def told(page: Any) -> str:
    """All that is said in boxes."""
    return "\n".join(box.value for kind in (page.error, page.warning, page.info) for box in kind)


def button(page: Any, label: str) -> Any:
    return next(one for one in page.button if label in one.label)


def test_a_product_is_analysed_from_pictures_words_and_reviews(
    opened: Opened, api_url: str, picture: bytes
) -> None:
    page = opened(api_url)
    assert "Nothing asked yet" in html(page)
    page.file_uploader(key="analyse:pictures").set_value([("a.png", picture, "image/png")])
    page.text_input(key="analyse:title").set_value("Alder blue denim shirt 3")
    page.text_area(key="analyse:fields").set_value("brand: Alder\nnonsense")
    page.text_area(key="analyse:reviews").set_value("5: It is true to size.\n2: The seams came apart <so>.")
    button(page, "Analyse").click().run()
    assert not page.exception
    assert "line 2" in told(page)
    shown = html(page)
    for part in ("Category", "from picture, text", "Attributes", "colour", "given 5 ★", "tiny-reviews@"):
        assert part in shown, part
    assert "came apart &lt;so&gt;" in shown
    button(page, "Explain").click().run()
    assert not page.exception
    assert "Why shirt" in html(page)
    assert any("sees it" in caption for one in page.image for caption in one.captions)
    button(page, "Find similar").click().run()
    assert "1 to 8 of 240" in html(page)
    assert not page.exception


def test_a_file_that_is_no_picture_hides_nothing_of_the_answer(opened: Opened, api_url: str) -> None:
    page = opened(api_url)
    page.file_uploader(key="analyse:pictures").set_value([("a.jpg", b"<html>", "image/jpeg")])
    page.text_input(key="analyse:title").set_value("Alder blue denim shirt 3")
    button(page, "Analyse").click().run()
    assert not page.exception
    assert "1 of 1 cannot be shown" in html(page)
    assert "Category" in html(page)


def test_reviews_come_from_a_file_and_what_cannot_be_told_has_its_reason(
    opened: Opened, api_url: str
) -> None:
    page = opened(api_url)
    page.file_uploader(key="analyse:file").set_value(("r.csv", csv_of(70), "text/csv"))
    button(page, "Analyse").click().run()
    assert not page.exception
    assert "The first 64 of 70 reviews" in told(page)
    assert "neither a picture nor a title was given" in html(page)
    assert html(page).count('class="review"') == 64


def test_nothing_given_is_nothing_asked(opened: Opened, api_url: str) -> None:
    page = opened(api_url)
    button(page, "Analyse").click().run()
    assert "nothing to ask about" in told(page)


def test_the_example_answers_at_a_click(opened: Opened, api_url: str) -> None:
    page = opened(api_url)
    page.button(key="analyse:example").click().run()
    assert "constructed example" in told(page)
    assert "In their own words" in html(page)


def test_an_explanation_is_offered_only_where_the_server_can_explain(opened: Opened, stub: Any) -> None:
    stub.works()
    category = {"labels": ["shirt"], "probabilities": [0.9]}
    stub.answers["/v1/products/analyze"] = (200, {}, {"id": "x", "status": "ok", "category": category})
    page = opened(stub.url)
    page.button(key="analyse:example").click().run()
    assert not [one for one in page.button if one.label.startswith("Explain")]


def test_an_explanation_has_a_heat_map_and_words(opened: Opened, stub: Any) -> None:
    stub.works()
    stub.answers["/openapi.json"][2]["paths"]["/v1/explain"] = {}
    category = {"labels": ["shirt"], "probabilities": [0.9]}
    stub.answers["/v1/products/analyze"] = (200, {}, {"id": "x", "status": "ok", "category": category})
    one_map = {
        "method": "occlusion",
        "asks": "class",
        "file": "",
        "unit": "",
        "low": 0,
        "high": 1,
        "grid": [[0, 1]],
    }
    why = {
        **{"bundle": "b", "id": "x", "target": "category", "label": "shirt", "path": ["shirt"]},
        **{"probability": 0.9, "answer": {"label": "shirt", "probability": 0.9}, "known": ["picture"]},
        "pictures": [{"name": "1", "maps": [one_map]}],
    }
    stub.answers["/v1/explain"] = (200, {}, why)
    page = opened(stub.url)
    page.button(key="analyse:example").click().run()
    page.button(key="analyse:explain").click().run()
    assert not page.exception
    assert "Why shirt (90%)" in html(page)
    assert "Where occlusion sees it" in " ".join(caption for one in page.image for caption in one.captions)


def test_products_are_found_filtered_and_paged(opened: Opened, api_url: str) -> None:
    page = opened(api_url, "search")
    assert "1 to 12 of 240" in html(page)
    page.button(key="search:after").click().run()
    assert "13 to 24 of 240" in html(page)
    page.text_input(key="search:words").set_value("blue shirt")
    page.multiselect(key="search:facet:category").set_value(["shirt"])
    page.checkbox(key="search:explain").check()
    button(page, "Search").click().run()
    assert not page.exception
    shown = html(page)
    assert "1 to 12 of 60" in shown
    assert '<mark class="hit"' in shown
    assert "likeness: rank" in shown
    first = re.findall(r"<code>(p\d+)</code>", shown)[0]
    page.selectbox[-1].set_value(first).run()
    page.button(key="search:go").click().run()
    assert not page.exception
    assert f"<code>{first}</code>" not in html(page)  # a product is not like itself


def test_a_bad_filter_is_told_as_the_api_tells_it(opened: Opened, api_url: str) -> None:
    page = opened(api_url, "search")
    page.text_input(key="search:filter").set_value("colr = 1")
    button(page, "Search").click().run()
    assert "This cannot be asked" in told(page)
    assert "colr" in told(page)


def test_a_page_that_is_an_error_has_a_way_back(opened: Opened, stub: Any) -> None:
    stub.works()
    found = {"total": 30, "offset": 0, "hits": [], "next_offset": 12, "index": "b@1#1"}
    stub.answers["/v1/search"] = (200, {}, found)
    page = opened(stub.url, "search")
    stub.refuses("/v1/search", 422, "search")
    page.button(key="search:after").click().run()
    assert "This cannot be asked" in told(page)
    stub.answers["/v1/search"] = (200, {}, found)
    page.button(key="search:before").click().run()
    assert not page.exception
    assert told(page) == ""


def test_search_without_an_index_says_what_to_do(opened: Opened, stub: Any) -> None:
    stub.works()
    stub.refuses("/v1/search", 404, "no_index")
    assert "shelfwise index BUNDLE CATALOG" in html(opened(stub.url, "search"))
    del stub.answers["/openapi.json"][2]["paths"]["/v1/search"]


def test_a_catalogues_reviews_are_read_batch_by_batch(opened: Opened, api_url: str) -> None:
    page = opened(api_url, "reviews")
    assert "No file yet" in html(page)
    page.file_uploader(key="reviews:file").set_value(("r.csv", csv_of(150) + b"\nodd row", "text/csv")).run()
    assert "151 rows = 150 reviews + 1 that cannot be used" in page.caption[0].value
    button(page, "Analyse 150 reviews").click().run()
    assert not page.exception
    shown = html(page)
    for part in ("All reviews", "Sentiment", "Contradictions", "Products"):
        assert part in shown, part
    assert ">150<" in shown
    assert len(page.get("vega_lite_chart")) + len(page.get("arrow_vega_lite_chart")) >= 1
    assert page.dataframe


def test_a_file_that_is_no_table_is_refused(opened: Opened, api_url: str) -> None:
    page = opened(api_url, "reviews")
    page.file_uploader(key="reviews:file").set_value(("r.csv", b"\x89PNG\0", "text/csv")).run()
    assert "no text file" in told(page)


def test_reviews_that_stop_halfway_keep_what_is_answered(opened: Opened, stub: Any) -> None:
    stub.works()
    stub.refuses("/v1/reviews/analyze", 500, "internal")
    page = opened(stub.url, "reviews")
    page.file_uploader(key="reviews:file").set_value(("r.csv", csv_of(3), "text/csv")).run()
    button(page, "Analyse 3 reviews").click().run()
    assert "(500)" in told(page)
    empty = {"reviews": 3, "given": [0] * 5, "decided": [0] * 5, "product": None}
    items = [{"id": f"row {row}", "status": "failed", "error": "no words"} for row in (2, 3, 4)]
    by = {"bundle": "b@1", "domain": "drawn"}
    answer = {"items": items, "ok": 0, "failed": 3, "summary": empty, "products": [], "by": by}
    stub.answers["/v1/reviews/analyze"] = (200, {}, answer)
    button(page, "Try again").click().run()
    assert not page.exception
    assert "3 reviews without an answer" in [one.label for one in page.expander]


def test_the_bundles_are_shown_with_what_they_can_tell(opened: Opened, api_url: str) -> None:
    page = opened(api_url, "models")
    shown = html(page)
    assert not page.exception
    for part in ("ready", "products", "reviews", "category: 4 classes", "Since the server began"):
        assert part in shown, part


def test_what_can_be_searched_is_shown_by_field(opened: Opened, api_url: str, stub: Any) -> None:
    shown = html(opened(api_url, "models"))
    for part in ("What can be searched", "every product is scored", "On its validation rows", "rows</dd>"):
        assert part in shown, part
    stub.works()
    stub.answers["/openapi.json"] = (200, {}, {"paths": {"/v1/index": {}}})
    stub.answers["/health/ready"] = (200, {}, {"ready": True, "models": {}})
    stub.answers["/metrics"] = (200, {}, b"")
    stub.refuses("/v1/index", 404, "no_index")
    shown = html(opened(stub.url, "models"))
    assert "start the server with --index FOLDER" in shown


def test_a_bundle_that_is_not_ready_is_marked(opened: Opened, stub: Any) -> None:
    stub.works()
    stub.answers["/health/ready"] = (503, {}, {"ready": False, "models": {"products": "failed: BundleError"}})
    stub.answers["/metrics"] = (200, {}, b"")
    assert "failed: BundleError" in html(opened(stub.url, "models"))


@pytest.mark.parametrize("page", ["analyse", "search", "reviews", "models"])
def test_an_api_that_is_down_is_told_on_every_page(opened: Opened, page: str) -> None:
    found = opened("http://127.0.0.1:9", page)
    assert not found.exception
    assert "The API cannot be reached" in told(found)
    assert "shelfwise serve" in told(found)
    assert "not reached" in html(found)


def test_a_key_is_asked_for_and_used(opened: Opened, started: Callable[..., str], tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.json", "shop", created="2026-01-01T00:00:00")
    url = started("reviews", options=("--keys", str(tmp_path / "keys.json")))
    page = opened(url)
    assert "A key is needed" in told(page)
    assert "wants a key" in html(page)
    page.text_input(key="models:key:field").set_value("wrong")
    button(page, "Use this key").click().run()
    assert "A key is needed" in told(page)
    page.text_input(key="models:key:field").set_value(key)
    button(page, "Use this key").click().run()
    assert not page.exception
    assert "A key is needed" not in told(page)
    assert "Nothing asked yet" in html(page)


@pytest.mark.parametrize(
    ("status", "code", "title", "again"),
    [
        (413, "body_too_large", "Too large", False),
        (429, "rate_limited", "Too fast", True),
        (503, "queue_full", "The API is busy", True),
        (504, "deadline_exceeded", "It took too long", True),
    ],
)
def test_a_refusal_is_told_and_can_be_asked_again(
    opened: Opened, stub: Any, status: int, code: str, title: str, again: bool
) -> None:
    stub.works()
    stub.refuses("/v1/products/analyze", status, code, retry_after="3")
    page = opened(stub.url)
    page.button(key="analyse:example").click().run()
    assert title in told(page)
    asked = len(stub.asked)
    page.text_input(key="analyse:title").set_value("typing").run()
    assert len([path for path, _ in stub.asked[asked:] if path == "/v1/products/analyze"]) == 0
    assert bool([one for one in page.button if one.label == "Try again"]) is again
    if again:
        stub.answers["/v1/products/analyze"] = (200, {}, {"id": "x", "status": "ok"})
        button(page, "Try again").click().run()
        assert not page.exception
        assert title not in told(page)
        assert "No category" in html(page)


def test_a_product_of_which_nothing_can_be_told_says_so(opened: Opened, stub: Any) -> None:
    stub.works()
    stub.answers["/v1/products/analyze"] = (200, {}, {"id": "x", "status": "failed", "error": "all is dark"})
    page = opened(stub.url)
    page.button(key="analyse:example").click().run()
    assert not page.exception
    assert "all is dark" in told(page)


def test_a_server_without_reviews_says_how_to_get_them(opened: Opened, stub: Any) -> None:
    stub.works()
    stub.answers["/v1/models"] = (200, {}, {"data": []})
    assert "no bundle of reviews open" in html(opened(stub.url, "reviews"))
    stub.answers["/health/ready"] = (200, {}, {"ready": True})
    stub.answers["/metrics"] = (200, {}, b"")
    assert "No bundle is open" in html(opened(stub.url, "models"))
