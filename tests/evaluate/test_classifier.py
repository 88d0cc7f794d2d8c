"""The `test` part of metrics.json, from arrays: against the plain metrics, and with families."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from sklearn import metrics as sk

from shelfwise.decide.temperature import apply_temperature
from shelfwise.evaluate.classifier import evaluate_classifier
from shelfwise.evaluate.headlines import headline_samples
from shelfwise.metrics.calibration import expected_calibration_error

CLASSES = ("a", "b", "c", "d", "e", "f")
HEADLINES = (
    "accuracy", "accuracy_tta", "top_2", "top_3", "top_5", "macro_f1", "weighted_f1", "auroc", "nll",
    "nll_before_scaling", "ece", "ece_before_scaling",
)  # fmt: skip


def _rows(n: int = 500, k: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    return (rng.normal(size=(n, k)) * 2 + 4 * np.eye(k)[labels]).astype(np.float32), labels


def test_every_headline_has_the_value_of_its_plain_metric() -> None:
    logits, labels = _rows()
    found = evaluate_classifier(logits, labels, CLASSES, temperature=1.7, logits_tta=logits[:, ::-1])
    predicted, chances = logits.argmax(axis=1), apply_temperature(logits.astype(np.float64), 1.7)
    expected = {
        "accuracy": sk.accuracy_score(labels, predicted),
        "accuracy_tta": sk.accuracy_score(labels, 5 - predicted),
        "top_3": sk.top_k_accuracy_score(labels, logits, k=3),
        "macro_f1": sk.f1_score(labels, predicted, average="macro"),
        "weighted_f1": sk.f1_score(labels, predicted, average="weighted"),
        "auroc": sk.roc_auc_score(labels, chances, multi_class="ovr"),
        "nll": sk.log_loss(labels, chances),
        "nll_before_scaling": sk.log_loss(labels, apply_temperature(logits.astype(np.float64), 1.0)),
        "ece": expected_calibration_error(chances, labels),
        "ece_before_scaling": expected_calibration_error(
            apply_temperature(logits.astype(np.float64), 1.0), labels
        ),
    }
    for name, value in expected.items():
        assert found[name]["value"] == pytest.approx(value, rel=1e-5), name


def test_every_headline_lies_in_its_interval_and_all_of_it_is_json() -> None:
    logits, labels = _rows()
    found = evaluate_classifier(logits, labels, CLASSES, temperature=1.3, logits_tta=logits)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for name in HEADLINES:
        low, high = found[name]["ci95"]
        assert low <= found[name]["value"] <= high, name
    assert np.array(found["confusion"]).sum() == 500
    assert [row["class"] for row in found["per_class"]] == list(CLASSES)
    assert sum(found["reliability"]["after_scaling"]["count"]) == 500


def test_macro_f1_of_many_rare_classes_lies_in_its_interval() -> None:
    labels = np.repeat(np.arange(300), 3)
    logits = np.random.default_rng(0).normal(size=(900, 300)) + 3 * np.eye(300)[labels]
    found = headline_samples(logits, labels)["macro_f1"].interval()
    assert found.low < found.value < found.high


def test_rows_without_a_label_are_left_out_and_counted() -> None:
    logits, labels = _rows(80)
    more = np.concatenate([logits, logits[:5]])
    found = evaluate_classifier(more, np.append(labels, [-1] * 5), CLASSES)
    expected = evaluate_classifier(logits, labels, CLASSES)
    assert found.pop("rows_without_label") == 5
    assert expected.pop("rows_without_label") == 0
    assert found == expected
    with pytest.raises(ValueError, match="no row has a label"):
        evaluate_classifier(logits, np.full(80, -1), CLASSES)


def test_families_widen_the_intervals_of_every_headline() -> None:
    logits, labels = _rows(200)
    families = np.repeat([f"f{i}" for i in range(200)], 4)
    logits, labels = np.repeat(logits, 4, axis=0), np.repeat(labels, 4)
    alone = headline_samples(logits, labels)
    grouped = headline_samples(logits, labels, groups=families)
    for name, sampled in alone.items():
        assert grouped[name].drawn.std() > 1.5 * sampled.drawn.std(), name


def test_one_class_alone_has_no_auroc_and_no_top_k() -> None:
    found = evaluate_classifier(np.zeros((4, 1), np.float32), np.zeros(4, dtype=np.int64), ("only",))
    assert found["accuracy"] == {"value": 1.0, "ci95": [1.0, 1.0]}
    assert found["auroc"] == {"value": None, "ci95": None}
    assert "top_2" not in found


def test_all_headlines_of_ten_thousand_rows_take_under_two_seconds() -> None:
    logits, labels = _rows(10_000, 10)
    start = time.process_time()
    headline_samples(logits, labels, temperature=1.5, logits_tta=logits)
    assert time.process_time() - start < 2


def test_many_classes_stay_within_reason() -> None:
    logits, labels = _rows(3_000, 142)
    start = time.process_time()
    headline_samples(logits, labels, resamples=200)
    assert time.process_time() - start < 5
