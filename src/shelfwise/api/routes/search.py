"""What is like it: search by words, picture and likeness, within filters."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field

from shelfwise.api.problems import RequestError
from shelfwise.api.state import Here, Json, Server, answers, model_json
from shelfwise.errors import PictureError
from shelfwise.schema import Frozen, Picture
from shelfwise.schema.search import SearchPage, SearchRequest
from shelfwise.schema.serving import GivenPicture

router = APIRouter(tags=["search"])


class GivenSearch(Frozen):
    """What is looked for; by nothing, products are listed."""

    words: Annotated[str, Field(max_length=2_000)] | None = None
    picture: GivenPicture | None = None
    like: Annotated[str, Field(max_length=1_000)] | None = None
    """Id of a product in the index; it is not found itself."""
    filter: Annotated[str, Field(max_length=10_000)] | None = None
    """Such as `price < 50 and brand in ("Puma", "Nike")`, see docs/search.md."""
    facets: Annotated[tuple[str, ...], Field(max_length=20)] = ()
    limit: Annotated[int, Field(ge=1, le=200)] = 10
    offset: Annotated[int, Field(ge=0, le=10_000)] = 0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Weight of the vectors; the words have the rest."""
    rrf_k: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)] = 60.0
    explain: bool = False


@router.post("/v1/search", response_model=SearchPage, responses=answers(404, 415))
async def search(asked: GivenSearch, here: Here) -> Json:
    """One page of products by words, a picture, likeness, or several of these, within a filter."""
    settings = asked.model_dump(exclude={"picture"})
    image = None
    if asked.picture is not None:
        try:
            image = Picture(data=await here.asking.picture(asked.picture))
        except PictureError as error:
            raise RequestError(422, str(error), code=error.kind, field="picture") from None
    return model_json(await _found(here, SearchRequest(**settings, image=image)))


@router.get("/v1/products/{id:path}/similar", response_model=SearchPage, responses=answers(404))
async def similar(
    id: Annotated[str, Path(max_length=1_000)],
    here: Here,
    limit: Annotated[int, Query(ge=1, le=200)] = 10,
    filter: Annotated[str | None, Query(max_length=10_000)] = None,
) -> Json:
    """Products that are like one in the index."""
    return model_json(await _found(here, SearchRequest(like=id, alpha=1.0, limit=limit, filter=filter)))


async def _found(here: Server, request: SearchRequest) -> SearchPage:
    """One page; RequestError 404 where no index is open."""
    if here.searching is None:
        raise RequestError(404, "no index is open here; start the server with --index", code="no_index")
    return await here.searching.search(request)
