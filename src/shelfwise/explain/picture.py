"""Why a pictures bundle says what it says of a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from shelfwise.bundle import Bundle
from shelfwise.data.preprocess import Preprocessor
from shelfwise.decide.temperature import apply_temperature
from shelfwise.errors import DataError
from shelfwise.explain.asked_product import background_of
from shelfwise.explain.networks import open_classifier
from shelfwise.explain.picture_maps import maps_of_picture, methods_used, why_without
from shelfwise.explain.question import question_about
from shelfwise.explain.result import Explained
from shelfwise.predict import Predictor
from shelfwise.predict.onnx_backend import OnnxBackend
from shelfwise.schema import LabelScore, Picture, Product
from shelfwise.schema.explanation import ExplainedPicture, Explanation

MISSING = {
    "modalities": "the bundle answers from the picture alone",
    "words": "the bundle answers from the picture alone",
    "attention": "the bundle answers from the picture alone",
    "neighbours": "a pictures bundle keeps no training products",
}


def explain_picture(
    bundle: Bundle,
    picture: Picture,
    image_root: Path = Path(),
    *,
    label: str | None = None,
    threads: int | None = None,
) -> Explained:
    """Why the bundle says a class of the picture, by default the likeliest one.

    DataError where the picture cannot be used, or there is no such class."""
    predictor = Predictor(bundle, OnnxBackend(bundle, threads))
    product = Product(id=picture.path or "picture", images=(picture,))
    preprocessor = Preprocessor(bundle.config.preprocess, max_pixels=bundle.config.data.max_pixels)
    batch, errors, warnings = preprocessor.batch([product], image_root)
    if errors:
        raise DataError(f"'{product.id}' {errors[0].why}")
    pixels = batch.pixels[0]

    def ask(versions: UInt8[ndarray, "B H W C"]) -> Float[ndarray, "B K"]:
        return np.asarray(predictor.logits(versions) / bundle.temperature)

    logits = ask(batch.pixels)
    question = question_about([(name,) for name in bundle.classes], logits[0], label)
    said = apply_temperature(logits, 1.0)[0]
    scores = [
        LabelScore(label=name, probability=min(1.0, float(p)))
        for name, p in zip(bundle.classes, said, strict=True)
    ]
    network = open_classifier(bundle)
    background = background_of(bundle.config.preprocess)
    maps = maps_of_picture(ask, network, pixels, question, number=0, background=background)
    name = Path(picture.path).name if picture.path else "picture"
    missing = MISSING | why_without(network)
    if question.rival is None:
        missing["contrast"] = "the bundle has one class only"
    explanation = Explanation(
        bundle=bundle.label,
        id=product.id,
        target=bundle.meta.target,
        label=bundle.classes[question.number],
        path=(bundle.classes[question.number],),
        probability=scores[question.number].probability,
        answer=scores[int(said.argmax())],
        rival=None if question.rival is None else scores[question.rival],
        known=("picture",),
        pictures=(ExplainedPicture(name=name, maps=tuple(maps.said)),),
        missing=missing,
        methods=methods_used(network),
        warnings=tuple(dict.fromkeys(warning.kind for warning in warnings)),
    )
    return Explained(explanation, (pixels,), maps.drawn)
