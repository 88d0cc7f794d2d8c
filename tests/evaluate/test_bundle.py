"""Evaluating a real, tiny bundle: every documented key, and the errors a user can mend."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shelfwise.data.labelled import LabelledPictures
from shelfwise.errors import DataError
from shelfwise.evaluate.bundle import Evaluation, evaluate_bundle, fit_labels
from shelfwise.evaluate.cost import peak_memory_mb
from shelfwise.predict import Predictor

Draw = Callable[..., LabelledPictures]


@pytest.fixture(scope="module")
def predictor(tiny_bundle: Path) -> Predictor:
    return Predictor.load(tiny_bundle, threads=1)


@pytest.fixture(scope="module")
def evaluation(predictor: Predictor, drawn_pictures: Draw) -> Evaluation:
    return evaluate_bundle(predictor, drawn_pictures(120, seed=2000), drawn_pictures(64), speed_s=0.2)


def _keys(value: Any, path: str = "") -> set[str]:
    """Every path in the metrics; a metric with an interval counts as one, lists by their first element."""
    if isinstance(value, dict) and "ci95" not in value:
        return {path} | {
            key for name, inner in value.items() for key in _keys(inner, f"{path}.{name}".strip("."))
        }
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {path} | {key for name in value[0] for key in [f"{path}[].{name}"]}
    return {path}


def test_the_promised_keys_are_there(evaluation: Evaluation) -> None:
    metrics = evaluation.metrics
    for path in (
        "test.accuracy", "test.accuracy_tta", "test.macro_f1", "test.ece", "text_aligned.accuracy",
        "retrieval.p_at_10",
    ):  # fmt: skip
        section, name = path.split(".")
        assert set(metrics[section][name]) == {"value", "ci95"}, path
        assert 0 <= metrics[section][name]["value"] <= 1
    assert metrics["seconds"]["train"] > 0
    assert metrics["seconds"]["total"] > metrics["seconds"]["evaluate"] > 0
    assert metrics["peak_memory_mb"] >= (metrics["memory"]["evaluation_mb"] or 0) > 1
    assert metrics["test"]["accuracy"]["value"] > 0.5
    json.dumps(metrics, allow_nan=False)


def test_every_key_is_documented(evaluation: Evaluation) -> None:
    words = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    told = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", words))))
    paths = {path for path in _keys(evaluation.metrics) if not path.startswith("provenance.")}
    leaves = {re.sub(r"\W", "", path.split(".")[-1]) for path in paths} - {""}
    assert leaves - told == set()


def test_the_report_gets_rows_and_probabilities_that_belong_together(evaluation: Evaluation) -> None:
    assert evaluation.probabilities.shape == (120, 4)
    right = evaluation.probabilities.argmax(axis=1) == evaluation.test.labels
    assert right.mean() == pytest.approx(evaluation.metrics["test"]["accuracy"]["value"])


def test_mirrored_pictures_are_scored_apart(predictor: Predictor, drawn_pictures: Draw) -> None:
    rows = drawn_pictures(60, seed=2000)
    found = evaluate_bundle(predictor, rows, speed_s=0.0).metrics["test"]
    both = predictor.logits(rows.images) + predictor.logits(np.ascontiguousarray(rows.images[:, :, ::-1]))
    assert found["accuracy_tta"]["value"] == pytest.approx((both.argmax(axis=1) == rows.labels).mean())


def test_stages_are_told_as_they_pass(predictor: Predictor, drawn_pictures: Draw) -> None:
    seen: list[str] = []
    rows = drawn_pictures(20, seed=2000)
    evaluate_bundle(predictor, rows, speed_s=0.0, watch=lambda stage, _share: seen.append(stage))
    assert seen == ["pictures", "intervals", "texts"]


def test_labels_follow_the_bundles_order_of_classes() -> None:
    images = np.zeros((3, 8, 8, 1), np.uint8)
    test = LabelledPictures(images, np.array([0, 1, -1]), ("b", "a", "unused"), ("x", "y", "z"))
    fitted = fit_labels(test, ("a", "b"), "tiny@1")
    assert fitted.labels.tolist() == [1, 0, -1]
    assert fitted.classes == ("a", "b")


def test_a_label_that_the_bundle_does_not_know_is_named() -> None:
    images = np.zeros((2, 8, 8, 1), np.uint8)
    test = LabelledPictures(images, np.array([0, 1]), ("a", "hat"), ("x", "y"))
    with pytest.raises(DataError, match=r"'tiny@1' does not know 1 of the catalogue's labels: 'hat'"):
        fit_labels(test, ("a", "b"), "tiny@1")


def test_rows_without_any_label_are_an_error_and_some_without_are_counted(
    predictor: Predictor, drawn_pictures: Draw
) -> None:
    rows = drawn_pictures(24, seed=2000)
    labels = rows.labels.copy()
    labels[:4] = -1
    some = LabelledPictures(rows.images, labels, rows.classes, rows.ids)
    found = evaluate_bundle(predictor, some, speed_s=0.0)
    assert found.metrics["test"]["rows_without_label"] == 4
    assert found.metrics["data"]["rows"] == 20
    none = LabelledPictures(rows.images, np.full(24, -1), rows.classes, rows.ids)
    with pytest.raises(DataError, match="no row to evaluate on"):
        evaluate_bundle(predictor, none)


def test_peak_memory_is_unknown_where_the_system_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "resource", None)
    assert peak_memory_mb() is None
