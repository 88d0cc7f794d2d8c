"""The paired difference of two bundles: zero against itself, and told right when one is better."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shelfwise.data.labelled import LabelledPictures
from shelfwise.errors import DataError
from shelfwise.evaluate.paired import compare_bundles
from shelfwise.predict import Predictor

Draw = Callable[..., LabelledPictures]


@pytest.fixture(scope="module")
def predictor(tiny_bundle: Path) -> Predictor:
    return Predictor.load(tiny_bundle, threads=1)


class _Other(Predictor):
    """The same bundle with its classes in another order, and noise on its logits."""

    def __init__(self, real: Predictor, *, noise: float, classes: tuple[str, ...] | None = None) -> None:
        super().__init__(real.bundle, real._backend)
        self._noise = noise
        names = classes or tuple(reversed(real.bundle.classes))
        self.bundle = type(real.bundle)(
            real.bundle.path, real.bundle.meta.model_copy(update={"classes": names}), real.bundle.config
        )

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        plain = super().logits(pixels)[:, ::-1]
        return (plain + np.random.default_rng(0).normal(size=plain.shape) * self._noise).astype(np.float32)


def test_a_bundle_does_not_differ_from_itself(predictor: Predictor, drawn_pictures: Draw) -> None:
    found = compare_bundles(predictor, _Other(predictor, noise=0), drawn_pictures(80, seed=2000))
    for name, row in found["metrics"].items():
        assert row["difference"]["value"] == pytest.approx(0, abs=1e-6), name
    assert found["metrics"]["accuracy"]["better"] == "neither"
    assert found["agreement"]["only_a_right"] == found["agreement"]["only_b_right"] == 0


def test_a_bundle_that_guesses_is_worse_in_everything(predictor: Predictor, drawn_pictures: Draw) -> None:
    found = compare_bundles(predictor, _Other(predictor, noise=50), drawn_pictures(200, seed=2000))
    for name in ("accuracy", "macro_f1", "auroc", "nll", "ece"):
        assert found["metrics"][name]["better"] == "A", name
    assert sum(found["agreement"].values()) == found["rows"] == 200
    json.dumps(found, allow_nan=False)


def test_bundles_of_other_classes_or_rows_are_refused(predictor: Predictor, drawn_pictures: Draw) -> None:
    rows: Any = drawn_pictures(8, seed=2000)
    with pytest.raises(DataError, match="different classes"):
        compare_bundles(predictor, _Other(predictor, noise=0, classes=("a", "b", "c", "d")), rows)
    with pytest.raises(DataError, match="same rows"):
        compare_bundles(predictor, predictor, rows, drawn_pictures(8, seed=3000))
