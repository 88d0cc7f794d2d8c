"""Where pictures are decoded: by their headers, so that few bytes with many pixels hold nobody up."""

from __future__ import annotations

import asyncio
import base64
import io
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image

from shelfwise.api import decoders
from shelfwise.api.decoders import Decoders
from shelfwise.data.pictures import decode
from shelfwise.schema import Picture


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4, thread_name_prefix="decode") as threads:
        yield threads


def encoded(width: int, height: int, form: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height), 128).save(file, form, **options)
    return file.getvalue()


def claiming(data: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header says another size."""
    found, place = bytearray(data), 2
    while data[place + 1] not in (0xC0, 0xC2):
        place += 2 + int(struct.unpack(">H", data[place + 2 : place + 4])[0])
    found[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(found)


def with_scans(data: bytes, count: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    return data[:-2] + data[data.rfind(b"\xff\xda") : -2] * count + data[-2:]


BOMB = claiming(encoded(64, 64, "JPEG", quality=1, progressive=True), 6300, 6300)
PROGRESSIVE = encoded(256, 256, "JPEG", quality=1, progressive=True)


@pytest.mark.parametrize(
    ("data", "thread"),
    [
        (encoded(28, 28), "MainThread"),
        (encoded(256, 256), "MainThread"),
        (encoded(256, 256, "JPEG"), "MainThread"),
        (PROGRESSIVE, "MainThread"),
        (with_scans(PROGRESSIVE, 100), "decode_0"),
        (encoded(257, 256), "decode_0"),
        (encoded(28, 28, "GIF"), "decode_0"),
        (encoded(5600, 5600, bits=1), "decode-large_0"),
        (BOMB, "decode-large_0"),
    ],
)
def test_a_picture_is_decoded_where_its_header_says(
    data: bytes, thread: str, pool: ThreadPoolExecutor
) -> None:
    assert len(data) < 40_000
    decoded: list[str] = []

    def work(at_once: int | None) -> None:
        decode(data, at_once=at_once)
        decoded.append(threading.current_thread().name)

    asyncio.run(Decoders(pool).run((Picture(data=data),), work))
    assert decoded == [thread]


def test_large_pictures_are_decoded_one_by_one_and_hold_up_no_others(pool: ThreadPoolExecutor) -> None:
    room, small_one = threading.Lock(), threading.Event()

    async def ask() -> None:
        here = Decoders(pool)

        def large(at_once: int | None) -> None:
            if at_once is not None:
                raise decoders.LargePictureError
            assert room.acquire(blocking=False)
            assert small_one.wait(10)
            room.release()

        def small(_: int | None) -> None:
            small_one.set()

        picture = (Picture(data=b"GIF8"),)
        works = [*[large] * 6, small]
        await asyncio.gather(*(here.run(picture, work) for work in works))

    asyncio.run(ask())


@pytest.mark.parametrize("task", ["pictures", "products"])
def test_many_pixels_in_few_bytes_keep_to_the_deadline(served: Callable[..., Any], task: str) -> None:
    api = served(task)
    items = [{"pictures": [{"data": base64.b64encode(BOMB).decode()}]}] * 32
    answer = api.post("/v1/classify", json={"items": items}, headers={"x-deadline-s": "0.2"})
    assert answer.status_code == 504
    assert api.post("/v1/classify", content=encoded(28, 28)).status_code == 200
