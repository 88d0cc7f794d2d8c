"""A server in this process on tiny bundles, asked over ASGI."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

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
