"""Why a products bundle says what it says of a product: everything in one `Explained`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from numpy import ndarray

from shelfwise.bundle import ProductsBundle
from shelfwise.explain.asked_product import AskedProduct
from shelfwise.explain.attention import with_gaze
from shelfwise.explain.by_answers import explain_by_answers
from shelfwise.explain.networks import OpenProduct
from shelfwise.explain.picture_maps import maps_of_picture, methods_used
from shelfwise.explain.question import Question
from shelfwise.explain.result import Explained
from shelfwise.predict.product_backend import OnnxProductBackend
from shelfwise.predict.products import ProductPredictor
from shelfwise.schema import Product
from shelfwise.schema.explanation import ExplainedPicture


def explain_product(
    bundle: ProductsBundle,
    product: Product,
    image_root: Path = Path(),
    *,
    target: str | None = None,
    label: str | None = None,
    threads: int | None = None,
) -> Explained:
    """Why the bundle says a class of the target, by default the likeliest one of the main target.

    Answers are those of `predict`, on onnxruntime; gradients and attention are of the same weights in torch.
    DataError where nothing can be said of the product, or there is no such target or class."""
    predictor = ProductPredictor(bundle, OnnxProductBackend(bundle, threads))
    explanation, asked, question = explain_by_answers(
        predictor, product, image_root, target=target, label=label
    )
    network = OpenProduct(bundle, asked.given)
    found = _with_maps(Explained(explanation), asked, network, question, _picture_names(product))
    explanation = with_gaze(found.explanation, asked, network)
    return Explained(explanation, found.pixels, found.maps)


def _picture_names(product: Product) -> list[str]:
    return [Path(image.path).name if image.path else "" for image in product.images]


def _with_maps(
    found: Explained, asked: AskedProduct, network: OpenProduct, question: Question, names: list[str]
) -> Explained:
    """With the maps of every picture."""
    explanation, count = found.explanation, len(asked.pixels)
    missing = dict(explanation.missing)
    if "picture" not in asked.listens:
        missing["maps"] = "the bundle's fusion does not look at pictures"
    elif not count:
        missing["maps"] = "there is no picture"
    if "maps" in missing:
        return Explained(explanation.model_copy(update={"missing": missing}))
    background = asked.background
    said: list[ExplainedPicture] = []
    drawn: dict[str, ndarray] = {}
    opened = None
    for number, pixels in enumerate(asked.pixels):
        opened = network.of_picture(number, explanation.target)
        maps = maps_of_picture(
            partial(asked.of_pictures, number),
            opened,
            pixels,
            question,
            number=number,
            background=background,
        )
        drawn |= maps.drawn
        # Where a picture could not be used, the names no longer tell which is which.
        name = names[number] if len(names) == count and names[number] else f"picture {number + 1}"
        said.append(ExplainedPicture(name=name, maps=tuple(maps.said)))
    if opened is None:
        missing["gradients"] = "this picture tower has no feature map that gradients could be taken at"
    methods = (*explanation.methods, *methods_used(opened is not None))
    changed = {"pictures": tuple(said), "methods": methods, "missing": missing}
    return Explained(explanation.model_copy(update=changed), tuple(asked.pixels), drawn)
