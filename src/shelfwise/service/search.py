"""`Searcher`: an index and the bundle that made it, opened once; a request in, a page of hits out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from shelfwise.errors import BundleError, SearchError
from shelfwise.predict.embedder import Embedder, NoVector, open_embedder
from shelfwise.schema.search import SearchPage, SearchRequest
from shelfwise.search.facts import IndexFacts, check_fit
from shelfwise.search.index import OpenedIndex


class Searcher:
    """What a face holds. Safe to share between threads: `refresh` swaps the index in one step."""

    def __init__(self, index: OpenedIndex, embedder: Embedder | None = None) -> None:
        if embedder is not None:
            check_fit(index.facts, index.folder, embedder.bundle.label, embedder.dimension)
        self._index = index
        self._embedder = embedder

    @classmethod
    def open(
        cls, folder: Path | str, bundle: Path | str | None = None, *, threads: int | None = None
    ) -> Searcher:
        """Open an index and the bundle of its vectors: `bundle`, or the one that the index remembers.

        Where the remembered one is gone or has changed there is none: words, filters and likeness answer.
        SearchError where `bundle` is not the one that made the index."""
        index = OpenedIndex.open(folder)
        if bundle is not None:
            return cls(index, open_embedder(bundle, threads=threads))
        remembered = index.facts.bundle_path
        try:
            embedder = open_embedder(remembered, threads=threads) if remembered is not None else None
            return cls(index, embedder)
        except (BundleError, SearchError):
            return cls(index)

    @property
    def facts(self) -> IndexFacts:
        """What the index says of itself."""
        return self._index.facts

    @property
    def index(self) -> OpenedIndex:
        """The index that answers now."""
        return self._index

    @property
    def embeds(self) -> bool:
        """Whether words and pictures can be turned into vectors."""
        return self._embedder is not None

    def refresh(self) -> bool:
        """Take up what `shelfwise index` has published since; whether there was anything."""
        index = self._index.current()
        if index is self._index:
            return False
        if self._embedder is not None:
            check_fit(index.facts, index.folder, self._embedder.bundle.label, self._embedder.dimension)
        self._index = index
        return True

    def search(self, request: SearchRequest, image_root: Path = Path()) -> SearchPage:
        """One page. Words and a picture are asked as one product; likeness adds its vector to theirs.

        SearchError where a picture cannot be used, or nothing is there to make vectors of it."""
        index = self._index  # one index for the whole request, whatever `refresh` does meanwhile
        return index.search(request, self._vector(index, request, image_root))

    def _vector(
        self, index: OpenedIndex, request: SearchRequest, image_root: Path
    ) -> Float32[ndarray, "D"] | None:
        """What is looked for, as a unit vector; None where only words, or nothing, can be compared."""
        parts = []
        if request.like is not None:
            parts.append(index.vector_of(request.like))
        if request.image is not None or (request.words is not None and request.alpha > 0):
            asked = self._asked(request, image_root)
            if asked is not None:
                parts.append(asked)
        if not parts:
            return None
        total = np.sum(parts, axis=0)
        return np.asarray(total / max(float(np.linalg.norm(total)), 1e-12), np.float32)

    def _asked(self, request: SearchRequest, image_root: Path) -> Float32[ndarray, "D"] | None:
        """The vector of words and picture, as of a product."""
        if self._embedder is None:
            if request.image is None:
                return None
            raise SearchError(f"a picture needs bundle {self.facts.bundle}, which is not open here")
        found = self._embedder.ask(request.words, request.image, image_root)
        if not isinstance(found, NoVector):
            return found
        if request.image is not None:
            raise SearchError(f"the picture cannot be used: {found.why}")
        return None
