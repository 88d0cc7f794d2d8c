"""Open bundles of any task, each with its predictor, and the question that shows that it works."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from shelfwise.bundle import DEFAULTS, Bundle, ProductsBundle, ReviewsBundle, default_bundle, open_bundle
from shelfwise.errors import BundleError
from shelfwise.predict.onnx_backend import OnnxBackend, Precision
from shelfwise.predict.predictor import Predictor
from shelfwise.predict.product_backend import OnnxProductBackend
from shelfwise.predict.products import ProductPredictor
from shelfwise.predict.review_backend import OnnxReviewBackend
from shelfwise.predict.reviews import ReviewPredictor
from shelfwise.schema import Picture, Product, Review
from shelfwise.schema.serving import Answered, ModelCard

Task = Literal["pictures", "products", "reviews"]
AnyPredictor = Predictor | ProductPredictor | ReviewPredictor
PROBE = "probe"
"""The id of what a self-test asks about."""


@dataclass(frozen=True, eq=False)
class OpenModel:
    """A bundle that answers."""

    predictor: AnyPredictor
    precision: Precision = "fp32"
    given_name: str | None = None
    """By which it is asked for instead of the bundle's own."""

    @property
    def bundle(self) -> Bundle | ProductsBundle | ReviewsBundle:
        """Its bundle."""
        return self.predictor.bundle

    @property
    def name(self) -> str:
        """By which requests ask for it."""
        return self.given_name or self.bundle.name

    @property
    def task(self) -> Task:
        """What it was trained for."""
        return self.bundle.meta.task

    @property
    def answered(self) -> Answered:
        """What answers say of it."""
        return Answered(bundle=self.bundle.label, domain=self.bundle.meta.source)

    def card(self) -> ModelCard:
        """What it can tell."""
        bundle = self.bundle
        targets: dict[str, tuple[str, ...]] = {}
        vectors: int | None = None
        if isinstance(bundle, ProductsBundle):
            targets = {
                name: tuple(path[-1] for path in info.paths) for name, info in bundle.reading.targets.items()
            }
            vectors = bundle.reading.shared or None
        elif isinstance(bundle, Bundle):
            targets = {bundle.meta.target: bundle.classes}
            vectors = bundle.config.text.width if bundle.has_text else None
        return ModelCard(
            id=self.name,
            task=self.task,
            version=bundle.version,
            domain=bundle.meta.source,
            targets=targets,
            vectors=vectors,
            precision=self.precision,
            rows=bundle.meta.info.get("rows", {}).get("train"),
            validation=_flat(bundle.meta.info.get("validation", {})),
        )


def _flat(scores: Mapping[str, Any]) -> dict[str, float]:
    """Scores by name, those of products by what was known and name."""
    found: dict[str, float] = {}
    for name, score in scores.items():
        inner = {f"{name}: {target}": one for target, one in score.items()} if isinstance(score, dict) else {}
        found |= inner or ({name: float(score)} if isinstance(score, int | float) else {})
    return found


def open_model(
    path: Path,
    *,
    name: str | None = None,
    threads: int | None = None,
    precision: Precision = "int8",
    max_pixels: int | None = None,
) -> OpenModel:
    """The bundle in a folder, checked and ready; `int8` where it has that. BundleError for an unfit one.

    `max_pixels` of a picture are decoded, where the bundle itself allows more."""
    bundle = open_bundle(path)
    if max_pixels is not None and not isinstance(bundle, ReviewsBundle):
        data = bundle.config.data
        bounded = {"max_pixels": min(max_pixels, data.max_pixels)}
        bundle.config = bundle.config.model_copy(update={"data": data.model_copy(update=bounded)})
    graph = "review" if isinstance(bundle, ReviewsBundle) else "picture"
    chosen: Precision = precision if f"{graph}.int8.onnx" in bundle.meta.files else "fp32"
    predictor: AnyPredictor
    if isinstance(bundle, ReviewsBundle):
        predictor = ReviewPredictor(bundle, OnnxReviewBackend(bundle, threads, chosen))
    elif isinstance(bundle, ProductsBundle):
        predictor = ProductPredictor(bundle, OnnxProductBackend(bundle, threads, chosen))
    else:
        predictor = Predictor(bundle, OnnxBackend(bundle, threads, chosen))
    return OpenModel(predictor, chosen, name)


def default_paths() -> list[Path]:
    """The bundles that come with the package; BundleError where this installation has none."""
    return [default_bundle(name) for name in DEFAULTS]


def self_test(model: OpenModel) -> None:
    """Ask a real question; BundleError where the answer is none."""
    predictor, label = model.predictor, model.bundle.label
    if isinstance(predictor, ReviewPredictor):
        known = predictor.predict(
            [Review(id=PROBE, text="It fits well and looks good, but the seams came apart.")]
        )
        status, sums = known[0].status, [sum(known[0].star_probabilities)]
        if known[0].error_kind == "empty_text":  # no word of the question is in its vocabulary
            return
    else:
        product = Product(id=PROBE, images=(Picture(data=_probe_picture()),))
        if isinstance(predictor, ProductPredictor):
            answer = next(predictor.predict([product], Path()))
            status = answer.status
            sums = [target.probabilities[0] for target in answer.targets.values() if target.probabilities]
        else:
            found = predictor.predict([product], top=len(predictor.bundle.classes))[0]
            status, sums = found.status, [sum(score.probability for score in found.top)]
    if status != "ok" or not all(np.isfinite(total) and 0 <= total <= 1.01 for total in sums):
        raise BundleError(f"bundle '{label}' fails its self-test; copy or train it again")


def _probe_picture() -> bytes:
    """A drawn picture that every bundle takes: a dark square on white."""
    pixels = np.full((32, 32), 255, np.uint8)
    pixels[8:24, 8:24] = 60
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
