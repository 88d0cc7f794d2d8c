"""OpenAI's embeddings and models, as its clients, Infinity's and Jina's speak them.

Texts and pictures share one space, so a `modality` of `image` (Infinity), or items {"text"} and {"image"}
(Jina), may be mixed in one index. A vector's length is the bundle's: another `dimensions` is refused.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request
from numpy import ndarray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from shelfwise.api.engines import PicturesEngine, ProductsEngine
from shelfwise.api.items import as_problem, each
from shelfwise.api.problems import RequestError
from shelfwise.api.state import Here, Json, Server, call_of, here_of, parsed, plain_json
from shelfwise.errors import PictureError
from shelfwise.schema.serving import GivenPicture

router = APIRouter(tags=["as OpenAI, Infinity and Jina"])


class Foreign(BaseModel):
    """A request in another system's form: what it says besides is let pass."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class JinaText(Foreign):
    """A text among pictures."""

    text: str


class JinaImage(Foreign):
    """A picture among texts: base64, a `data:` URI, or an address where the server allows."""

    image: str


OneInput = JinaText | JinaImage | str
Input = (
    str
    | Annotated[list[OneInput], Field(min_length=1)]
    | Annotated[list[int], Field(min_length=1)]
    | Annotated[list[list[int]], Field(min_length=1)]
)


class EmbeddingsRequest(Foreign):
    """What to embed."""

    input: Input
    model: str | None = None
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: int | None = Field(default=None, ge=1)
    user: str | None = None
    modality: Literal["text", "image"] | None = "text"


_REQUEST = TypeAdapter(EmbeddingsRequest).validate_json
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": "In OpenAI's form."}
    for status in (400, 401, 404, 408, 413, 422, 429, 500, 503, 504)
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": EmbeddingsRequest.model_json_schema()}},
    }
}


@router.post("/v1/embeddings", responses=_PROBLEMS, openapi_extra=_BODY)
@router.post("/embeddings", responses=_PROBLEMS, openapi_extra=_BODY)
async def embeddings(request: Request) -> Json:
    """Unit vectors of texts and pictures."""
    here = here_of(request)
    asked = parsed(_REQUEST, await request.body())
    items = _items(asked)
    here.asking.check_items(len(items), "input")
    call_of(request).charge(len(items))
    name = here.models.name_for(("products", "pictures"), asked.model)
    if name is None:
        raise RequestError(404, "no bundle with vectors is open here", field="model")
    with here.models.held(name) as engine:
        assert isinstance(engine, PicturesEngine | ProductsEngine)
        width = engine.model.card().vectors
        if width is None:
            raise RequestError(
                400, f"the bundle '{name}' has no space that texts and pictures share", field="model"
            )
        if asked.dimensions not in (None, width):
            raise RequestError(
                400, f"the bundle '{name}' has vectors of {width} dimensions only", field="dimensions"
            )
        told = await each(lambda item: _vector(here, engine, item), items, here.turns())
    here.metrics.items(told)
    for place, found in enumerate(told):
        if isinstance(found, RequestError):
            found.message = f"input {place}: {found.message}" if len(told) > 1 else found.message
            raise found
    data = [
        {"object": "embedding", "index": place, "embedding": _encoded(vector, asked.encoding_format)}
        for place, vector in enumerate(told)
        if not isinstance(vector, RequestError)
    ]
    tokens = sum(len(item.split()) for item in items if isinstance(item, str))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return plain_json({"object": "list", "data": data, "model": name, "usage": usage})


@router.get("/v1/models", responses=_PROBLEMS)
async def models(here: Here) -> Json:
    """The bundles that answer, each with what it can tell."""
    return plain_json({"object": "list", "data": [_card(here, model.name) for model in here.models]})


@router.get("/v1/models/{name}", responses=_PROBLEMS)
async def model(name: str, here: Here) -> Json:
    """One of them."""
    if name not in [found.name for found in here.models]:
        raise RequestError(404, f"there is no model '{name}'", code="model_not_found", field="model")
    return plain_json(_card(here, name))


def _card(here: Server, name: str) -> dict[str, Any]:
    found = next(model for model in here.models if model.name == name)
    card = found.card().model_dump(mode="json")
    created = int(np.datetime64(found.bundle.meta.created[:19]).astype("datetime64[s]").astype(int))
    return {"id": name, "object": "model", "created": created, "owned_by": "shelfwise", **card}


def _items(asked: EmbeddingsRequest) -> list[str | GivenPicture]:
    """Texts, and pictures; RequestError 400 for token ids, which only their own tokenizer could read."""
    given = [asked.input] if isinstance(asked.input, str) else asked.input
    items: list[str | GivenPicture] = []
    for one in given:
        if isinstance(one, int | list):
            raise RequestError(400, "token ids cannot be embedded here; send texts", field="input")
        if isinstance(one, JinaText):
            items.append(one.text)
        elif isinstance(one, JinaImage):
            items.append(_picture(one.image))
        else:
            items.append(_picture(one) if asked.modality == "image" else one)
    return items


def _picture(given: str) -> GivenPicture:
    address = given.startswith(("http://", "https://"))
    return GivenPicture(url=given) if address else GivenPicture(data=given)


async def _vector(here: Server, engine: PicturesEngine | ProductsEngine, item: str | GivenPicture) -> ndarray:
    try:
        if isinstance(item, GivenPicture):
            return await engine.picture_vector(await here.asking.picture(item))
        if not item.strip():
            raise RequestError(400, "a text is empty", field="input")
        here.asking.check_texts((item,), "input")
        return await engine.text_vector(item)
    except PictureError as error:
        raise RequestError(400, str(error), code=error.kind, field="input") from None
    except Exception as error:
        raise as_problem(error) from error


def _encoded(vector: ndarray, form: str | None) -> ndarray | str:
    values = np.ascontiguousarray(vector, "<f4")
    return base64.b64encode(values.tobytes()).decode() if form == "base64" else values
