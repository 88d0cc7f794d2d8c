"""`shelfwise analyze`: one product, whatever is known of it, and the same answer as over HTTP."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from shelfwise.api.app import create_app
from shelfwise.cli import app
from shelfwise.config.serving import ServeConfig
from shelfwise.errors import BundleError, DataError

REVIEWS = [("Lovely colour, but it runs small.", 4), ("The seams came apart.", 1), ("I love it.", 5)]


@pytest.fixture
def shoe(tmp_path: Path) -> Path:
    pixels = np.full((40, 30, 3), 255, np.uint8)
    pixels[8:32, 6:24] = (30, 60, 160)
    Image.fromarray(pixels).save(tmp_path / "shoe.png")
    return tmp_path / "shoe.png"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    lines = ["text,rating", *(f'"{text}",{stars}' for text, stars in REVIEWS)]
    (tmp_path / "reviews.csv").write_text("\n".join(lines))
    return tmp_path / "reviews.csv"


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["analyze", *map(str, arguments)], catch_exceptions=False)


def test_the_command_and_the_api_say_the_same(
    shoe: Path, table: Path, tiny_products_bundle: Path, tiny_reviews_bundle: Path
) -> None:
    bundles = ("--bundle", tiny_products_bundle, "--bundle", tiny_reviews_bundle)
    told = run(shoe, "--title", "blue dress", "--reviews", table, *bundles, "--json")
    assert told.exit_code == 0, told.output
    here = json.loads(told.stdout)
    body = {
        "id": str(shoe),
        "pictures": [{"data": base64.b64encode(shoe.read_bytes()).decode()}],
        "title": "blue dress",
        "reviews": [
            {"id": each["id"], "text": text, "rating": stars}
            for each, (text, stars) in zip(here["opinions"], REVIEWS, strict=True)
        ],
    }
    served = create_app(ServeConfig(), [f"p={tiny_products_bundle}", f"r={tiny_reviews_bundle}"])

    async def ask() -> Any:
        transport = httpx.ASGITransport(served)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return (await client.post("/v1/products/analyze", json=body)).json()

    import asyncio

    there = asyncio.run(ask())
    for part in ("category", "attributes", "known", "missing", "by", "status"):
        assert there[part] == here[part], part
    assert there["reviews"]["stars"] == pytest.approx(here["reviews"]["stars"], abs=1e-6)
    assert [one["opinions"] for one in there["opinions"]] == [one["opinions"] for one in here["opinions"]]


def test_a_person_reads_it_and_is_told_what_is_missing(shoe: Path, tiny_bundle: Path) -> None:
    told = run(shoe, "--bundle", tiny_bundle)
    assert told.exit_code == 0
    assert told.stdout.startswith("category")
    assert "not told  attributes:" in told.stdout
    assert "not told  reviews:" in told.stdout
    assert "which has learned from" in told.stdout


def test_nothing_to_say_is_exit_code_1(tmp_path: Path, tiny_products_bundle: Path) -> None:
    (tmp_path / "page.jpg").write_bytes(b"<html>")
    told = run(tmp_path / "page.jpg", "--bundle", tiny_products_bundle)
    assert told.exit_code == 1
    assert "HTML page" in told.stdout


def test_a_bad_rating_fails_its_own_row(tmp_path: Path, tiny_reviews_bundle: Path) -> None:
    lines = ["text,rating", '"Lovely colour, but it runs small.",4', '"The seams came apart.",9']
    (tmp_path / "reviews.csv").write_text("\n".join([*lines, '"I love it.",5']))
    told = run("--reviews", tmp_path / "reviews.csv", "--bundle", tiny_reviews_bundle, "--json")
    assert told.exit_code == 0, told.output
    assert "left out: row 3: rating '9': expected whole stars, 1 to 5" in told.stderr
    said = json.loads(told.stdout)
    assert len(said["opinions"]) == 2
    assert said["reviews"]["given"] == [0, 0, 0, 1, 1]


def test_what_is_not_clear_is_refused(shoe: Path, tiny_bundle: Path, tiny_products_bundle: Path) -> None:
    with pytest.raises(DataError, match="name a picture"):
        run()
    with pytest.raises(DataError, match="same questions"):
        run(shoe, "--bundle", tiny_bundle, "--bundle", tiny_products_bundle)
    with pytest.raises(DataError, match="NAME=VALUE"):
        run(shoe, "--field", "price", "--bundle", tiny_products_bundle)


def test_without_a_bundle_the_packages_own_answer(
    shoe: Path, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path
) -> None:
    monkeypatch.setattr("shelfwise.service.models.default_bundle", lambda name: tiny_bundle)
    monkeypatch.setattr("shelfwise.service.models.DEFAULTS", ("pictures",))
    assert run(shoe).stdout.startswith("category")

    def none(name: str) -> Path:
        raise BundleError(f"this installation has no default bundle '{name}'")

    monkeypatch.setattr("shelfwise.service.models.default_bundle", none)
    with pytest.raises(BundleError, match="no default bundle 'pictures'"):
        run(shoe)


def test_the_readme_shows_what_the_default_bundles_answer() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    lines = (root / "README.md").read_text(encoding="utf-8").splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("$ shelfwise analyze examples/"))
    shown = lines[at + 1 : lines.index("...", at)]
    examples = root / "examples"
    told = run(
        examples / "pictures/sneaker.png", "--title", "Black sneaker", "--reviews", examples / "reviews.csv"
    )
    assert told.stdout.startswith("category  Sneaker 99.")
    quotes = [line for line in shown if '"' in line]
    assert len(quotes) == 3
    assert set(quotes) <= set(told.stdout.splitlines())
