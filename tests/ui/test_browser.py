"""The main paths in a real browser, at a desk's width and a phone's; skipped without Chromium."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ui_reviews import csv_of

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = 120_000
WIDTHS = (1280, 390)
pytest.importorskip("playwright", reason="playwright is not installed (extra dev)")
pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason="Chromium is not installed; on Debian run: apt-get install chromium"
)


@pytest.fixture(scope="module")
def page_url(api_url: str) -> Iterator[str]:
    """The page as `shelfwise ui` serves it, over an API with everything."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-c", "from shelfwise.cli import main; main()"]
    process = subprocess.Popen(
        [*command, "ui", "--api", api_url, "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(480):
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=5).close()
            break
        except OSError:
            assert process.poll() is None
            time.sleep(0.25)
    yield url
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS, timeout=WAIT_MS)
        yield browser
        browser.close()


@pytest.fixture(params=WIDTHS)
def tab(request: pytest.FixtureRequest, chromium: Any, page_url: str) -> Iterator[Callable[[str], Any]]:
    """Open a page; at the end nothing may stick out at its side, no error came, and nobody else was asked."""
    context = chromium.new_context(viewport={"width": request.param, "height": 900})
    tab = context.new_page()
    tab.set_default_timeout(WAIT_MS)
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    asked: set[str] = set()
    tab.on("request", lambda request: asked.add(urlsplit(request.url).hostname or "127.0.0.1"))

    def open_page(path: str) -> Any:
        tab.goto(f"{page_url}/{path}")
        tab.locator(".sw h1").wait_for()
        return tab

    yield open_page
    assert errors == []
    assert asked == {"127.0.0.1"}  # nothing is fetched from, or told to, anybody else
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    folder = os.environ.get("SHELFWISE_SCREENSHOTS")
    if folder:
        name = request.node.originalname.removeprefix("test_")
        photograph(tab, request.param, Path(folder) / f"{name}-{request.param}.png")
    context.close()


def photograph(tab: Any, width: int, file: Path) -> None:
    """The whole page as it is now, not only what fits the window."""
    file.parent.mkdir(parents=True, exist_ok=True)
    height = tab.evaluate("document.querySelector('.stMain').scrollHeight")
    tab.set_viewport_size({"width": width, "height": min(6000, height)})
    tab.wait_for_timeout(1500)
    tab.screenshot(path=str(file))


def wait_for_pictures(tab: Any, count: int) -> None:
    """Until every hit has a picture that the browser could draw."""
    drawn = "[...document.querySelectorAll('.hit .picture img')].filter(one => one.naturalWidth > 0).length"
    tab.wait_for_function(f"{drawn} === {count}")


def test_a_picture_is_dropped_and_analysed(tab: Any, picture: bytes) -> None:
    page = tab("")
    file = {"name": "shirt.png", "mimeType": "image/png", "buffer": picture}
    page.locator("input[type=file]").first.set_input_files(file)
    page.get_by_text("shirt.png").first.wait_for()
    page.get_by_label("Title").fill("Alder blue denim shirt 3")
    page.get_by_label("Reviews, one a line").fill("5: The fabric is soft and it fits.\n1: It fell apart.")
    page.get_by_role("button", name="Analyse", exact=True).click()
    page.get_by_role("heading", name="In their own words").wait_for()
    assert page.locator(".sw .step").last.inner_text()
    assert page.locator(".sw .review").count() == 2
    page.get_by_role("button", name="Find similar products").click()
    page.get_by_text("1 to 8 of 240").wait_for()
    wait_for_pictures(page, 8)


def test_words_find_products(tab: Any) -> None:
    page = tab("search")
    page.get_by_text("1 to 12 of 240").wait_for()
    page.get_by_label("Words").first.fill("blue shirt")
    page.get_by_role("button", name="Search", exact=True).click()
    page.locator(".sw mark.hit").first.wait_for()
    wait_for_pictures(page, 12)


def test_a_file_of_reviews_is_read(tab: Any) -> None:
    page = tab("reviews")
    file = {"name": "reviews.csv", "mimeType": "text/csv", "buffer": csv_of(130)}
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Analyse 130 reviews").click()
    page.get_by_role("button", name="Download all answers").wait_for()
    assert page.locator(".stVegaLiteChart").count() >= 1


def test_bundles_and_counts_are_shown(tab: Any) -> None:
    page = tab("models")
    page.get_by_text("Since the server began").wait_for()
    assert page.locator(".chip.good").count() == 2
