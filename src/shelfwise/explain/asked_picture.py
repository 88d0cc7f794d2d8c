"""One picture and what a pictures bundle says of it and of its versions: what its explanations begin with.

V versions, H x W x C raw pixels, K classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from shelfwise.data.preprocess import Preprocessor
from shelfwise.decide.temperature import apply_temperature
from shelfwise.errors import DataError
from shelfwise.explain.asked_product import background_of
from shelfwise.explain.question import question_about
from shelfwise.predict.predictor import UNLIKE_TRAINING, Predictor
from shelfwise.schema import LabelScore, Product
from shelfwise.schema.explanation import Explanation


class AskedPicture:
    """The first usable picture of a product, the class that is asked about, and calibrated logits."""

    def __init__(self, predictor: Predictor, product: Product, image_root: Path, label: str | None) -> None:
        """DataError where the picture cannot be used, or there is no such class."""
        self._predictor, self._id = predictor, product.id
        bundle = predictor.bundle
        preprocessor = Preprocessor(bundle.config.preprocess, max_pixels=bundle.config.data.max_pixels)
        batch, errors, warnings = preprocessor.batch([product], image_root)
        if errors:
            raise DataError(f"'{product.id}' {errors[0].why}")
        self.pixels: UInt8[ndarray, "H W C"] = batch.pixels[0]
        self.background = background_of(bundle.config.preprocess)
        logits = self.ask(batch.pixels)
        self.question = question_about([(name,) for name in bundle.classes], logits[0], label)
        self._odds = apply_temperature(logits, 1.0)[0]
        unlike = predictor.scores(batch.pixels, vectors=False).unlike[0]
        kinds = [*(warning.kind for warning in warnings), *([UNLIKE_TRAINING] if unlike else [])]
        self._warnings = tuple(dict.fromkeys(kinds))

    def ask(self, versions: UInt8[ndarray, "V H W C"]) -> Float[ndarray, "V K"]:
        """Calibrated logits of versions of the picture."""
        return np.asarray(self._predictor.logits(versions) / self._predictor.bundle.temperature)

    def explanation(self, **parts: Any) -> Explanation:
        """What is asked and answered, with `parts` that say why."""
        bundle, question = self._predictor.bundle, self.question
        scores = [
            LabelScore(label=name, probability=min(1.0, float(p)))
            for name, p in zip(bundle.classes, self._odds, strict=True)
        ]
        return Explanation(
            bundle=bundle.label,
            id=self._id,
            target=bundle.meta.target,
            label=bundle.classes[question.number],
            path=(bundle.classes[question.number],),
            probability=scores[question.number].probability,
            answer=scores[int(self._odds.argmax())],
            rival=None if question.rival is None else scores[question.rival],
            known=("picture",),
            warnings=self._warnings,
            **parts,
        )
