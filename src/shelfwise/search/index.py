"""An opened index: a search of rows and vectors in, a page of hits out. Safe to share between threads.

`Index` is what a service needs; `OpenedIndex` is the one on disk. No model is here: whoever asks brings the
vector. N products, D dimensions.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from shelfwise.data.file_names import names_on_disk
from shelfwise.errors import SearchError
from shelfwise.schema.search import (
    Facet,
    Hit,
    HitExplanation,
    IndexCard,
    SearchPage,
    SearchRequest,
    SideScore,
)
from shelfwise.search.facets import facet_of
from shelfwise.search.facts import UNFINISHED, IndexFacts, read_facts
from shelfwise.search.filter_mask import mask_of, unknown_field
from shelfwise.search.filter_parser import parse
from shelfwise.search.ranking import Ranked, fuse, rrf_parts
from shelfwise.search.selection import Selection
from shelfwise.search.view import View, load_view
from shelfwise.search.words import spans_of

Vector = Float32[ndarray, "D"]
MASKS, MASK_BYTES = 64, 64 << 20
"""Filters that are remembered at most, and what their masks and rows may take: 9 bytes a product each."""


@runtime_checkable
class Index(Protocol):
    """What can be searched."""

    @property
    def facts(self) -> IndexFacts:
        """What it says of itself."""

    def vector_of(self, id: str) -> Vector:
        """The unit vector of a product; SearchError where it is not in the index."""

    def search(self, request: SearchRequest, vector: Vector | None = None) -> SearchPage:
        """One page; `vector`, of unit length, is what words, picture and likeness of the request became."""


@dataclass(frozen=True, eq=False)
class _Side:
    """How one side ranks; `weight` is its share of the fused score."""

    name: Literal["vector", "words"]
    ranked: Ranked
    weight: float


@dataclass(frozen=True, eq=False)
class _Found:
    """Everything about one search but its texts."""

    ranking: Ranked | None
    """None where products are only listed."""
    within: Selection
    """What is counted: total and facets."""
    sides: tuple[_Side, ...]
    terms: tuple[str, ...]


class OpenedIndex:
    """The index in a folder, as it was when it was opened."""

    def __init__(self, folder: Path, facts: IndexFacts, view: View) -> None:
        self.folder = folder
        self.facts = facts
        self.view = view
        kept = min(MASKS, MASK_BYTES // (9 * max(1, len(view))))
        self._selection = lru_cache(maxsize=max(1, kept))(self._select)

    @classmethod
    def open(cls, folder: Path | str) -> OpenedIndex:
        """Open the index; SearchError where there is none, or nothing in it was finished."""
        folder = Path(folder)
        facts = read_facts(folder)
        return cls(folder, facts, load_view(folder, facts))

    def __len__(self) -> int:
        return len(self.view)

    @property
    def unfinished(self) -> bool:
        """Whether a later `shelfwise index` was stopped, or still runs: what it took in is not found yet."""
        return (self.folder / UNFINISHED).exists()

    def current(self) -> OpenedIndex:
        """This one, or where the folder has a newer one by now that, opened."""
        facts = read_facts(self.folder)
        return self if facts == self.facts else OpenedIndex(self.folder, facts, load_view(self.folder, facts))

    def vector_of(self, id: str) -> Vector:
        """The unit vector of a product; SearchError where it is not in the index."""
        return np.asarray(self.view.vectors[self._row_of(id)], np.float32)

    def picture_of(self, id: str) -> Path | None:
        """Where the product's first picture was when it was indexed; None where that is not known.

        A path that leads out of the catalogue's folder of pictures counts as not known. SearchError where
        the product is not in the index."""
        said, root = self.view.products.row(self._row_of(id))["image"], self.facts.image_root
        if said is None or root is None:
            return None
        places = (Path(os.path.normpath(Path(root, name))) for name in names_on_disk(said))
        inside = [path for path in places if path.is_relative_to(os.path.normpath(root))]
        return next(filter(os.path.exists, inside), inside[-1] if inside else None)

    def search(self, request: SearchRequest, vector: Vector | None = None) -> SearchPage:
        """One page; `vector`, of unit length, is what words, picture and likeness of the request became."""
        self._check(request, vector)
        found = self._find(request, vector)
        rows, scores = self._page(found, request)
        return SearchPage(
            total=found.within.count,
            offset=request.offset,
            hits=tuple(
                self._hit(row, score, found, request, vector)
                for row, score in zip(rows.tolist(), scores.tolist(), strict=True)
            ),
            next_offset=self._next(found, request),
            facets=self._facets(request.facets, found.within),
            sides=tuple(side.name for side in found.sides),
            exact=all(side.name == "words" for side in found.sides)
            or self.view.nearest.is_exact(found.within),
            index=self.facts.label,
        )

    def selection(self, filter: str | None) -> Selection:
        """The products that a filter leaves; FilterError where it cannot be read or does not fit."""
        return self._selection(filter)

    def _select(self, filter: str | None) -> Selection:
        size = len(self.view)
        if filter is None or not filter.strip():
            return Selection(size)
        return Selection(size, mask_of(parse(filter), self.view.columns, size))

    def _check(self, request: SearchRequest, vector: Vector | None) -> None:
        """SearchError where the request asks for what no page can give."""
        if vector is not None and len(vector) != self.facts.dimension:
            raise SearchError(
                f"the vector has {len(vector)} numbers, index '{self.folder}' {self.facts.dimension}"
            )
        for name in request.facets:
            if name not in self.view.columns:
                raise SearchError(f"facets: {unknown_field(name, self.view.columns)}")
        ranked = vector is not None or request.words is not None
        if ranked and request.offset >= request.window:
            raise SearchError(
                f"no page begins at offset {request.offset}: {request.window} products are ranked "
                "(the window); begin before its end, or narrow the filter"
            )

    def _find(self, request: SearchRequest, vector: Vector | None) -> _Found:
        """Rank what the filter leaves, side by side."""
        some = self.selection(request.filter)
        own = None if request.like is None else self._row_of(request.like)
        if own is not None and some.has(own):
            some = _without(some, own)
        terms = tuple(self.view.postings.known(request.words)) if request.words is not None else ()
        sides: list[_Side] = []
        if vector is not None and (request.alpha > 0 or request.words is None):
            weight = request.alpha if request.words is not None else 1.0
            sides.append(_Side("vector", self.view.nearest.nearest(vector, some, request.window), weight))
        if request.words is not None and (request.alpha < 1 or vector is None):
            ranked, matched = self.view.postings.matches(terms, some, request.window)
            sides.append(_Side("words", ranked, 1 - request.alpha if sides else 1.0))
            if len(sides) == 1:
                some = Selection(some.size, matched)
        if not sides:
            return _Found(None, some, (), terms)
        pairs = [(side.ranked, side.weight) for side in sides]
        ranking = sides[0].ranked if len(sides) == 1 else fuse(pairs, request.rrf_k)
        return _Found(ranking, some, tuple(sides), terms)

    def _page(self, found: _Found, request: SearchRequest) -> tuple[ndarray, ndarray]:
        """Rows and scores of the page; of a ranking, as far as the window goes."""
        start, stop = request.offset, request.offset + request.limit
        if found.ranking is None:
            rows = found.within.rows[start:stop]
            return rows, np.zeros(len(rows))
        stop = min(stop, request.window)
        return found.ranking.rows[start:stop], found.ranking.scores[start:stop]

    def _next(self, found: _Found, request: SearchRequest) -> int | None:
        """Where the next page of this size begins; the window is where pages end."""
        stop = request.offset + request.limit
        if found.ranking is None:
            return stop if stop < found.within.count else None
        return stop if stop < min(len(found.ranking), request.window) else None

    @cached_property
    def card(self) -> IndexCard:
        """What it holds."""
        facts = self.facts
        return IndexCard(
            index=facts.label,
            products=len(self),
            updated=facts.updated,
            pictures=facts.image_root is not None,
            exact=facts.exact,
            recall=facts.recall,
            fields=self._facets(tuple(sorted(self.view.columns)), Selection(len(self.view))),
        )

    def _facets(self, names: tuple[str, ...], within: Selection) -> tuple[Facet, ...]:
        return tuple(facet_of(name, self.view.columns[name], within) for name in dict.fromkeys(names))

    def _hit(
        self, row: int, score: float, found: _Found, request: SearchRequest, vector: Vector | None
    ) -> Hit:
        said = self.view.products.row(row)
        title = said["title"]
        spans = tuple(spans_of(title, frozenset(found.terms))) if title and found.terms else ()
        explained = self._explained(row, found, request, vector) if request.explain else None
        return Hit(**said, score=score, highlights=spans, explanation=explained)

    def _explained(
        self, row: int, found: _Found, request: SearchRequest, vector: Vector | None
    ) -> HitExplanation:
        """How each side that was asked sees the row, whether or not it is within the side's window."""
        terms = {term: impact for term in found.terms if (impact := self.view.postings.impact(term, row))}
        seen: dict[str, SideScore] = {}
        for side in found.sides:
            rank = side.ranked.rank_of(row)
            if side.name == "vector":
                assert vector is not None
                score = float(self.view.vectors[row] @ vector)
            else:
                score = sum(terms.values())
            part = 0.0 if rank is None else float(rrf_parts(rank, side.weight, request.rrf_k)[-1])
            seen[side.name] = SideScore(rank=rank, score=score, part=part)
        return HitExplanation(vector=seen.get("vector"), words=seen.get("words"), terms=terms)

    def _row_of(self, id: str) -> int:
        row = self.view.row_of(id)
        if row is None:
            raise SearchError(f"no product '{id}' in index '{self.folder}' ({len(self):,} products)")
        return row


def _without(some: Selection, row: int) -> Selection:
    """All of them but one."""
    mask = np.ones(some.size, bool) if some.mask is None else some.mask.copy()
    mask[row] = False
    return Selection(some.size, mask)
