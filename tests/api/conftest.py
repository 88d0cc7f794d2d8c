"""A server in this process on tiny bundles, asked over ASGI."""

from __future__ import annotations

import asyncio
import io
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from PIL import Image
from served import begin_server, port_of

from shelfwise.api.app import create_app
from shelfwise.config.serving import ServeConfig


class Client:
    """Asks an application; every call runs in an event loop of its own."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, method: str, path: str, **given: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                return await client.request(method, path, **given)

        return asyncio.run(ask())

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self("GET", path, **given)

    def post(self, path: str, **given: Any) -> httpx.Response:
        return self("POST", path, **given)


@pytest.fixture(scope="session")
def png() -> bytes:
    pixels = np.full((40, 30, 3), 255, np.uint8)
    pixels[8:32, 6:24] = (30, 60, 160)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def bundles(tiny_bundle: Path, tiny_products_bundle: Path, tiny_reviews_bundle: Path) -> dict[str, Path]:
    return {"pictures": tiny_bundle, "products": tiny_products_bundle, "reviews": tiny_reviews_bundle}


@pytest.fixture(scope="session")
def served(bundles: dict[str, Path]) -> Callable[..., Client]:
    """A server on the bundles of some tasks, all when none are named."""

    def start(*tasks: str, **settings: Any) -> Client:
        paths = [f"{task}={bundles[task]}" for task in (tasks or ("products", "reviews"))]
        return Client(create_app(ServeConfig.model_validate(settings), paths))

    return start


@pytest.fixture(scope="session")
def api(served: Callable[..., Client]) -> Client:
    return served()


@pytest.fixture
def start(bundles: dict[str, Path]) -> Iterator[Callable[..., tuple[subprocess.Popen[str], int]]]:
    """Start `shelfwise serve` on the bundles of tasks: its process and port. Ended after the test."""
    processes: list[subprocess.Popen[str]] = []

    def begin(*tasks: str, options: tuple[str, ...] = ()) -> tuple[subprocess.Popen[str], int]:
        processes.append(begin_server(bundles, tasks, options))
        return processes[-1], port_of(processes[-1])

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def start_shared(bundles: dict[str, Path]) -> Iterator[Callable[..., int]]:
    """As `start`, for all tests of a file: the port."""
    processes: list[subprocess.Popen[str]] = []

    def begin(*tasks: str) -> int:
        processes.append(begin_server(bundles, tasks))
        return port_of(processes[-1])

    yield begin
    for process in processes:
        process.kill()
        process.communicate()
