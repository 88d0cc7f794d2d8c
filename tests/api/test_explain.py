"""Explanations over HTTP: from answers alone, and the same as from the bundle."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shelfwise.api.explaining import WAITING, Explaining
from shelfwise.api.problems import RequestError
from shelfwise.errors import DataError
from shelfwise.explain.served import ServedExplainer
from shelfwise.predict.products import ProductPredictor
from shelfwise.schema import Picture, Product


@pytest.fixture
def product(png: bytes) -> dict[str, Any]:
    return {"title": "blue dress", "pictures": [{"data": base64.b64encode(png).decode()}]}


def test_all_parts_are_there_and_as_the_bundle_says(
    api: Any, product: dict[str, Any], png: bytes, bundles: dict[str, Path]
) -> None:
    found = api.post("/v1/explain", json={"product": product}).json()
    predictor = ProductPredictor.load(bundles["products"], precision="int8")  # as served
    given = Product(id="product", images=(Picture(data=png),), title="blue dress")
    expected = ServedExplainer(predictor).explain(given)
    assert found["label"] == expected.label
    assert found["modalities"] == pytest.approx(expected.modalities, abs=1e-6)
    assert sum(found["modalities"].values()) + found["prior"] == pytest.approx(found["probability"], abs=1e-5)
    assert [word["text"] for word in found["words"]] == ["blue", "dress"]
    (picture,) = found["pictures"]
    assert [each["asks"] for each in picture["maps"]] == ["class", "contrast"]
    grid = picture["maps"][0]["grid"]
    assert len(grid) == 8
    assert found["neighbours"]
    assert "gradients" in found["missing"]


def test_another_class_and_another_target_may_be_asked_for(api: Any, product: dict[str, Any]) -> None:
    asked = api.post("/v1/explain", json={"product": product}).json()
    rival = asked["rival"]["label"]
    other = api.post("/v1/explain", json={"product": product, "label": rival}).json()
    assert other["label"] == rival
    assert other["answer"] == asked["answer"]
    colour = api.post("/v1/explain", json={"product": product, "target": "colour"}).json()
    assert colour["target"] == "colour"
    for wrong, named in (({"target": "nothing"}, "target"), ({"label": "nothing"}, "class")):
        refused = api.post("/v1/explain", json={"product": product, **wrong})
        assert refused.status_code == 422
        assert refused.json()["error"]["message"].startswith(f"{named} 'nothing' is none of")
    assert api.post("/v1/explain", json={"product": {}}).status_code == 422


def test_a_picture_alone_is_explained_by_a_pictures_bundle(
    served: Callable[..., Any], product: dict[str, Any]
) -> None:
    found = served("pictures").post("/v1/explain", json={"product": product}).json()
    assert found["known"] == ["picture"]
    assert found["pictures"][0]["maps"][0]["grid"]
    assert set(found["missing"]) >= {"words", "modalities"}
    titled = served("pictures").post("/v1/explain", json={"product": {"title": "red shoe"}})
    assert titled.status_code == 422
    assert titled.json()["error"]["message"] == "the bundle 'pictures' reads pictures, and there is none"


def test_a_deadline_frees_a_place_only_when_the_thread_is_done(
    served: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    go, names = threading.Event(), []

    def slow(self: object, product: Product, **_: object) -> None:
        names.append(threading.current_thread().name)
        go.wait(30)
        raise DataError("enough")

    monkeypatch.setattr(ServedExplainer, "explain", slow)
    api = served("products")

    def ask(seconds: str) -> int:
        asked = {"product": {"title": "blue dress"}}
        return int(api.post("/v1/explain", json=asked, headers={"x-deadline-s": seconds}).status_code)

    assert [ask("0.05") for _ in range(4)] == [504] * 4  # two are made, two that waited have left
    assert len(names) == 2
    assert api.get("/health/ready").status_code == 200  # which has other threads
    go.set()
    assert ask("10") == 422
    assert all(name.startswith("explain") for name in names)


def test_a_crowd_of_explanations_is_refused() -> None:
    go = threading.Event()

    async def crowd() -> list[object]:
        explaining = Explaining()
        taken = [asyncio.create_task(explaining.run(go.wait)) for _ in range(WAITING)]
        await asyncio.sleep(0)
        taken[0].cancel()  # its thread goes on
        await asyncio.sleep(0)
        with pytest.raises(RequestError, match="too many"):
            await explaining.run(go.wait)
        taken[-1].cancel()  # it has no thread yet
        await asyncio.sleep(0)
        last = asyncio.create_task(explaining.run(go.wait))
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(*taken[1:-1], last)

    assert asyncio.run(crowd()) == [True] * (WAITING - 1)


def test_serving_an_explanation_needs_no_torch(bundles: dict[str, Path]) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from shelfwise.api.app import create_app\n"
        "from shelfwise.config.serving import ServeConfig\n"
        "from shelfwise.explain.served import ServedExplainer\n"
        "from shelfwise.predict.products import ProductPredictor\n"
        "from shelfwise.schema import Product\n"
        f"create_app(ServeConfig(), ['p={bundles['products']}', 'r={bundles['reviews']}'])\n"
        f"predictor = ProductPredictor.load({str(bundles['products'])!r})\n"
        "print(ServedExplainer(predictor).explain(Product(id='a', title='blue dress')).label)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
