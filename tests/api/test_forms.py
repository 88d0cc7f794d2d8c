"""Forms as callers send them, and as they should not."""

from __future__ import annotations

from typing import Any

import httpx2 as httpx
import pytest

from shelfwise.api.forms import read_form
from shelfwise.api.problems import RequestError


def encoded(**given: Any) -> tuple[bytes, str]:
    request = httpx.Request("POST", "http://here", **given)
    return request.read(), request.headers["content-type"]


def test_files_and_fields_come_back_as_they_were() -> None:
    data = bytes(range(256)) * 300 + b"\r\n--"
    body, kind = encoded(
        files=[("image", ("süß.png", data, "image/png")), ("image", ("b.png", b"", "image/png"))],
        data={"title": "Größe 38\r\nblue"},
    )
    parts = {(part.name, part.filename): part for part in read_form(body, kind, most=3)}
    assert parts["title", None].text() == "Größe 38\r\nblue"
    assert parts["image", "b.png"].data == b""
    (first,) = [part for key, part in parts.items() if key[0] == "image" and key[1] != "b.png"]
    assert first.data == data


def test_what_is_no_form_is_told() -> None:
    body, kind = encoded(files={"image": ("a.png", b"abc", "image/png")})
    for bad, its_kind, why in (
        (body, "multipart/form-data", "no boundary"),
        (body[:-20], kind, "ends early"),
        (b"", kind, "ends early"),
        (b"not a form", kind, "cannot be read"),
    ):
        with pytest.raises(RequestError, match=why) as caught:
            read_form(bad, its_kind, most=3)
        assert (caught.value.status, caught.value.code) == (400, "not_a_form")
    with pytest.raises(RequestError, match="more than 0 parts"):
        read_form(body, kind, most=0)


def test_a_field_that_is_no_text_is_refused() -> None:
    body, kind = encoded(files={"title": (None, b"\xff\xfe")})
    (part,) = read_form(body, kind, most=1)
    with pytest.raises(RequestError, match="no UTF-8"):
        part.text()


def test_too_many_pictures_are_refused(api: Any, png: bytes) -> None:
    files = [("image", (f"{place}.png", png, "image/png")) for place in range(9)]
    answer = api.post("/v1/classify", files=files)
    assert answer.status_code == 422
    assert "at most 8 pictures" in answer.json()["error"]["message"]
    assert api.post("/v1/classify", files=files[:2]).status_code == 200
