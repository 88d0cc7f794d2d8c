"""Why a pictures bundle says what it says of a picture."""

from __future__ import annotations

from pathlib import Path

from shelfwise.bundle import Bundle
from shelfwise.explain.asked_picture import AskedPicture
from shelfwise.explain.networks import open_classifier
from shelfwise.explain.picture_maps import maps_of_picture, methods_used, why_without
from shelfwise.explain.result import Explained
from shelfwise.predict import Predictor
from shelfwise.predict.onnx_backend import OnnxBackend
from shelfwise.schema import Picture, Product
from shelfwise.schema.explanation import ExplainedPicture

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
    product = Product(id=picture.path or "picture", images=(picture,))
    asked = AskedPicture(Predictor(bundle, OnnxBackend(bundle, threads)), product, image_root, label)
    network = open_classifier(bundle)
    maps = maps_of_picture(
        asked.ask, network, asked.pixels, asked.question, number=0, background=asked.background
    )
    name = Path(picture.path).name if picture.path else "picture"
    missing = MISSING | why_without(network)
    if asked.question.rival is None:
        missing["contrast"] = "the bundle has one class only"
    explanation = asked.explanation(
        pictures=(ExplainedPicture(name=name, maps=tuple(maps.said)),),
        missing=missing,
        methods=methods_used(network),
    )
    return Explained(explanation, (asked.pixels,), maps.drawn)
