"""`/rerank` and `/classify` of Text Embeddings Inference and of Infinity, told apart by their fields."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field, Tag, TypeAdapter

from shelfwise.api.compat.openai import Foreign
from shelfwise.api.engines import ProductsEngine, ReviewsEngine
from shelfwise.api.items import each
from shelfwise.api.problems import RequestError
from shelfwise.api.reranking import ranked
from shelfwise.api.state import FORM, Here, Json, Server, call_of, either, parsed, plain_json
from shelfwise.data.cells import given_product
from shelfwise.predict.reviews import FEELINGS
from shelfwise.schema import Review

router = APIRouter(tags=["as TEI and Infinity"])


class TeiRerank(Foreign):
    """TEI's."""

    query: Annotated[str, Field(min_length=1)]
    texts: Annotated[list[str], Field(min_length=1)]
    return_text: bool | None = False
    raw_scores: bool | None = False


class InfinityRerank(Foreign):
    """Infinity's."""

    query: Annotated[str, Field(min_length=1)]
    documents: Annotated[list[str], Field(min_length=1)]
    return_documents: bool | None = False
    top_n: Annotated[int, Field(ge=1)] | None = None
    model: str | None = None


class InfinityClassify(Foreign):
    """Infinity's."""

    input: Annotated[list[str], Field(min_length=1)]
    model: str | None = None
    raw_scores: bool | None = False


_RERANK: Callable[[bytes], TeiRerank | InfinityRerank] = TypeAdapter(
    Annotated[
        Annotated[InfinityRerank, Tag(f"{FORM}documents")] | Annotated[TeiRerank, Tag(f"{FORM}other")],
        either("documents"),
    ]
).validate_json
_CLASSIFY = TypeAdapter(InfinityClassify).validate_json
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": "In TEI's form."} for status in (400, 401, 404, 408, 413, 422, 429, 500, 503, 504)
}


def _body(*schemas: dict[str, Any]) -> dict[str, Any]:
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.post(
    "/rerank",
    responses=_PROBLEMS,
    openapi_extra=_body(TeiRerank.model_json_schema(), InfinityRerank.model_json_schema()),
)
async def rerank(request: Request, here: Here) -> Json:
    """Texts in the order in which they fit the query."""
    asked = parsed(_RERANK, await request.body())
    texts = asked.texts if isinstance(asked, TeiRerank) else asked.documents
    call_of(request).charge(len(texts))
    found = await ranked(here, asked.query, texts, None if isinstance(asked, TeiRerank) else asked.model)
    pairs = list(zip(found.places, found.scores, strict=True))
    if isinstance(asked, TeiRerank):
        shown = asked.return_text
        return plain_json(
            [{"index": n, "score": score, **({"text": texts[n]} if shown else {})} for n, score in pairs]
        )
    results = [
        {"index": n, "relevance_score": score, **({"document": texts[n]} if asked.return_documents else {})}
        for n, score in pairs[: asked.top_n]
    ]
    return plain_json(
        {"object": "rerank", "results": results, "model": found.scorer, **_receipt(request, texts)}
    )


@router.post("/classify", responses=_PROBLEMS, openapi_extra=_body(InfinityClassify.model_json_schema()))
async def classify(request: Request, here: Here) -> Json:
    """Each text's labels, likeliest first: a title's category, or of a review its sentiment."""
    asked = parsed(_CLASSIFY, await request.body())
    here.asking.check_items(len(asked.input), "input")
    here.asking.check_texts(asked.input, "input")
    call_of(request).charge(len(asked.input))
    name = here.models.name_for(("products", "reviews"), asked.model)
    if name is None:
        raise RequestError(404, "no bundle that reads texts is open here", field="model")
    told = await each(lambda text: _labels(here, name, text), asked.input, here.turns())
    here.metrics.items(told)
    data = []
    for place, found in enumerate(told):
        if isinstance(found, RequestError):
            found.message = f"input {place}: {found.message}"
            raise found
        data.append([{"label": label, "score": score} for label, score in found])
    return plain_json({"object": "classify", "data": data, "model": name, **_receipt(request, asked.input)})


async def _labels(here: Server, name: str, text: str) -> list[tuple[str, float]]:
    """Labels and probabilities; RequestError 422 for a text that says nothing."""
    with here.models.held(name) as engine:
        if isinstance(engine, ReviewsEngine):
            _, review = await engine.answer(Review(id="text", text=text))
            if review.status == "failed":
                raise RequestError(
                    422, review.error or "it says nothing", code=review.error_kind, field="input"
                )
            return sorted(
                zip(FEELINGS, review.sentiment_probabilities, strict=True), key=lambda pair: -pair[1]
            )
        assert isinstance(engine, ProductsEngine)
        answer = await engine.answer(given_product("text", title=text), top=100)
        if answer.status == "failed":
            raise RequestError(422, answer.error or "it says nothing", code=answer.error_kind, field="input")
        main = next(iter(answer.targets.values()), None)
        if main is None:
            raise RequestError(404, f"the bundle '{name}' has learned no targets", field="model")
        return [(score.label, score.probability) for score in main.top]


def _receipt(request: Request, texts: list[str]) -> dict[str, Any]:
    tokens = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"usage": usage, "id": call_of(request).id, "created": int(time.time())}
