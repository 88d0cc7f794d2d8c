"""The Open Inference Protocol v2 (KServe, Triton): every bundle is a model with named inputs and outputs.

Pictures and texts are BYTES: encoded files, and UTF-8. A products bundle takes `picture`, `title`, or both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import Response

from shelfwise import __version__
from shelfwise.api.compat.tensors import (
    LENGTH_HEADER,
    InferRequest,
    Output,
    encoded_picture,
    read_request,
    write_answer,
)
from shelfwise.api.engines import PicturesEngine, ProductsEngine, ReviewsEngine, Scored
from shelfwise.api.items import each
from shelfwise.api.problems import RequestError
from shelfwise.api.state import Here, Json, Server, call_of, plain_json
from shelfwise.bundle import ProductsBundle
from shelfwise.data.cells import given_product
from shelfwise.predict.reviews import FEELINGS
from shelfwise.schema import Picture, Product, Review, ReviewPrediction
from shelfwise.service.models import OpenModel

In = TypeVar("In")
T = TypeVar("T")
router = APIRouter(tags=["Open Inference Protocol v2"])

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": "In the protocol's form."}
    for status in (400, 401, 404, 408, 413, 422, 429, 500, 503, 504)
}
INPUTS = {
    "pictures": ("picture",),
    "products": ("picture", "title"),
    "reviews": ("text",),
}
"""By the task of the bundle."""
_SCHEMA = InferRequest.model_json_schema()
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _SCHEMA},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.get("/v2", responses=_PROBLEMS)
async def server() -> Json:
    """What this server is."""
    return plain_json({"name": "shelfwise", "version": __version__, "extensions": ["binary_tensor_data"]})


@router.get("/v2/health/live", responses=_PROBLEMS)
async def live() -> Json:
    """The process answers."""
    return plain_json({"live": True})


@router.get("/v2/health/ready", responses=_PROBLEMS)
async def ready(here: Here) -> Json:
    """Every bundle has just answered a real question."""
    good = not here.draining and all(said == "ok" for said in (await here.models.test()).values())
    return plain_json({"ready": good}, 200 if good else 503)


@router.get("/v2/models/{name}", responses=_PROBLEMS)
@router.get("/v2/models/{name}/versions/{version}", responses=_PROBLEMS)
async def model(name: str, here: Here, version: str | None = None) -> Json:
    """A bundle's inputs and outputs."""
    found = _found(here, name, version)
    inputs = [{"name": one, "datatype": "BYTES", "shape": [-1]} for one in INPUTS[found.task]]
    outputs = [
        {
            "name": one,
            "datatype": "BYTES" if width is None else "FP32",
            "shape": [-1] if width is None else [-1, width],
        }
        for one, width in _outputs(here, name).items()
    ]
    told = {"name": name, "versions": [found.bundle.version], "platform": "onnxruntime_onnx"}
    return plain_json({**told, "inputs": inputs, "outputs": outputs})


@router.get("/v2/models/{name}/ready", responses=_PROBLEMS)
@router.get("/v2/models/{name}/versions/{version}/ready", responses=_PROBLEMS)
async def model_ready(name: str, here: Here, version: str | None = None) -> Json:
    """Whether the bundle has just answered a real question."""
    _found(here, name, version)
    good = not here.draining and (await here.models.test()).get(name) == "ok"
    return plain_json({"name": name, "ready": good}, 200 if good else 503)


@router.post("/v2/models/{name}/infer", responses=_PROBLEMS, openapi_extra=_BODY)
@router.post("/v2/models/{name}/versions/{version}/infer", responses=_PROBLEMS, openapi_extra=_BODY)
async def infer(name: str, request: Request, here: Here, version: str | None = None) -> Response:
    """Answers for the rows of the inputs."""
    _found(here, name, version)
    asked, inputs = read_request(await request.body(), request.headers.get(LENGTH_HEADER))
    with here.models.held(name) as engine:
        known = INPUTS[engine.model.task]
        for given, values in inputs.items():
            if given not in known or not isinstance(values, list):
                raise RequestError(
                    400, f"input '{given}' is none of this model's, which are BYTES: {', '.join(known)}"
                )
        lengths = {len(values) for values in inputs.values()}
        if len(lengths) != 1:
            raise RequestError(400, "all inputs must have as many rows")
        (rows,) = lengths
        here.asking.check_items(rows, "inputs")
        call_of(request).charge(rows)
        columns = {given: [bytes(value) for value in values] for given, values in inputs.items()}
        outputs = await _answers(here, engine, columns, rows)
        answered = engine.model.bundle.version
    body, headers = write_answer(asked, outputs, model=name, version=answered)
    return Response(body, headers=headers)


