"""A load generator that costs little: callers over kept connections, each with one request at a time."""

from __future__ import annotations

import asyncio
import io
import re
import time
from collections.abc import Sequence
from itertools import cycle

import numpy as np
from PIL import Image


class Load:
    """Requests to one path; with several bodies in turn."""

    def __init__(self, port: int, path: str, body: bytes | Sequence[bytes], kind: str) -> None:
        bodies = [body] if isinstance(body, bytes) else body
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: "
        self._requests = [f"{head}{len(one)}\r\n\r\n".encode() + one for one in bodies]
        self._port = port

    def run(self, callers: int, seconds: float) -> dict[str, float]:
        """Requests a second, and the median and 99th percentile of their times in milliseconds."""
        began = time.perf_counter()
        times = asyncio.run(self._all(callers, seconds))
        # Until the last answer, which comes after the time is up: slow answers are not counted for nothing.
        return {
            "per_second": len(times) / (time.perf_counter() - began),
            "p50_ms": 1000 * float(np.percentile(times, 50)),
            "p99_ms": 1000 * float(np.percentile(times, 99)),
        }

    async def _all(self, callers: int, seconds: float) -> list[float]:
        found = await asyncio.gather(*(self._caller(number, seconds) for number in range(callers)))
        return [time for times in found for time in times]

    async def _caller(self, number: int, seconds: float) -> list[float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        requests = cycle(self._requests[number % len(self._requests) :] + self._requests)
        times = []
        ends = time.perf_counter() + seconds
        try:
            while (began := time.perf_counter()) < ends:
                writer.write(next(requests))
                head = await reader.readuntil(b"\r\n\r\n")
                if not head.startswith(b"HTTP/1.1 200"):
                    raise RuntimeError(head.decode())
                lowered = head.lower()
                start = lowered.index(b"content-length:") + 15
                await reader.readexactly(int(lowered[start : lowered.index(b"\r", start)]))
                times.append(time.perf_counter() - began)
        finally:
            writer.close()
        return times


def picture() -> bytes:
    """A PNG as small as Fashion-MNIST's, drawn."""
    y, x = np.mgrid[:28, :28]
    pixels = np.where((abs(x - 14) < 7) & (y > 4) & (y < 25), 90 + 5 * y, 0).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def form(data: bytes, field: str, boundary: str = "shelf") -> tuple[bytes, str]:
    """A picture as the only file of a multipart form, and the form's content type."""
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="a.png"\r\n'
        "Content-Type: image/png\r\n\r\n"
    )
    return (
        head.encode() + data + f"\r\n--{boundary}--\r\n".encode(),
        f"multipart/form-data; boundary={boundary}",
    )


def texts(tokens: int, count: int) -> list[str]:
    """Texts of about so many tokens, from common words."""
    words = re.findall(
        r"\w+",
        "the dress is soft and fits well but it runs small in my usual size so order one up if "
        "you like a loose shirt with long sleeves a nice colour for summer and good quality fabric",
    )
    random = np.random.default_rng(0)
    return [" ".join(random.choice(words, tokens - 2)) for _ in range(count)]
