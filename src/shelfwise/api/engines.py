"""An open bundle behind its queue: decoding in one place, the network in another, so neither waits.

A picture is decoded by `api.decoders`, a batch of what is decoded goes through the network in a thread of its
own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from shelfwise.api.batching import Batcher, Limits
from shelfwise.api.decoders import Decoders
from shelfwise.api.metrics import Metrics
from shelfwise.config.serving import LimitsConfig
from shelfwise.errors import PictureError
from shelfwise.explain.served import ServedExplainer
from shelfwise.predict.predictor import PictureScores, Predictor
from shelfwise.predict.products import ProductPredictor, ReadProduct
from shelfwise.predict.reviews import ReviewPredictor
from shelfwise.schema import Picture, Prediction, Product, ProductAnswer, Review, ReviewPrediction
from shelfwise.service.analysis import answer_cleaned
from shelfwise.service.models import OpenModel

In = TypeVar("In")
Out = TypeVar("Out")
TEXT_WEIGHT = 200
"""What a text costs whatever its length, in characters."""
Seen = tuple[PictureScores, int]
"""The scores of a batch, and the row of one picture."""


@dataclass(frozen=True)
class Scored:
    """What a products bundle says of one product."""

    answer: ProductAnswer
    probabilities: dict[str, Float[ndarray, "_"]]
    """Of each target's finest classes."""
    vector: Float[ndarray, "E"] | None


@dataclass(frozen=True)
class Stages:
    """What engines share: where pictures are decoded, limits and counts."""

    decoders: Decoders
    limits: LimitsConfig
    metrics: Metrics


class PicturesEngine:
    """A pictures bundle: one picture in, an answer or a vector out."""

    def __init__(self, model: OpenModel, stages: Stages) -> None:
        assert isinstance(model.predictor, Predictor)
        self.model, self.predictor, self._stages = model, model.predictor, stages
        self.explainer = ServedExplainer(model.predictor)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix=model.name)
        self._pictures: Batcher[tuple[UInt8[ndarray, "H W C"], bool], Seen] = _batcher(
            self._look, self._threads, stages, model.name
        )
        self._texts: Batcher[str, ndarray] = _batcher(
            self._read_texts, self._threads, stages, model.name, weight=lambda text: TEXT_WEIGHT + len(text)
        )
        stages.metrics.watch_queue(model.name, lambda: self._pictures.waiting + self._texts.waiting)

    async def classify(self, product: Product, *, top: int = 3) -> Prediction:
        """What the product's first usable picture shows; PictureError where it has none."""
        pixels, warnings = await self._decoded(product)
        scores, row = await self._pictures.submit((pixels, False))
        return self.predictor.answer(product.id, scores, row, top=top, warnings=warnings)

    async def look(self, data: bytes) -> tuple[Float[ndarray, "K"], Float[ndarray, "E"] | None]:
        """A picture's probabilities and, with a text tower, its vector; PictureError."""
        pixels, _ = await self._decoded(Product(id="picture", images=(Picture(data=data),)))
        scores, row = await self._pictures.submit((pixels, True))
        return scores.probabilities[row], None if scores.vectors is None else scores.vectors[row]

    async def picture_vector(self, data: bytes) -> Float[ndarray, "E"]:
        """A picture's unit vector in the space shared with texts."""
        _, vector = await self.look(data)
        assert vector is not None
        return vector

    async def text_vector(self, text: str) -> Float[ndarray, "E"]:
        """A text's unit vector."""
        return await self._texts.submit(text)

    async def stop(self) -> None:
        """Answer what was taken, and nothing more."""
        await asyncio.gather(self._pictures.stop(), self._texts.stop())
        self._threads.shutdown(wait=False)

    async def _decoded(self, product: Product) -> tuple[UInt8[ndarray, "H W C"], tuple[str, ...]]:
        return await self._stages.decoders.run(
            product.images, lambda at_once: self.predictor.read(product, at_once=at_once)
        )

    def _look(self, asked: Sequence[tuple[UInt8[ndarray, "H W C"], bool]]) -> list[Seen]:
        pixels = np.stack([picture for picture, _ in asked])
        scores = self.predictor.scores(pixels, vectors=any(vector for _, vector in asked))
        return [(scores, row) for row in range(len(asked))]

    def _read_texts(self, texts: Sequence[str]) -> list[ndarray]:
        return list(self.predictor.embed_texts(texts))


