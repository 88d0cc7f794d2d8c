"""What 8 bits change of a bundle's answers, measured on validation rows through the predictors that serve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray

from shelfwise.bundle import Bundle, ProductsBundle, ReviewsBundle, annotate, write_card
from shelfwise.bundle.modalities import subset_key
from shelfwise.data.labelled import LabelledPictures
from shelfwise.data.product_input import ProductInput
from shelfwise.data.review_tokens import review_text
from shelfwise.export.worth import FEW
from shelfwise.nn.product_loader import ProductBatch
from shelfwise.predict.onnx_backend import Precision
from shelfwise.predict.predictor import Predictor
from shelfwise.predict.products import ProductPredictor, ProductScores
from shelfwise.predict.reviews import ReviewPredictor
from shelfwise.schema import Review
from shelfwise.train.card import model_card
from shelfwise.train.product_card import product_card
from shelfwise.train.review_card import review_card

ROWS, SLOW_ROWS = 5000, 500
"""Rows that are compared, at most; with towers that others trained fewer, each of which takes long."""
PRECISIONS: tuple[Precision, Precision] = ("fp32", "int8")


def compare_pictures(bundle: Bundle, validation: LabelledPictures) -> None:
    """Write into the bundle's info, under `int8`, what changes; nothing without a row."""
    rows = validation.take(np.arange(min(ROWS, len(validation))))
    if not len(rows):
        return
    whole, small = (
        Predictor.load(bundle.path, threads=1, precision=precision).probabilities(rows.images)
        for precision in PRECISIONS
    )
    said = changed(whole, small, rows.labels)
    kept = {"text": FEW} if bundle.has_text else {}
    annotate(bundle, int8={"rows": len(rows), **said, "kept_fp32": kept})
    write_card(bundle, model_card(bundle.meta, bundle.config))


def compare_products(bundle: ProductsBundle, batches: Iterable[ProductBatch]) -> None:
    """The same of a products bundle, by what is known (such as `picture+text`, or one of them) and target: of
    the products that have all of it.

    Without targets it is the smallest cosine of a vector with its float one."""
    forms = {name for name in ("picture", "title") if f"{name}.int8.onnx" in bundle.meta.files}
    most = SLOW_ROWS if bundle.reading.architectures else ROWS
    answers: dict[tuple[str, str], list[tuple[ndarray, ndarray, ndarray]]] = {}
    cosines: dict[str, float] = {}
    rows = 0
    if "picture" not in forms:
        return
    predictors = [ProductPredictor.load(bundle.path, threads=1, precision=one) for one in PRECISIONS]
    for batch in batches:
        known = [predictor.encode(_input(batch)) for predictor in predictors]
        everything = tuple(bundle.reading.modalities)
        for subset in dict.fromkeys((everything, ("picture",))):
            whole, small = (
                predictor.scores(some, subset) for predictor, some in zip(predictors, known, strict=True)
            )
            key = subset_key(subset)
            if not bundle.reading.targets:
                cosines[key] = min(cosines.get(key, 1.0), _cosine(whole, small, subset))
            heard = [whole.known[modality] for modality in subset if modality in whole.known]
            if not heard:
                continue
            has = np.stack(heard).all(axis=0)
            for name, target in bundle.reading.targets.items():
                labels = batch.labels[name].numpy()
                finest = np.full(len(labels), -1) if target.several else labels[:, -1]
                said_of = (whole.probabilities[name][has], small.probabilities[name][has], finest[has])
                answers.setdefault((key, name), []).append(said_of)
        rows += len(batch)
        if rows >= most:
            break
    if not rows:
        return
    said: dict[str, dict[str, Any]] = {}
    for (subset_name, name), parts in answers.items():
        joined = [np.concatenate(some) for some in zip(*parts, strict=True)]
        if not len(joined[0]):
            continue
        said.setdefault(subset_name, {})[name] = changed(*joined)
    kept = {name: FEW for name in ("title", "table", "fuse") if name not in forms}
    vectors = {"vectors": cosines} if cosines else {}
    annotate(bundle, int8={"rows": rows, "answers": said, **vectors, "kept_fp32": kept})
    write_card(bundle, product_card(bundle.meta, bundle.config))


def compare_reviews(bundle: ReviewsBundle, validation: Sequence[Review]) -> None:
    """The same of a reviews bundle's stars."""
    most = SLOW_ROWS if bundle.reading.architecture else ROWS
    rows = [review for review in validation if review.rating is not None][:most]
    if not rows:
        return
    texts = [review_text(review) for review in rows]
    whole, small = (
        ReviewPredictor.load(bundle.path, threads=1, precision=precision).distributions(texts).stars
        for precision in PRECISIONS
    )
    stars = np.array([review.rating for review in rows], np.int64)
    annotate(bundle, int8={"rows": len(rows), **changed(whole, small, stars - 1), "kept_fp32": {}})
    write_card(bundle, review_card(bundle.meta, bundle.config))


def changed(
    whole: Float[ndarray, "N K"], small: Float[ndarray, "N K"], labels: Int64[ndarray, "N"]
) -> dict[str, Any]:
    """Accuracies where a label is known, the answers that differ, and the largest change of a probability."""
    known = labels >= 0
    right = {name: said.argmax(1) == labels for name, said in zip(PRECISIONS, (whole, small), strict=True)}
    accuracy = {name: float(some[known].mean()) for name, some in right.items()} if known.any() else {}
    return {
        "accuracy": accuracy,
        "other_answers": float((whole.argmax(1) != small.argmax(1)).mean()),
        "largest_change": float(np.abs(whole - small).max()),
    }


def _cosine(whole: ProductScores, small: ProductScores, subset: Sequence[str]) -> float:
    """The smallest cosine of vectors with each other, of products that have any of `subset`."""
    assert whole.vectors is not None
    assert small.vectors is not None
    there = np.stack([whole.known[name] for name in subset]).any(axis=0)
    return float((whole.vectors * small.vectors).sum(axis=1)[there].min(initial=1.0))


def _input(batch: ProductBatch) -> ProductInput:
    some = batch.products
    parts = (some.pixels, some.owner, some.words, some.pieces, some.values, some.numbers)
    return ProductInput(*(part.numpy() for part in parts))
