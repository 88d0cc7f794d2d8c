"""The peers of a products bundle: linear models of words, of gradients and colours, and of both.

From the title, TF-IDF of words and pairs of words with logistic regression; from the picture, histograms of
oriented gradients and of colours with a linear support vector machine; from both, such a machine on all of
these columns. Each target has models of its own.

They are fair peers: fitted on the same training products, their settings chosen by accuracy on the same
validation products; they read the same titles and the same pixels. They say classes, no probabilities.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8
from numpy import ndarray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from shelfwise.data.product_rows import ProductRows
from shelfwise.evaluate.hog import picture_features
from shelfwise.evaluate.linear_svm import Columns, LinearSvm

SUBSETS = ("text", "picture", "picture+text")
"""What a peer may read, in the words of `evaluate.products`."""
REGRESSION_C = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
MACHINE_C = (0.3, 1.0, 3.0, 10.0)
"""Inverse strengths of regularisation that are tried, weakest last."""
PICTURE_SHARE = 0.3
"""Length of a picture's columns beside a title's 1; gender was told a little better so than with 1."""
STEPS = 1000
"""More than the regression takes."""


@dataclass(frozen=True)
class Peer:
    """One fitted baseline's answers and how it came about."""

    said: tuple[Shaped[ndarray, "_"], ...]
    """The class of each product, for each of the asked rows."""
    chosen: dict[str, float]
    accuracy: float
    """On validation, of the chosen settings."""
    converged: bool
    """Whether the solver came to its end, or was cut after so many steps."""


class Reader:
    """Makes a linear model's columns of products, as it learned from the training products."""

    def __init__(self, train: ProductRows) -> None:
        self._words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32)
        self.train = {"text": self._words.fit_transform(train.titles)}
        kinds = picture_features(first_pictures(train))
        self._means = [kind.mean(axis=0) for kind in kinds]
        centred = [kind - mean for kind, mean in zip(kinds, self._means, strict=True)]
        # Gradients and colours weigh the same, and both together as much as a title: length 1.
        self._lengths = [np.sqrt(2 * (kind**2).sum(axis=1).mean()) or 1.0 for kind in centred]
        self.train["picture"] = self._side_by_side(centred)

    def columns(self, rows: ProductRows) -> dict[str, Any]:
        """The columns of `text`, sparse, and of `picture`, dense, in float32."""
        kinds = picture_features(first_pictures(rows))
        centred = [kind - mean for kind, mean in zip(kinds, self._means, strict=True)]
        return {"text": self._words.transform(rows.titles), "picture": self._side_by_side(centred)}

    def _side_by_side(self, kinds: list[ndarray]) -> ndarray:
        scaled = [kind / length for kind, length in zip(kinds, self._lengths, strict=True)]
        return np.concatenate(scaled, axis=1, dtype=np.float32)


def fit_peer(
    subset: str,
    train: dict[str, Any],
    labels: Shaped[ndarray, "N"],
    unseen: tuple[dict[str, Any], ...],
    validation: Shaped[ndarray, "M"],
) -> Peer:
    """Fit on `train` from one of `SUBSETS`, choose on the first of `unseen`, and answer for all of them.

    `labels` are class names, empty where there is none."""
    known = np.flatnonzero(labels != "")
    classes, numbers = np.unique(labels[known], return_inverse=True)
    some = {name: columns[known] for name, columns in train.items()} if len(known) < len(labels) else train
    models = _regressions if subset == "text" else _machines
    best: Peer | None = None
    judged = validation != ""
    for chosen, converged, answers in models(subset, some, numbers, unseen):
        said = tuple(classes[answer] for answer in answers)
        accuracy = float((said[0] == validation)[judged].mean()) if judged.any() else 0.0
        if best is None or accuracy > best.accuracy:
            best = Peer(said, chosen, accuracy, converged)
    assert best is not None
    return best


def first_pictures(rows: ProductRows) -> UInt8[ndarray, "N H W C"]:
    """The first picture of each product; white where it has none."""
    found = np.full((len(rows), *rows.pool.shape[1:]), 255, np.uint8)
    there = rows.counts > 0
    found[there] = rows.pool[rows.places[rows.first[:-1][there]]]
    return found


_Answers = Iterator[tuple[dict[str, float], bool, list[ndarray]]]


def _regressions(
    subset: str, train: dict[str, Any], labels: ndarray, unseen: tuple[dict[str, Any], ...]
) -> _Answers:
    """Settings, whether the solver came to its end, and class numbers, of every regression."""
    for c in REGRESSION_C:
        model = LogisticRegression(C=c, max_iter=STEPS).fit(train[subset], labels)
        yield {"c": c}, int(model.n_iter_.max()) < STEPS, [model.predict(some[subset]) for some in unseen]


def _machines(
    subset: str, train: dict[str, Any], labels: ndarray, unseen: tuple[dict[str, Any], ...]
) -> _Answers:
    """The same of every machine; each goes on from the one before it."""
    classes = int(labels.max()) + 1
    rows, *asked = (_columns(some, subset) for some in (train, *unseen))
    model = None
    for c in MACHINE_C:
        model = LinearSvm.fit(rows, labels, classes, c=c, start=model)
        yield {"c": c}, model.converged, [model.predict(some) for some in asked]


def _columns(columns: dict[str, Any], subset: str) -> Columns:
    if subset == "picture":
        return Columns([columns["picture"]])
    return Columns([np.float32(PICTURE_SHARE) * columns["picture"], columns["text"]])
