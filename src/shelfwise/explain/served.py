"""Explanations from answers alone, of any open bundle: what a server gives, on onnxruntime and without torch.

Where in the picture is told by occlusion: the answer asked again with a window of the picture blanked.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from threading import Lock

from jaxtyping import UInt8
from numpy import ndarray

from shelfwise.bundle.neighbours import KnownProducts
from shelfwise.errors import DataError
from shelfwise.explain import occlusion
from shelfwise.explain.asked_picture import AskedPicture
from shelfwise.explain.by_answers import explain_by_answers
from shelfwise.explain.neighbours import known_products
from shelfwise.explain.question import Question
from shelfwise.explain.result import Explained, MapCollector
from shelfwise.predict.predictor import Predictor
from shelfwise.predict.products import ProductPredictor
from shelfwise.schema import Product
from shelfwise.schema.explanation import Asks, ExplainedPicture, Explanation

UNIT = "nats when blanked"
ATTENTION = "attention and gradients are told by `shelfwise explain`"
ONE_PICTURE = "the bundle answers from the picture alone"


class ServedExplainer:
    """Explains the answers of a bundle of products or pictures. Safe to share between threads."""

    def __init__(self, predictor: ProductPredictor | Predictor) -> None:
        self._predictor = predictor
        self._known: KnownProducts | str | None = None
        self._reading = Lock()

    def explain(
        self, product: Product, *, target: str | None = None, label: str | None = None
    ) -> Explanation:
        """Why the bundle says a class, by default the likeliest one of the main target.

        DataError where nothing can be said of the product, or there is no such target or class."""
        if isinstance(self._predictor, ProductPredictor):
            return self._of_product(self._predictor, product, target, label)
        meta = self._predictor.bundle.meta
        if target not in (None, meta.target):
            raise DataError(f"target '{target}' is none of the bundle's: {meta.target}")
        return picture_by_answers(self._predictor, product, label=label).explanation

    def _of_product(
        self, predictor: ProductPredictor, product: Product, target: str | None, label: str | None
    ) -> Explanation:
        with self._reading:  # once, when somebody asks for the first time
            if self._known is None:
                self._known = known_products(predictor.bundle)
        explanation, asked, question = explain_by_answers(
            predictor, product, Path(), target=target, label=label, known=self._known
        )
        missing = {**explanation.missing, "gradients": ATTENTION}
        if "picture" not in asked.modalities_used:
            missing["maps"] = "the bundle's fusion does not look at pictures"
        elif not len(asked.pixels):
            missing["maps"] = "there is no picture"
        if "maps" in missing:
            return explanation.model_copy(update={"missing": missing})
        pictures = tuple(
            ExplainedPicture(
                name=f"picture {number + 1}",
                maps=tuple(
                    _maps(partial(asked.of_pictures, number), question, pixels, asked.background, number).said
                ),
            )
            for number, pixels in enumerate(asked.pixels)
        )
        methods = (*explanation.methods, occlusion.METHOD)
        return explanation.model_copy(update={"pictures": pictures, "methods": methods, "missing": missing})


def picture_by_answers(
    predictor: Predictor, product: Product, *, label: str | None = None, no_gradients: str = ATTENTION
) -> Explained:
    """Why a pictures bundle says a class of the product's first usable picture, with the maps to draw.

    `no_gradients` says why there are none. DataError where the picture cannot be used, or there is no such
    class."""
    asked = AskedPicture(predictor, product, Path(), label)
    maps = _maps(asked.ask, asked.question, asked.pixels, asked.background, 0)
    names = ("modalities", "words", "attention", "neighbours")
    explanation = asked.explanation(
        pictures=(ExplainedPicture(name="picture 1", maps=tuple(maps.said)),),
        missing={**dict.fromkeys(names, ONE_PICTURE), "gradients": no_gradients},
        methods=(occlusion.METHOD,),
    )
    return Explained(explanation, (asked.pixels,), maps.drawn)


def _maps(
    ask: occlusion.Ask, question: Question, pixels: UInt8[ndarray, "H W C"], background: int, number: int
) -> MapCollector:
    """Where the class is seen, and where it is rather than its rival."""
    asks: list[Asks] = ["class"] if question.rival is None else ["class", "contrast"]
    judges = [question.value, *([] if question.rival is None else [question.contrast])]
    found = MapCollector(number)
    for kind, values in zip(asks, occlusion.occlusion(ask, judges, pixels, background), strict=True):
        found.add(occlusion.METHOD.name, kind, values, UNIT)
    return found
