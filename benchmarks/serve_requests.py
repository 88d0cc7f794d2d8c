"""What `serve_mixed.py` sends, and when: good requests of several kinds, and hostile ones among them.

Everything follows from a seed, so that two runs send the same bytes at the same times.
"""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import serve_load
from PIL import Image

MIX = {"classify": 0.35, "analyze": 0.25, "embeddings": 0.2, "search": 0.1, "rerank": 0.1}
"""Shares of good requests; those that the server cannot answer leave theirs to the others."""
HOSTILE = 0.05
VARIANTS = 16
"""Different bodies of a kind."""
JSON = "application/json"


@dataclass(frozen=True)
class Wanted:
    """One request as bytes."""

    kind: str
    data: bytes
    hostile: bool = False
    hangs_up: bool = False
    """Whether the caller leaves without waiting for an answer."""


@dataclass(frozen=True)
class Planned:
    """A request and its time, in seconds from the beginning."""

    at: float
    request: Wanted


def plan(
    good: Mapping[str, Sequence[Wanted]], hostile: Sequence[Wanted], *, rate: float, seconds: float, seed: int
) -> Iterator[Planned]:
    """Requests at random times, `rate` a second in the mean, whether or not the server keeps up."""
    rng = np.random.default_rng(seed)
    kinds = [kind for kind in MIX if kind in good]
    shares = np.array([MIX[kind] for kind in kinds])
    shares /= shares.sum()
    at = rng.exponential(1 / rate)
    while at < seconds:
        some = hostile if rng.random() < HOSTILE else good[kinds[rng.choice(len(kinds), p=shares)]]
        yield Planned(at, some[rng.integers(len(some))])
        at += rng.exponential(1 / rate)


def good_requests(
    *, products: bool, pictures: bool, vectors: bool, search: bool, seed: int
) -> dict[str, list[Wanted]]:
    """Requests that a server should answer with 200, by what is open: bundles, vectors, an index."""
    rng = np.random.default_rng(seed)
    photos = [photo(rng) for _ in range(VARIANTS)]
    titles = serve_load.texts(10, VARIANTS)
    reviews = serve_load.texts(40, 3 * VARIANTS)
    found: dict[str, list[Wanted]] = {}
    if pictures or products:
        model = "?model=pictures" if pictures else ""
        found["classify"] = [_post("classify", f"/v1/classify{model}", one, "image/jpeg") for one in photos]
        found["analyze"] = [
            _asked(
                "analyze", "/v1/products/analyze", _product(photos[n], titles[n], reviews[3 * n : 3 * n + 3])
            )
            for n in range(VARIANTS)
        ]
    if vectors:
        found["embeddings"] = [_asked("embeddings", "/v1/embeddings", {"input": one}) for one in titles]
    if search:
        found["search"] = [
            _asked("search", "/v1/search", {"words": " ".join(one.split()[:3])}) for one in titles
        ]
    found["rerank"] = [
        _asked("rerank", "/v2/rerank", {"query": titles[n], "documents": titles[: n or 1]})
        for n in range(VARIANTS)
    ]
    return found


def hostile_requests(body_mb: float = 16.0) -> list[Wanted]:
    """One of each; `body_mb` is the server's limit."""
    rng = np.random.default_rng(0)
    png = serve_load.picture()
    whole = _post("half sent", "/v1/classify", photo(rng), "image/jpeg", hostile=True).data
    pictures = {
        "truncated PNG": png[: len(png) // 2],
        "HTML as JPEG": b"<html><body>no picture</body></html>",
        "bomb of 20,000 x 20,000": bomb(20_000),
        "bomb within the limit": bomb(6_000),
        "too large a body": bytes(round(1e6 * body_mb) + 1),
    }
    return [
        *(_post(kind, "/v1/classify", data, "image/jpeg", hostile=True) for kind, data in pictures.items()),
        _post("malformed JSON", "/v1/products/analyze", b'{"title": "a red ', JSON, hostile=True),
        _post("wrong content type", "/v1/products/analyze", b'{"title": "a"}', "text/plain", hostile=True),
        Wanted("half sent", whole[: len(whole) // 2], hostile=True, hangs_up=True),
    ]


def photo(rng: np.random.Generator) -> bytes:
    """A JPEG of 300 x 400 that is no flat colour."""
    coarse = rng.integers(0, 256, (8, 6, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((300, 400), Image.Resampling.BICUBIC).save(file, "JPEG")
    return file.getvalue()


def bomb(side: int) -> bytes:
    """A small PNG whose header promises side x side pixels, of which there are 10 million at most."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(min(side * (side + 1), 10_000_000)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _product(picture: bytes, title: str, reviews: Sequence[str]) -> dict[str, object]:
    return {
        "title": title,
        "pictures": [{"data": base64.b64encode(picture).decode()}],
        "reviews": [{"text": text, "rating": 1 + place} for place, text in enumerate(reviews)],
    }


def _asked(kind: str, path: str, body: object) -> Wanted:
    return _post(kind, path, json.dumps(body).encode(), JSON)


def _post(kind: str, path: str, body: bytes, media: str, *, hostile: bool = False) -> Wanted:
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {media}\r\ncontent-length: {len(body)}\r\n\r\n"
    return Wanted(kind, head.encode() + body, hostile)
