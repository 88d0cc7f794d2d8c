"""The index of a server: asked in threads of its own, taken up anew where `shelfwise index` has published."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from shelfwise.api.problems import RequestError
from shelfwise.data.thumbnails import thumbnail
from shelfwise.errors import PictureError, SearchError
from shelfwise.predict.embedder import Embedder, PictureEmbedder, ProductEmbedder
from shelfwise.predict.predictor import Predictor
from shelfwise.predict.products import ProductPredictor
from shelfwise.schema.search import IndexCard, SearchPage, SearchRequest
from shelfwise.search.index import OpenedIndex
from shelfwise.service.models import OpenModel
from shelfwise.service.search import Searcher

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 2.0
"""How old the index may be that answers, at most, once another one is published."""
WAITING = 64
"""Searches that may wait for a thread; more are refused."""
T = TypeVar("T")


class Searching:
    """One index."""

    def __init__(
        self,
        folder: Path,
        models: Iterable[OpenModel],
        *,
        threads: int | None = None,
        max_pixels: int = 40_000_000,
    ) -> None:
        self._searcher = open_searcher(folder, models, threads=threads)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="search")
        self._painters = ThreadPoolExecutor(2, thread_name_prefix="thumbnail")
        self._max_pixels = max_pixels
        self._waiting = 0
        self._looked = time.monotonic()

    async def search(self, request: SearchRequest) -> SearchPage:
        """One page; RequestError 404 for an unknown product, 422 for an unfit request, 503 in a crowd."""
        try:
            return await self._in_turn(self._threads, lambda: self._search(request))
        except SearchError as error:
            raise RequestError(422, str(error), code="search") from None

    async def thumbnail(self, id: str) -> bytes:
        """A product's picture, small, as JPEG; RequestError 404 where there is none, 503 in a crowd."""
        return await self._in_turn(self._painters, lambda: self._thumbnail(id))

    async def card(self) -> IndexCard:
        """What the index holds; RequestError 503 in a crowd."""
        return await self._in_turn(self._threads, self._card)

    def stop(self) -> None:
        """Take nothing more."""
        self._threads.shutdown(wait=False)
        self._painters.shutdown(wait=False)

    async def _in_turn(self, threads: Executor, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING:
            raise RequestError(503, "too many searches wait", code="queue_full", retry_after_s=1.0)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, work)
        finally:
            self._waiting -= 1

    def _search(self, request: SearchRequest) -> SearchPage:
        self._look_again()
        if request.like is not None:
            _check_known(self._searcher.index, request.like)
        return self._searcher.search(request)

    def _card(self) -> IndexCard:
        self._look_again()
        return self._searcher.index.card

    def _thumbnail(self, id: str) -> bytes:
        """Of the file that the index names; nothing of the request becomes a path, and no path is told."""
        self._look_again()
        index = self._searcher.index
        _check_known(index, id)
        path = index.picture_of(id)
        if path is None:
            raise RequestError(404, f"no picture of '{id}' is known here", code="no_picture")
        try:
            return thumbnail(path, max_pixels=self._max_pixels)
        except PictureError as error:
            log.warning("picture '%s' cannot be shown: %s", path, error)
            raise RequestError(404, f"the picture of '{id}' cannot be shown", code="no_picture") from None

    def _look_again(self) -> None:
        """Take up a newer index; one that does not fit, or is damaged, changes nothing."""
        now = time.monotonic()
        if now - self._looked < LOOK_AGAIN_S:
            return
        self._looked = now
        try:
            self._searcher.refresh()
        except SearchError as error:
            log.warning("the index was not taken up: %s", error)


def _check_known(index: OpenedIndex, id: str) -> None:
    """RequestError 404 for a product that is not in the index."""
    if index.view.row_of(id) is None:
        raise RequestError(404, f"the index has no product '{id}'", code="unknown_product")


def open_searcher(folder: Path, models: Iterable[OpenModel], *, threads: int | None = None) -> Searcher:
    """The index with the open bundle that made its vectors, else with the one that it remembers.

    SearchError where there is no index, or its bundle is neither open nor where the index remembers it. An
    index that remembers no place was made without a bundle: words and likeness answer."""
    index = OpenedIndex.open(folder)
    served = []
    for model in models:
        if model.bundle.label == index.facts.bundle:
            return Searcher(index, _embedder(model))
        served.append(model.bundle.label)
    searcher = Searcher.open(folder, threads=threads)
    facts = index.facts
    if not searcher.embeds and facts.bundle_path is not None:
        raise SearchError(
            f"index '{folder}' was made by bundle {facts.bundle}, which is neither served "
            f"({', '.join(served)}) nor at '{facts.bundle_path}' any more: serve it, too (--bundle FOLDER), "
            "or make an index by one that is: shelfwise index BUNDLE CATALOG --out NEW"
        )
    return searcher


def _embedder(model: OpenModel) -> Embedder:
    if isinstance(model.predictor, ProductPredictor):
        return ProductEmbedder(model.predictor)
    assert isinstance(model.predictor, Predictor)
    return PictureEmbedder(model.predictor)
