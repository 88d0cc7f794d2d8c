"""Clients as they are published, unmodified, against a running server."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shelfwise.predict.products import ProductPredictor

TITLES = ["blue dress", "red shirt"]

TRITON = """
import sys, numpy as np
import tritonclient.http as triton
client = triton.InferenceServerClient(sys.argv[1])
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("products")
assert client.get_server_metadata()["name"] == "shelfwise"
assert client.get_model_metadata("products")["name"] == "products"
picture = open(sys.argv[2], "rb").read()
for binary in (True, False):
    titles = triton.InferInput("title", [2], "BYTES")
    titles.set_data_from_numpy(np.array([b"blue dress", b"red shirt"], dtype=object), binary_data=binary)
    inputs = [titles]
    if binary:
        pictures = triton.InferInput("picture", [2], "BYTES")
        pictures.set_data_from_numpy(np.array([picture, picture], dtype=object))
        inputs.append(pictures)
    label = triton.InferRequestedOutput("label")
    wanted = [triton.InferRequestedOutput("category", binary_data=binary), label]
    for outputs in (None, wanted):
        found = client.infer("products", inputs, outputs=outputs, request_id="7")
        rows = found.as_numpy("category")
        assert rows.shape[0] == 2 and np.allclose(rows.sum(1), 1, atol=1e-3), rows
        assert found.as_numpy("label").shape == (2,)
try:
    client.infer("nobody", [titles])
except triton.InferenceServerException as error:
    assert "no model 'nobody'" in error.message()
print("good")
"""


@pytest.fixture(scope="module")
def address(start_shared: Callable[..., int]) -> str:
    return f"127.0.0.1:{start_shared('products', 'reviews')}"


def test_openais_client_embeds(address: str, bundles: dict[str, Path], png: bytes) -> None:
    openai = pytest.importorskip("openai", reason="openai's client is not installed")
    expected = ProductPredictor.load(bundles["products"]).embed_texts(TITLES)
    with openai.OpenAI(base_url=f"http://{address}/v1", api_key="any", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["products", "reviews"]
        assert client.models.retrieve("products").owned_by == "shelfwise"
        for form in ({}, {"encoding_format": "float"}, {"encoding_format": "base64"}):
            found = client.embeddings.create(model="products", input=TITLES, **form)
            vectors = [
                np.frombuffer(base64.b64decode(item.embedding), "<f4")
                if isinstance(item.embedding, str)
                else item.embedding
                for item in found.data
            ]
            assert np.allclose(vectors, expected, atol=1e-5)
        uri = "data:image/png;base64," + base64.b64encode(png).decode()
        picture = client.embeddings.create(model="products", input=[uri], extra_body={"modality": "image"})
        assert np.linalg.norm(picture.data[0].embedding) == pytest.approx(1, abs=1e-4)
        with pytest.raises(openai.BadRequestError, match="dimensions"):
            client.embeddings.create(model="products", input="x", dimensions=3)
        with pytest.raises(openai.NotFoundError, match="text-embedding-3-small"):
            client.embeddings.create(model="text-embedding-3-small", input="x")


def test_tritons_client_infers(address: str, png: bytes, tmp_path: Path) -> None:
    pytest.importorskip("tritonclient", reason="tritonclient is not installed")
    picture = tmp_path / "a.png"
    picture.write_bytes(png)
    # In a process of its own: gevent changes the whole process that imports it.
    done = subprocess.run(
        [sys.executable, "-c", TRITON, address, str(picture)], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "good", done.stderr


def test_curl_has_an_answer_in_every_form_of_the_walk(address: str, png: bytes, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    picture = tmp_path / "shoe.png"
    picture.write_bytes(png)

    def curl(*arguments: str) -> Any:
        done = subprocess.run(["curl", "-s", *arguments], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    raw = curl("--data-binary", f"@{picture}", "-H", "Content-Type: image/png", f"{address}/v1/classify")
    form = curl("-F", f"image=@{picture}", f"{address}/v1/classify")
    assert raw == form
    both = curl("-F", f"image=@{picture}", "-F", "title=blue dress", f"{address}/v1/classify")
    assert both["status"] == "ok"
    body = {"title": "blue dress", "reviews": [{"text": "Runs small, but lovely."}]}
    kind = ("-H", "Content-Type: application/json")
    analysis = curl(*kind, "-d", json.dumps(body), f"{address}/v1/products/analyze")
    assert analysis["category"]["labels"]
    assert analysis["reviews"]["reviews"] == 1
