"""`ProductExplainer`: why a products bundle says what it says of a product, everything in one `Explained`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock

import torch
from numpy import ndarray

from shelfwise.bundle import ProductsBundle
from shelfwise.explain.asked_product import AskedProduct
from shelfwise.explain.attention import with_gaze
from shelfwise.explain.by_answers import explain_by_answers
from shelfwise.explain.gradients import OpenNetwork
from shelfwise.explain.neighbours import known_products
from shelfwise.explain.networks import OpenProduct, open_product_net
from shelfwise.explain.picture_maps import maps_of_picture, methods_used, why_without
from shelfwise.explain.question import Question
from shelfwise.explain.result import Explained
from shelfwise.predict.product_backend import OnnxProductBackend
from shelfwise.predict.products import ProductPredictor
from shelfwise.schema import Product
from shelfwise.schema.explanation import ExplainedPicture


class ProductExplainer:
    """A products bundle with all that explaining takes of it, opened once. Safe to share between threads.

    Answers are those of `predict`, on onnxruntime; gradients and attention are of the same weights in torch.
    They are taken for one product at a time; what takes answers alone runs side by side."""

    def __init__(self, bundle: ProductsBundle, threads: int | None = None) -> None:
        """`threads` bounds the cores of one call. BundleError where the bundle's files do not fit."""
        self.bundle = bundle
        self._predictor = ProductPredictor(bundle, OnnxProductBackend(bundle, threads))
        self._known = known_products(bundle)
        self._net, self._threads = open_product_net(bundle), threads
        self._one_by_one = Lock()

    @classmethod
    def load(cls, path: Path | str, *, threads: int | None = None) -> ProductExplainer:
        """The explainer of the bundle in a folder."""
        return cls(ProductsBundle.open(Path(path)), threads)

    def explain(
        self,
        product: Product,
        image_root: Path = Path(),
        *,
        target: str | None = None,
        label: str | None = None,
    ) -> Explained:
        """Why the bundle says a class of the target, by default the likeliest one of the main target.

        DataError where nothing can be said of the product, or there is no such target or class."""
        explanation, asked, question = explain_by_answers(
            self._predictor, product, image_root, target=target, label=label, known=self._known
        )
        with self._torch():
            network = OpenProduct(self.bundle, asked.given, self._net)
            found = _with_maps(Explained(explanation), asked, network, question, _picture_names(product))
            explanation = with_gaze(found.explanation, asked, network)
        return Explained(explanation, found.pixels, found.maps)

    @contextmanager
    def _torch(self) -> Iterator[None]:
        """The network for this thread alone: what watches it while it runs would see another's run too."""
        with self._one_by_one:
            before = torch.get_num_threads()
            torch.set_num_threads(self._threads or before)
            try:
                yield
            finally:
                torch.set_num_threads(before)


def _picture_names(product: Product) -> list[str]:
    return [Path(image.path).name if image.path else "" for image in product.images]


def _with_maps(
    found: Explained, asked: AskedProduct, network: OpenProduct, question: Question, names: list[str]
) -> Explained:
    """With the maps of every picture."""
    explanation, count = found.explanation, len(asked.pixels)
    missing = dict(explanation.missing)
    if "picture" not in asked.modalities_used:
        missing["maps"] = "the bundle's fusion does not look at pictures"
    elif not count:
        missing["maps"] = "there is no picture"
    if "maps" in missing:
        return Explained(explanation.model_copy(update={"missing": missing}))
    background = asked.background
    said: list[ExplainedPicture] = []
    drawn: dict[str, ndarray] = {}
    opened: OpenNetwork | None = None
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
    missing |= why_without(opened)
    methods = (*explanation.methods, *methods_used(opened))
    changed = {"pictures": tuple(said), "methods": methods, "missing": missing}
    return Explained(explanation.model_copy(update=changed), tuple(asked.pixels), drawn)
