"""Evaluate a bundle on labelled pictures: everything that `metrics.json` holds (docs/metrics.md)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from numpy import ndarray

from shelfwise.data.labelled import LabelledPictures
from shelfwise.data.prompts import ClassPrompts, class_prompts
from shelfwise.decide.temperature import apply_temperature
from shelfwise.errors import DataError
from shelfwise.evaluate.cases import describe_cases, without_near_duplicates
from shelfwise.evaluate.classifier import evaluate_classifier
from shelfwise.evaluate.cost import measure_speed
from shelfwise.evaluate.provenance import cost_of, provenance_of
from shelfwise.evaluate.text import text_aligned, text_to_picture
from shelfwise.metrics.retrieval import top_rows
from shelfwise.predict import Predictor

log = logging.getLogger(__name__)

FORMAT = 1
_CHUNK = 512

Watch = Callable[[str, float], None]
"""Called with a stage's name and the share of it that is done, for a progress bar."""


@dataclass(frozen=True)
class Evaluation:
    """The metrics, and what a report needs to show them."""

    metrics: dict[str, Any]
    test: LabelledPictures
    """The labelled rows, labels in the order of the bundle's classes."""
    probabilities: Float[ndarray, "N K"]


@dataclass(frozen=True)
class _Outputs:
    """What the bundle says of the test rows; vectors where it has a text tower."""

    logits: Float[ndarray, "N K"]
    logits_tta: Float[ndarray, "N K"]
    vectors: Float[ndarray, "N E"] | None


def evaluate_bundle(
    predictor: Predictor,
    test: LabelledPictures,
    train: LabelledPictures | None = None,
    *,
    part: str = "test",
    source: str | None = None,
    groups: Shaped[ndarray, "N"] | None = None,
    seed: int = 0,
    speed_s: float = 4.0,
    watch: Watch = lambda _stage, _share: None,
) -> Evaluation:
    """Return everything measured; DataError where the bundle's classes do not fit or no row has a label.

    `train` brings the score without near-duplicates. `groups` are family ids of the test rows, which widen
    the intervals. `part` and `source` name the rows in the metrics. `speed_s` is the time to
    spend on measuring speed; 0 leaves it out."""
    began = time.perf_counter()
    bundle = predictor.bundle
    test = fit_labels(test, bundle.classes, bundle.label)
    known = np.flatnonzero(test.labels >= 0)
    unlabelled, rows = len(test) - len(known), test.take(known)
    groups = None if groups is None else groups[known]
    outputs = _run(predictor, rows.images, watch)
    probabilities = apply_temperature(outputs.logits, bundle.temperature)
    predicted = outputs.logits.argmax(axis=1)

    watch("intervals", 0.0)
    scores = evaluate_classifier(
        outputs.logits,
        rows.labels,
        bundle.classes,
        temperature=bundle.temperature,
        logits_tta=outputs.logits_tta,
        groups=groups,
        seed=seed,
    )
    scores["rows_without_label"] = unlabelled
    if train is not None:
        watch("near-duplicates", 0.0)
        scores["without_near_duplicates"] = without_near_duplicates(
            rows, train, predicted, bundle.config.split, seed=seed
        )
    metrics: dict[str, Any] = {
        "format": FORMAT,
        "bundle": _identity(predictor),
        "data": {"source": source or bundle.meta.source, "part": part, "rows": len(rows)},
        "test": scores,
    }
    if outputs.vectors is not None:
        watch("texts", 0.0)
        metrics |= _text_metrics(predictor, rows, outputs.vectors, predicted, seed)
    metrics["cases"] = describe_cases(probabilities, rows, bundle.classes)
    if speed_s > 0:
        watch("speed", 0.0)
        metrics["speed"] = measure_speed(
            Predictor.load(bundle.path, threads=1), rows.images, budget_s=speed_s / 2
        )
    metrics |= cost_of(bundle.info.get("training", {}), time.perf_counter() - began)
    metrics["provenance"] = provenance_of(bundle, seed)
    return Evaluation(metrics, rows, probabilities)


def fit_labels(test: LabelledPictures, classes: tuple[str, ...], who: str) -> LabelledPictures:
    """Return the rows with labels that index `classes`; DataError where a label is not among them."""
    present = test.class_counts > 0
    if not present.any():
        raise DataError(
            "no row to evaluate on: the catalogue is empty, or no row of this part has a label; "
            "try another --part, or check the target column"
        )
    unknown = [name for name, some in zip(test.classes, present, strict=True) if some and name not in classes]
    if unknown:
        raise DataError(
            f"bundle '{who}' does not know {len(unknown)} of the catalogue's labels: {_some(unknown)} "
            f"(it knows {_some(list(classes))}); evaluate on one with its labels, or train on this one"
        )
    index = np.array([classes.index(name) if name in classes else -1 for name in test.classes] + [-1])
    return LabelledPictures(test.images, index[test.labels].astype(np.int64), classes, test.ids)


def _run(predictor: Predictor, images: UInt8[ndarray, "N H W C"], watch: Watch) -> _Outputs:
    """Ask the bundle for every row, and once more for its mirror image."""
    logits, mirrored, vectors = [], [], []
    for start in range(0, len(images), _CHUNK):
        watch("pictures", start / len(images))
        pixels = images[start : start + _CHUNK]
        some_logits, some_vectors = predictor.outputs(pixels)
        logits.append(some_logits)
        mirrored.append(predictor.logits(np.ascontiguousarray(pixels[:, :, ::-1])))
        if some_vectors is not None:
            vectors.append(some_vectors)
    plain = np.concatenate(logits)
    both = (plain + np.concatenate(mirrored)) / 2
    return _Outputs(plain, both, np.concatenate(vectors) if vectors else None)


def _text_metrics(
    predictor: Predictor, rows: LabelledPictures, vectors: ndarray, predicted: ndarray, seed: int
) -> dict[str, Any]:
    """Return the parts `text_aligned` and `retrieval`."""
    prompts = class_prompts(rows.classes, use="evaluate", source=predictor.bundle.meta.source)
    texts = [predictor.embed_texts(some) for some in prompts.texts]
    aligned = text_aligned(vectors, texts, rows.labels, predicted, seed=seed)
    aligned["prompts_of_first_class"] = list(prompts.texts[0])
    return {
        "text_aligned": aligned,
        "retrieval": {
            **text_to_picture(vectors, texts, rows.labels, seed=seed),
            "examples": _found(prompts, texts, vectors, rows),
        },
    }


def _found(
    prompts: ClassPrompts, texts: list[ndarray], vectors: ndarray, rows: LabelledPictures, depth: int = 8
) -> list[dict[str, Any]]:
    """Return what the first prompt of each class finds, best first."""
    best = top_rows(np.stack([some[0] for some in texts]), vectors, min(depth, len(rows)))
    return [
        {
            "query": prompts.texts[k][0],
            "ids": [rows.ids[row] for row in found],
            "labels": [rows.classes[rows.labels[row]] for row in found],
            "class": name,
        }
        for k, (name, found) in enumerate(zip(prompts.classes, best, strict=True))
    ]


def _identity(predictor: Predictor) -> dict[str, Any]:
    bundle = predictor.bundle
    return {
        "name": bundle.name,
        "version": bundle.version,
        "classes": list(bundle.classes),
        "target": bundle.meta.target,
        "created": bundle.meta.created,
    }


def _some(names: list[str], most: int = 5) -> str:
    """Return the first few names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more
