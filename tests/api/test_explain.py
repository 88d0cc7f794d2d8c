"""Explanations over HTTP: from answers alone, and the same as from the bundle."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
    predictor = ProductPredictor.load(bundles["products"])
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
