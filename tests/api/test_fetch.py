"""Pictures from addresses: public hosts only, at every redirect, and never by a second look-up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest

from shelfwise.api.fetch import Fetcher, is_public
from shelfwise.errors import PictureError

HOSTS = {
    "shop.example": ["93.184.216.34"],
    "other.example": ["93.184.216.35"],
    "inside.example": ["10.0.0.7"],
    "both.example": ["93.184.216.34", "127.0.0.1"],
    "gone.example": [],
}


class Bytes(httpx.AsyncByteStream):
    """A body that comes over a wire."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._data


async def resolver(host: str, port: int) -> list[str]:
    return HOSTS.get(host, [host])


def fetched(
    url: str, answer: httpx.Response | None = None, most: int = 100
) -> tuple[bytes, list[httpx.Request]]:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.url.path == "/to-inside":
            return httpx.Response(302, headers={"location": "http://inside.example/a.png"})
        if request.url.path == "/to-metadata":
            return httpx.Response(302, headers={"location": "http://169.254.169.254/latest"})
        if request.url.path == "/to-other":
            return httpx.Response(302, headers={"location": "//other.example/a.png"})
        if request.url.path == "/round":
            return httpx.Response(302, headers={"location": "/round"})
        return answer or httpx.Response(200, stream=Bytes(b"picture"))

    async def get() -> bytes:
        fetcher = Fetcher(most, resolver=resolver, transport=httpx.MockTransport(handle))
        try:
            return await fetcher.get(url)
        finally:
            await fetcher.close()

    return asyncio.run(get()), seen


def test_the_checked_address_is_what_is_connected_to() -> None:
    found, (request,) = fetched("https://shop.example/a.png?size=2")
    assert found == b"picture"
    assert str(request.url) == "https://93.184.216.34/a.png?size=2"
    assert request.headers["host"] == "shop.example"
    assert request.extensions["sni_hostname"] == "shop.example"


def test_a_redirect_to_another_public_host_is_followed() -> None:
    found, requests = fetched("http://shop.example/to-other")
    assert found == b"picture"
    assert [request.url.host for request in requests] == ["93.184.216.34", "93.184.216.35"]


@pytest.mark.parametrize(
    "url",
    [
        "http://inside.example/a.png",
        "http://both.example/a.png",
        "http://gone.example/a.png",
        "http://127.0.0.1/a.png",
        "http://[::1]/a.png",
        "http://[::ffff:127.0.0.1]/a.png",
        "http://[64:ff9b::7f00:1]/a.png",
        "http://169.254.169.254/latest/meta-data",
        "http://2130706433/a.png",
        "http://0/a.png",
        "http://shop.example/to-inside",
        "http://shop.example/to-metadata",
    ],
)
def test_nothing_inside_is_reached(url: str) -> None:
    with pytest.raises(PictureError, match="no public address"):
        fetched(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/passwd", "only plain http"),
        ("ftp://shop.example/a.png", "only plain http"),
        ("http://user:word@shop.example/a.png", "only plain http"),
        ("http://shop.example:8080/a.png", "usual ports"),
        ("http://", "only plain http"),
        ("http://[bad", "no address"),
        ("http://shop.example/round", "redirects"),
    ],
)
def test_odd_addresses_are_refused(url: str, why: str) -> None:
    with pytest.raises(PictureError, match=why) as caught:
        fetched(url)
    assert caught.value.kind == "picture_url"


def test_large_and_failed_answers_are_refused() -> None:
    with pytest.raises(PictureError, match="more than"):
        fetched("http://shop.example/a.png", httpx.Response(200, stream=Bytes(b"x" * 101)))
    with pytest.raises(PictureError, match="answers 404"):
        fetched("http://shop.example/a.png", httpx.Response(404))


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1", True),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("2002:7f00:1::", False),
        ("::7f00:1", False),
        ("::ffff:0:7f00:1", False),
        ("fec0::1", False),
        ("3fff::1", False),
        ("4000::1", False),
        ("no address", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public
