"""Texts in the order in which they fit a query, for the endpoints of several systems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shelfwise.api.engines import PicturesEngine, ProductsEngine
from shelfwise.api.items import each
from shelfwise.api.problems import RequestError
from shelfwise.api.state import Server
from shelfwise.service.rerank import ALPHA, combined, word_scores


@dataclass(frozen=True)
class Ranked:
    """Places of the texts, the best first, with their scores from 0 to 1, and what made these."""

    places: list[int]
    scores: list[float]
    scorer: str


async def ranked(here: Server, query: str, texts: Sequence[str], model: str | None) -> Ranked:
    """Rank texts by words, and by a bundle's vectors where one has a space that texts are in."""
    here.asking.check_items(len(texts), "documents")
    here.asking.check_texts([query, *texts])
    words = word_scores(query, texts)
    name = here.models.name_for(("products", "pictures"), model)
    cosines, scorer = None, "bm25"
    if name is not None:
        with here.models.held(name) as engine:
            assert isinstance(engine, PicturesEngine | ProductsEngine)
            if engine.model.card().vectors is not None:
                told = await each(engine.text_vector, [text or " " for text in (query, *texts)], here.turns())
                here.metrics.items(told[1:])
                for found in told:
                    if isinstance(found, RequestError):
                        raise found
                vectors = np.stack([vector for vector in told if not isinstance(vector, RequestError)])
                cosines = vectors[1:] @ vectors[0]
                scorer = f"{1 - ALPHA:g} bm25 + {ALPHA:g} cosine of {engine.model.bundle.label}"
    if cosines is None:
        here.metrics.items(texts)
    scores = combined(words, cosines)
    order = np.argsort(-scores, kind="stable").tolist()
    return Ranked(order, [float(scores[place]) for place in order], scorer)
