"""The rows to look at are the right ones, in the right order."""

from __future__ import annotations

import numpy as np

from shelfwise.config import SplitConfig
from shelfwise.data.labelled import LabelledPictures
from shelfwise.evaluate.cases import (
    confident_errors,
    confused_pairs,
    describe_cases,
    without_near_duplicates,
)

PROBABILITIES = np.array(
    [[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.3, 0.6, 0.1], [0.0, 0.4, 0.6], [0.1, 0.8, 0.1], [1.0, 0.0, 0.0]]
)
LABELS = np.array([0, 0, 0, 1, 0, -1])


def _pictures(n: int, seed: int = 0) -> np.ndarray:
    """Pictures with large shapes, no two alike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (n, 7, 7, 1))
    return coarse.repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)


def _labelled(images: np.ndarray, labels: np.ndarray) -> LabelledPictures:
    return LabelledPictures(
        images, labels.astype(np.int64), ("a", "b", "c"), tuple(f"p{i}" for i in range(len(labels)))
    )


def test_the_most_confident_errors_come_first_and_equal_ones_in_row_order() -> None:
    assert confident_errors(PROBABILITIES, LABELS).tolist() == [1, 4, 2, 3]
    assert confident_errors(PROBABILITIES, LABELS, limit=1).tolist() == [1]


def test_the_commonest_confusion_comes_first_with_its_surest_rows() -> None:
    (label, said, rows, count), (other, *_) = confused_pairs(PROBABILITIES, LABELS, examples=2)
    assert (label, said, rows.tolist(), count) == (0, 1, [1, 4], 3)
    assert other == 1


def test_cases_are_told_in_names_and_ids() -> None:
    found = describe_cases(PROBABILITIES[:5], _labelled(_pictures(5), LABELS[:5]), ("a", "b", "c"))
    assert found["confident_errors"][0] == {
        "id": "p1",
        "label": "a",
        "predicted": "b",
        "probability": 0.8,
        "probability_of_label": 0.2,
    }
    assert found["confused_pairs"][0]["share_of_label"] == 0.75
    assert found["confused_pairs"][0]["examples"] == ["p1", "p4", "p2"]


def test_a_faultless_model_has_no_cases() -> None:
    found = describe_cases(np.eye(3), _labelled(_pictures(3), np.arange(3)), ("a", "b", "c"))
    assert found == {"confident_errors": [], "confused_pairs": []}


def test_rows_with_a_near_duplicate_in_train_are_taken_out_of_the_score() -> None:
    images = _pictures(6)
    train = _labelled(np.clip(images[:2].astype(int) + 1, 0, 255).astype(np.uint8), np.zeros(2))
    test = _labelled(images, np.array([0, 1, 2, 0, 1, -1]))
    found = without_near_duplicates(test, train, np.array([0, 1, 0, 0, 1, 0]), SplitConfig())
    assert found["removed"] == 2
    assert found["rows"] == 3
    assert abs(found["accuracy"]["value"] - 2 / 3) < 1e-12


def test_when_every_row_has_a_duplicate_there_is_no_score() -> None:
    test = _labelled(_pictures(2), np.array([0, 1]))
    found = without_near_duplicates(test, test, np.array([0, 1]), SplitConfig())
    assert found == {"rows": 0, "removed": 2, "accuracy": {"value": None, "ci95": None}}
