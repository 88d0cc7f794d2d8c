"""What is like it: search by words, picture and likeness, within filters."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from shelfwise.api.problems import RequestError
from shelfwise.api.searching import Searching
from shelfwise.api.state import Here, Json, JsonRoute, Server, answers, model_json
from shelfwise.errors import PictureError
from shelfwise.schema import Picture
from shelfwise.schema.search import IndexCard, SearchPage, SearchRequest
from shelfwise.schema.serving import GivenSearch

router = APIRouter(tags=["search"], route_class=JsonRoute)


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


@router.get(
    "/v1/products/{id:path}/picture",
    response_class=Response,
    responses={**answers(404), 200: {"content": {"image/jpeg": {}}, "description": "A small JPEG."}},
)
async def picture(id: Annotated[str, Path(max_length=1_000)], here: Here) -> Response:
    """The first picture of a product in the index, 256 pixels high and wide at most."""
    small = await _searching(here).thumbnail(id)
    headers = {"cache-control": "private, max-age=300", "x-content-type-options": "nosniff"}
    return Response(small, headers=headers, media_type="image/jpeg")


@router.get("/v1/index", response_model=IndexCard, responses=answers(404))
async def index(here: Here) -> Json:
    """What the index holds: products, every field with its values, and how exact search is."""
    return model_json(await _searching(here).card())


async def _found(here: Server, request: SearchRequest) -> SearchPage:
    """One page; RequestError 404 where no index is open."""
    return await _searching(here).search(request)


def _searching(here: Server) -> Searching:
    if here.searching is None:
        raise RequestError(404, "no index is open here; start the server with --index", code="no_index")
    return here.searching
