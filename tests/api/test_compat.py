"""Other systems' forms, as their documentation has them."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shelfwise.predict.products import ProductPredictor

TITLES = ["blue dress", "red shirt", "a green bag"]


def test_embeddings_are_the_bundles_in_both_encodings(api: Any, bundles: dict[str, Path]) -> None:
    expected = ProductPredictor.load(bundles["products"]).embed_texts(TITLES)
    plain = api.post("/v1/embeddings", json={"input": TITLES, "model": "products"}).json()
    assert plain["object"] == "list"
    assert plain["model"] == "products"
    assert [item["index"] for item in plain["data"]] == [0, 1, 2]
    assert np.allclose([item["embedding"] for item in plain["data"]], expected, atol=1e-6)
    assert plain["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    packed = api.post("/v1/embeddings", json={"input": TITLES[0], "encoding_format": "base64"}).json()
    vector = np.frombuffer(base64.b64decode(packed["data"][0]["embedding"]), "<f4")
    assert np.allclose(vector, expected[0], atol=1e-6)


def test_what_a_client_leaves_null_is_left_out(api: Any) -> None:
    plain = api.post("/v1/embeddings", json={"input": "red shoe"}).json()
    null = {"encoding_format": None, "dimensions": None, "user": None, "modality": None, "model": None}
    assert api.post("/v1/embeddings", json={"input": "red shoe", **null}).json() == plain
    asked = {"query": "a", "texts": ["a", "b"], "return_text": None, "raw_scores": None}
    assert api.post("/rerank", json=asked).status_code == 200


def test_pictures_are_embedded_by_modality_and_among_texts(api: Any, png: bytes) -> None:
    uri = "data:image/png;base64," + base64.b64encode(png).decode()
    infinity = api.post("/v1/embeddings", json={"input": [uri], "modality": "image"}).json()
    jina = api.post("/v1/embeddings", json={"input": [{"text": "blue dress"}, {"image": uri}]}).json()
    vectors = [item["embedding"] for item in jina["data"]]
    assert np.allclose(vectors[1], infinity["data"][0]["embedding"], atol=1e-6)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert not np.allclose(vectors[0], vectors[1], atol=1e-3)


@pytest.mark.parametrize(
    ("given", "status", "param"),
    [
        ({"input": "x", "dimensions": 7}, 400, "dimensions"),
        ({"input": [1, 2]}, 400, "input"),
        ({"input": [[1], [2]]}, 400, "input"),
        ({"input": ""}, 400, "input"),
        ({"input": []}, 422, "input"),
        ({"input": "x", "model": "text-embedding-3-small"}, 404, "model"),
        ({"input": "x", "encoding_format": "hex"}, 422, "encoding_format"),
        ({"input": "data:image/png;base64,aGFs", "modality": "image"}, 400, "input"),
    ],
)
def test_openais_problems_have_openais_form(api: Any, given: dict[str, Any], status: int, param: str) -> None:
    response = api.post("/v1/embeddings", json=given)
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["param"].startswith(param)


def test_the_vectors_own_length_may_be_asked_for(api: Any) -> None:
    width = len(api.post("/v1/embeddings", json={"input": "x"}).json()["data"][0]["embedding"])
    assert api.post("/v1/embeddings", json={"input": "x", "dimensions": width}).status_code == 200


def test_models_are_listed_with_what_they_can_tell(api: Any) -> None:
    found = api.get("/v1/models").json()
    assert found["object"] == "list"
    assert [model["id"] for model in found["data"]] == ["products", "reviews"]
    assert found["data"][0]["object"] == "model"
    assert found["data"][0]["created"] > 1_600_000_000
    assert found["data"][0]["targets"]["category"]
    assert api.get("/v1/models/products").json()["task"] == "products"
    assert api.get("/v1/models/nobody").json()["error"]["code"] == "model_not_found"


def test_cohere_has_results_in_order_and_the_scorers_name(api: Any) -> None:
    asked = {"model": "products", "query": "red shirt", "documents": TITLES, "top_n": 2}
    found = api.post("/v2/rerank", json=asked).json()
    assert found["results"][0]["index"] == 1
    assert len(found["results"]) == 2
    scores = [result["relevance_score"] for result in found["results"]]
    assert 1 >= scores[0] > scores[1] >= 0
    assert "cosine of" in found["meta"]["scorer"]
    problem = api.post("/v2/rerank", json={"query": "x", "documents": []})
    assert problem.status_code == 422
    assert set(problem.json()) == {"id", "message"}


def test_without_vectors_words_rank(served: Callable[..., Any]) -> None:
    api = served("reviews")
    found = api.post("/v2/rerank", json={"query": "green", "documents": TITLES}).json()
    assert found["results"][0] == {"index": 2, "relevance_score": pytest.approx(0.41, abs=0.01)}
    assert found["results"][1]["relevance_score"] == 0
    assert found["meta"]["scorer"] == "bm25"


def test_rerank_answers_tei_and_infinity_each_in_their_form(api: Any) -> None:
    tei = api.post("/rerank", json={"query": "red shirt", "texts": TITLES, "return_text": True}).json()
    assert tei[0]["index"] == 1
    assert set(tei[0]) == {"index", "score", "text"}
    infinity = api.post(
        "/rerank", json={"query": "red shirt", "documents": TITLES, "return_documents": True, "top_n": 1}
    ).json()
    assert infinity["object"] == "rerank"
    assert infinity["results"][0]["document"] == "red shirt"
    assert len(infinity["results"]) == 1
    assert set(api.post("/rerank", json={}).json()) == {"error", "error_type"}


def test_a_wrong_body_is_told_of_in_the_terms_of_its_form(api: Any) -> None:
    told = [
        api.post("/rerank", json={"query": "x", "documents": [1]}),
        api.post("/rerank", json={"query": "x"}),
        api.post("/v1/products/analyze", json={"items": [{"title": "a"}, {"title": 5}]}),
        api.post("/v1/classify", json={"items": [{"title": "a"}, {"title": 5}]}),
        api.post("/v1/classify", json={"title": 5}),
    ]
    assert [one.status_code for one in told] == [422] * 5
    messages = [one.json()["error"] for one in told]
    assert messages[0].startswith("documents.0: ")
    assert messages[1] == "texts: Field required"
    assert [one["field"] for one in messages[2:]] == ["items.1.title", "items.1.title", "title"]


def test_infinitys_health_is_there(api: Any) -> None:
    assert api.get("/health").json()["unix"] > 1e9


def test_classify_labels_titles_and_reviews(api: Any) -> None:
    titles = api.post("/classify", json={"input": TITLES}).json()
    assert len(titles["data"]) == 3
    scores = [label["score"] for label in titles["data"][0]]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1, abs=1e-3)
    moods = api.post("/classify", json={"input": ["I love it."], "model": "reviews"}).json()
    assert {label["label"] for label in moods["data"][0]} == {"negative", "neutral", "positive"}


def test_the_inference_protocol_knows_versions(api: Any) -> None:
    version = api.get("/v2/models/products").json()["versions"][0]
    path = f"/v2/models/products/versions/{version}"
    assert api.get(path).json() == api.get("/v2/models/products").json()
    assert api.get(f"{path}/ready").json()["ready"]
    inputs = [{"name": "title", "shape": [1], "datatype": "BYTES", "data": ["red shoe"]}]
    assert api.post(f"{path}/infer", json={"inputs": inputs}).json()["model_version"] == version
    other = api.post("/v2/models/products/versions/1/infer", json={"inputs": inputs})
    assert other.status_code == 404
    assert version in other.json()["error"]


def test_the_inference_protocol_describes_its_models(api: Any) -> None:
    assert api.get("/v2").json()["name"] == "shelfwise"
    assert api.get("/v2/health/live").status_code == 200
    assert api.get("/v2/health/ready").json() == {"ready": True}
    told = api.get("/v2/models/products").json()
    assert [tensor["name"] for tensor in told["inputs"]] == ["picture", "title"]
    assert {"name": "label", "datatype": "BYTES", "shape": [-1]} in told["outputs"]
    assert api.get("/v2/models/products/ready").json()["ready"] is True
    assert api.get("/v2/models/nobody").json() == {
        "error": "there is no model 'nobody'; there are: products, reviews"
    }


def test_inference_answers_in_json_and_in_binary(api: Any, png: bytes) -> None:
    picture = base64.b64encode(png).decode()
    inputs = [
        {"name": "picture", "shape": [2], "datatype": "BYTES", "data": [picture, picture]},
        {"name": "title", "shape": [2], "datatype": "BYTES", "data": TITLES[:2]},
    ]
    plain = api.post("/v2/models/products/infer", json={"id": "7", "inputs": inputs}).json()
    assert (plain["id"], plain["model_name"]) == ("7", "products")
    outputs = {tensor["name"]: tensor for tensor in plain["outputs"]}
    assert outputs["label"]["shape"] == [2]
    rows, width = outputs["category"]["shape"]
    assert np.reshape(outputs["category"]["data"], (rows, width)).sum(1) == pytest.approx(1, abs=1e-4)
    raw = b"".join(struct.pack("<I", len(part)) + part for part in (png, png))
    words = b"".join(struct.pack("<I", len(part)) + part for part in (title.encode() for title in TITLES[:2]))
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": name,
                    "shape": [2],
                    "datatype": "BYTES",
                    "parameters": {"binary_data_size": len(part)},
                }
                for name, part in (("picture", raw), ("title", words))
            ],
            "outputs": [{"name": "category", "parameters": {"binary_data": True}}],
        }
    ).encode()
    response = api.post(
        "/v2/models/products/infer",
        content=head + raw + words,
        headers={"inference-header-content-length": str(len(head))},
    )
    length = int(response.headers["inference-header-content-length"])
    (told,) = json.loads(response.content[:length])["outputs"]
    found = np.frombuffer(response.content[length:], "<f4").reshape(told["shape"])
    assert np.allclose(found.reshape(-1), outputs["category"]["data"], atol=1e-5)


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ([], "inputs"),
        ([{"name": "who", "shape": [1], "datatype": "BYTES", "data": ["x"]}], "none of this model's"),
        ([{"name": "title", "shape": [2], "datatype": "BYTES", "data": ["x"]}], "not 2 texts"),
        ([{"name": "title", "shape": [-1], "datatype": "BYTES", "data": ["x"]}], "negative"),
        ([{"name": "title", "shape": [1 << 40], "datatype": "BYTES", "data": ["x"]}], "more than"),
        ([{"name": "title", "shape": [1], "datatype": "FP16", "data": [1]}], "FP16"),
        ([{"name": "title", "shape": [1], "datatype": "BYTES"}], "no data"),
        (
            [{"name": "title", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 9}}],
            "no 9 bytes",
        ),
        ([{"name": "picture", "shape": [1], "datatype": "BYTES", "data": ["PGh0bWw+"]}], "row 0"),
    ],
)
def test_unfit_tensors_are_refused_in_the_protocols_form(api: Any, inputs: list[Any], why: str) -> None:
    response = api.post("/v2/models/products/infer", json={"inputs": inputs})
    assert 400 <= response.status_code < 500
    assert list(response.json()) == ["error"]
    assert why in response.json()["error"]
