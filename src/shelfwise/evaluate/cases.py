"""Which rows to look at: the most confident errors and the most confused pairs of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray

from shelfwise.config import SplitConfig
from shelfwise.data.duplicates import near_duplicates
from shelfwise.data.labelled import LabelledPictures
from shelfwise.metrics.bootstrap import mean_of


def confident_errors(
    probabilities: Float[ndarray, "N K"], labels: Int64[ndarray, "N"], limit: int = 24
) -> Int64[ndarray, "M"]:
    """Return the rows that are wrong, the most confident first; equal ones in row order."""
    wrong = np.flatnonzero((probabilities.argmax(axis=1) != labels) & (labels >= 0))
    order = np.argsort(-probabilities[wrong].max(axis=1), kind="stable")
    return np.asarray(wrong[order][:limit])


def confused_pairs(
    probabilities: Float[ndarray, "N K"], labels: Int64[ndarray, "N"], limit: int = 6, examples: int = 8
) -> list[tuple[int, int, Int64[ndarray, "M"], int]]:
    """Return (label, prediction, example rows, count) of the most frequent confusions, commonest first.

    The examples of a pair are its most confident ones."""
    predicted, classes = probabilities.argmax(axis=1), probabilities.shape[1]
    wrong = confident_errors(probabilities, labels, limit=len(labels))
    cells = labels[wrong] * classes + predicted[wrong]
    found, counts = np.unique(cells, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:limit]
    return [
        (int(cell // classes), int(cell % classes), wrong[cells == cell][:examples], int(count))
        for cell, count in zip(found[order], counts[order], strict=True)
    ]


def describe_cases(
    probabilities: Float[ndarray, "N K"], test: LabelledPictures, classes: tuple[str, ...]
) -> dict[str, Any]:
    """Return both lists as JSON: ids, names and probabilities."""
    predicted, rows_of = probabilities.argmax(axis=1), test.class_counts
    errors = [
        {
            "id": test.ids[row],
            "label": classes[test.labels[row]],
            "predicted": classes[predicted[row]],
            "probability": float(probabilities[row, predicted[row]]),
            "probability_of_label": float(probabilities[row, test.labels[row]]),
        }
        for row in confident_errors(probabilities, test.labels)
    ]
    pairs = [
        {
            "label": classes[label],
            "predicted": classes[said],
            "rows": count,
            "share_of_label": count / int(rows_of[label]),
            "examples": [test.ids[row] for row in rows],
        }
        for label, said, rows, count in confused_pairs(probabilities, test.labels)
    ]
    return {"confident_errors": errors, "confused_pairs": pairs}


def without_near_duplicates(
    test: LabelledPictures,
    train: LabelledPictures,
    predicted: Int64[ndarray, "N"],
    split: SplitConfig,
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the accuracy over test rows that have no near-identical picture in `train`, and how many had.

    Near-identical by the bounds of the split (`max_distance`, `max_pixel_difference`)."""
    pairs = near_duplicates(
        test.images,
        train.images,
        max_distance=split.max_distance,
        max_pixel_difference=split.max_pixel_difference,
    )
    kept = test.labels >= 0
    kept[pairs[:, 0]] = False
    right = (predicted == test.labels)[kept]
    return {
        "rows": int(kept.sum()),
        "removed": int((test.labels >= 0).sum() - kept.sum()),
        "accuracy": mean_of(right, seed=seed).interval().as_json(),
    }