class ProductsEngine:
    """A products bundle: whatever is known of a product in, an answer and a vector out."""

    def __init__(self, model: OpenModel, stages: Stages) -> None:
        assert isinstance(model.predictor, ProductPredictor)
        self.model, self.predictor, self._stages = model, model.predictor, stages
        self.explainer = ServedExplainer(model.predictor)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix=model.name)
        self._products: Batcher[tuple[ReadProduct, int], Scored] = _batcher(
            self._answer, self._threads, stages, model.name
        )
        self._texts: Batcher[str, ndarray] = _batcher(
            self._read_texts, self._threads, stages, model.name, weight=lambda text: TEXT_WEIGHT + len(text)
        )
        stages.metrics.watch_queue(model.name, lambda: self._products.waiting + self._texts.waiting)

    async def answer(self, product: Product, *, top: int = 3) -> ProductAnswer:
        """Category and attributes."""
        return (await self.scored(product, top=top)).answer

    async def vector(self, product: Product) -> Float[ndarray, "E"] | None:
        """The product's unit vector from whatever is known; None where there is none."""
        found = await self.scored(product, top=1)
        return found.vector if found.answer.status == "ok" else None

    async def picture_vector(self, data: bytes) -> Float[ndarray, "E"]:
        """A picture's unit vector in the space shared with texts; PictureError."""
        found = await self.scored(Product(id="picture", images=(Picture(data=data),)), top=1)
        if found.answer.status == "failed" or found.vector is None:
            answer = found.answer
            raise PictureError(answer.error_kind or "not_a_picture", answer.error or "it cannot be used")
        return found.vector

    async def text_vector(self, text: str) -> Float[ndarray, "E"]:
        """A text's unit vector."""
        return await self._texts.submit(text)

    async def stop(self) -> None:
        """Answer what was taken, and nothing more."""
        await asyncio.gather(self._products.stop(), self._texts.stop())
        self._threads.shutdown(wait=False)

    async def scored(self, product: Product, *, top: int = 3) -> Scored:
        """All that the bundle says of a product."""
        read = await self._stages.decoders.run(
            product.images, lambda at_once: self.predictor.read_one(product, at_once=at_once)
        )
        return await self._products.submit((read, top))

    def _answer(self, asked: Sequence[tuple[ReadProduct, int]]) -> list[Scored]:
        predictor = self.predictor
        scores = predictor.scores(predictor.encode(predictor.input_of([read for read, _ in asked])))
        return [
            Scored(
                predictor.answer(read, scores, place, top=top),
                {name: rows[place] for name, rows in scores.probabilities.items()},
                None if scores.vectors is None else scores.vectors[place],
            )
            for place, (read, top) in enumerate(asked)
        ]

    def _read_texts(self, texts: Sequence[str]) -> list[ndarray]:
        return list(self.predictor.embed_texts(texts))


class ReviewsEngine:
    """A reviews bundle: one review in, an answer out; reviews of like length share a batch."""

    def __init__(self, model: OpenModel, stages: Stages) -> None:
        assert isinstance(model.predictor, ReviewPredictor)
        self.model, self.predictor = model, model.predictor
        self._threads = ThreadPoolExecutor(1, thread_name_prefix=model.name)
        self._reviews: Batcher[Review, tuple[Review, ReviewPrediction]] = _batcher(
            lambda reviews: answer_cleaned(self.predictor, reviews),
            self._threads,
            stages,
            model.name,
            weight=lambda review: TEXT_WEIGHT + len(review.title) + len(review.text),
        )
        stages.metrics.watch_queue(model.name, lambda: self._reviews.waiting)

    async def answer(self, review: Review) -> tuple[Review, ReviewPrediction]:
        """The review, its texts cleaned as the bundle's training texts were, and what it says."""
        return await self._reviews.submit(review)

    async def stop(self) -> None:
        """Answer what was taken, and nothing more."""
        await self._reviews.stop()
        self._threads.shutdown(wait=False)


Engine = PicturesEngine | ProductsEngine | ReviewsEngine
ENGINES: dict[str, Callable[[OpenModel, Stages], Engine]] = {
    "pictures": PicturesEngine,
    "products": ProductsEngine,
    "reviews": ReviewsEngine,
}
"""By the task of the bundle."""


def _batcher(
    run: Callable[[Sequence[In]], Sequence[Out | Exception]],
    threads: Executor,
    stages: Stages,
    name: str,
    *,
    weight: Callable[[In], float] = lambda _: 1.0,
) -> Batcher[In, Out]:
    """A queue with the server's limits, which counts its batches under the model's name."""
    limits = Limits(batch=stages.limits.batch, queue=stages.limits.queue)
    return Batcher(run, threads, limits, weight=weight, observe=stages.metrics.batches(name))