def _found(here: Server, name: str, version: str | None = None) -> OpenModel:
    """The model, in this version where one is named; RequestError 404."""
    for model in here.models:
        if model.name == name and version in (None, model.bundle.version):
            return model
        if model.name == name:
            there = model.bundle.version
            raise RequestError(404, f"model '{name}' has version {there} here, not '{version}'")
    raise RequestError(
        404, f"there is no model '{name}'; there are: {', '.join(m.name for m in here.models)}"
    )


def _outputs(here: Server, name: str) -> dict[str, int | None]:
    """Names and widths of a model's outputs; None for texts."""
    found = _found(here, name)
    if found.task == "reviews":
        return {"stars": 5, "sentiment": len(FEELINGS), "label": None}
    card = found.card()
    if found.task == "pictures":
        targets = {"probabilities": len(next(iter(card.targets.values())))}
    else:
        targets = {target: len(classes) for target, classes in card.targets.items()}
    vector = {} if card.vectors is None else {"vector": card.vectors}
    return {**({"label": None} if targets else {}), **targets, **vector}


async def _answers(
    here: Server,
    engine: PicturesEngine | ProductsEngine | ReviewsEngine,
    columns: dict[str, list[bytes]],
    rows: int,
) -> dict[str, Output]:
    """The outputs; RequestError 400 for a row that cannot be answered: tensors have no status."""
    texts = {
        name: [_text(value) for value in values] for name, values in columns.items() if name != "picture"
    }
    for values in texts.values():
        here.asking.check_texts(values)
    if isinstance(engine, ReviewsEngine):

        async def answered(review: Review) -> ReviewPrediction:
            _, found = await engine.answer(review)
            _refuse_failed(found.status, found.error)
            return found

        said = await _all(
            here, answered, [Review(id=str(n), text=text) for n, text in enumerate(texts["text"])]
        )
        return {
            "stars": np.array([found.star_probabilities for found in said], np.float32),
            "sentiment": np.array([found.sentiment_probabilities for found in said], np.float32),
            "label": [found.sentiment or "" for found in said],
        }
    outputs: dict[str, Output]
    pictures = [encoded_picture(value) for value in columns.get("picture", [])]
    products = [
        given_product(
            str(row),
            images=(Picture(data=pictures[row]),) if pictures and pictures[row] else (),
            title=texts["title"][row] if "title" in texts else None,
        )
        for row in range(rows)
    ]
    if isinstance(engine, PicturesEngine):
        if not all(pictures):
            raise RequestError(400, "a picture is empty", field="picture")
        seen = await _all(here, engine.look, pictures)
        classes = engine.predictor.bundle.classes
        outputs = {
            "label": [classes[int(np.argmax(probabilities))] for probabilities, _ in seen],
            "probabilities": np.stack([probabilities for probabilities, _ in seen]),
        }
        vectors = [vector for _, vector in seen if vector is not None]
        return outputs | ({"vector": np.stack(vectors)} if vectors else {})

    async def scored_one(product: Product) -> Scored:
        found = await engine.scored(product)
        _refuse_failed(found.answer.status, found.answer.error)
        return found

    scored = await _all(here, scored_one, products)
    bundle = engine.model.bundle
    assert isinstance(bundle, ProductsBundle)
    main = next(iter(bundle.reading.targets), None)
    outputs = {"label": [found.answer.targets[main].labels[-1] for found in scored]} if main else {}
    for target in bundle.reading.targets:
        outputs[target] = np.stack([found.probabilities[target] for found in scored])
    shared = [found.vector for found in scored if found.vector is not None]
    return outputs | ({"vector": np.stack(shared)} if shared else {})


async def _all(here: Server, ask: Callable[[In], Awaitable[T]], items: Sequence[In]) -> list[T]:
    """The answers of all rows; RequestError of the first that has none."""
    told = await each(ask, items, here.turns())
    here.metrics.items(told)
    answers: list[T] = []
    for row, found in enumerate(told):
        if isinstance(found, RequestError):
            found.message = f"row {row}: {found.message}"
            raise found
        answers.append(found)
    return answers


def _refuse_failed(status: str, error: str | None) -> None:
    if status == "failed":
        raise RequestError(400, error or "it cannot be answered")


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise RequestError(400, "a text is not UTF-8") from None
