"""Cohere's `/v2/rerank`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field, TypeAdapter

from shelfwise.api.compat.openai import Foreign
from shelfwise.api.reranking import ranked
from shelfwise.api.state import Here, Json, call_of, parsed, plain_json

router = APIRouter(tags=["as Cohere"])


class RerankRequest(Foreign):
    """Texts to be put in order."""

    query: Annotated[str, Field(min_length=1)]
    documents: Annotated[list[str], Field(min_length=1)]
    top_n: Annotated[int, Field(ge=1)] | None = None
    model: str | None = None


_REQUEST = TypeAdapter(RerankRequest).validate_json
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": "In Cohere's form."}
    for status in (400, 401, 404, 408, 413, 422, 429, 500, 503, 504)
}
_SCHEMA = RerankRequest.model_json_schema()


@router.post(
    "/v2/rerank",
    responses=_PROBLEMS,
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _SCHEMA}}}},
)
async def rerank(request: Request, here: Here) -> Json:
    """Documents in the order in which they fit the query; `meta.scorer` says what judged them."""
    asked = parsed(_REQUEST, await request.body())
    call_of(request).charge(len(asked.documents))
    found = await ranked(here, asked.query, asked.documents, asked.model)
    results = [
        {"index": place, "relevance_score": score}
        for place, score in zip(found.places, found.scores, strict=True)
    ]
    meta = {"api_version": {"version": "2"}, "scorer": found.scorer, "billed_units": {"search_units": 0}}
    return plain_json({"id": call_of(request).id, "results": results[: asked.top_n], "meta": meta})
