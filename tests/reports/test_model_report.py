"""The model report, from measured arrays: whole, safe, self-contained, and tolerant of what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shelfwise.data.labelled import LabelledPictures
from shelfwise.decide.temperature import apply_temperature
from shelfwise.evaluate.bundle import Evaluation
from shelfwise.evaluate.cases import describe_cases
from shelfwise.evaluate.classifier import evaluate_classifier
from shelfwise.files import write_json
from shelfwise.reports.model_report import model_report, write_model_report

JOURNAL = [
    {"step": 10, "epoch": 0.5, "loss": 1.0, "lr": 0.1},
    {"step": 20, "epoch": 1.0, "loss": float("nan"), "lr": 0.05},
    {"step": 20, "epoch": 1.0, "val_accuracy": 0.8},
    {"note": "resumed", "step": 20, "epoch": 1.0},
]
INTERVAL = {"value": 0.9, "ci95": [0.8, 0.95]}


def _evaluation(names: tuple[str, ...] = ("Shirt", "<b>Coat</b>", "Bag"), channels: int = 1) -> Evaluation:
    rng = np.random.default_rng(0)
    n, k = 60, len(names)
    labels = rng.integers(0, k, n)
    logits = (rng.normal(size=(n, k)) * 1.5 + 2 * np.eye(k)[labels]).astype(np.float32)
    images = rng.integers(0, 256, (n, 8, 8, channels)).astype(np.uint8)
    test = LabelledPictures(images, labels, names, tuple(f"p{i}" for i in range(n)))
    probabilities = apply_temperature(logits, 1.2)
    metrics: dict[str, Any] = {
        "bundle": {"name": "tiny", "version": "abc123", "created": "2025-01-01T00:00:00+00:00"},
        "data": {"source": "drawn", "part": "test", "rows": n},
        "test": evaluate_classifier(logits, labels, names, temperature=1.2, logits_tta=logits),
        "cases": describe_cases(probabilities, test, names),
        "seconds": {"train": 12.0, "train_cpu": None, "evaluate": 1.5, "total": 80.0},
        "peak_memory_mb": 512.0,
        "provenance": {
            "shelfwise": "0", "trained_with": "0", "python": "3", "numpy": "2", "onnxruntime": "1",
            "torch": None, "machine": "x", "system": "y", "seed": 0, "training_seed": 0,
            "config": {"name": "tiny"},
        },
    }  # fmt: skip
    return Evaluation(metrics, test, probabilities)


def _with_words(evaluation: Evaluation) -> Evaluation:
    evaluation.metrics["text_aligned"] = {
        "accuracy": INTERVAL,
        "gap_to_classifier": {"value": -0.01, "ci95": [-0.02, 0.01]},
        "templates": 2,
        "prompts_of_first_class": ["our new shirt"],
    }
    evaluation.metrics["retrieval"] = {
        "queries": 6, "pool": 60, "p_at_10": INTERVAL, "mrr": INTERVAL,
        "examples": [{"class": "Bag", "query": "our bag", "ids": ["p1", "p2"], "labels": ["Bag", "Shirt"]}],
    }  # fmt: skip
    evaluation.metrics["speed"] = {
        "threads": 1,
        "single": {"p50_ms": 0.4, "p95_ms": 0.6, "p99_ms": 1.0, "calls": 100},
        "batch": {"size": 256, "items_per_s": 3000.0, "calls": 5},
    }
    evaluation.metrics["test"]["without_near_duplicates"] = {"rows": 50, "removed": 10, "accuracy": INTERVAL}
    return evaluation


def test_the_report_writes_a_page_its_metrics_and_its_plots(tmp_path: Path) -> None:
    evaluation = _with_words(_evaluation())
    page = write_model_report(evaluation, JOURNAL, tmp_path / "out")
    assert sorted(path.name for path in page.parent.iterdir()) == [
        "confusion.png", "learning_curves.png", "metrics.json", "reliability.png", "report.html",
    ]  # fmt: skip
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == evaluation.metrics


@pytest.fixture(scope="module")
def html() -> str:
    return model_report(_with_words(_evaluation()), JOURNAL)


def test_the_page_holds_everything_and_asks_for_nothing(html: str) -> None:
    for words in ("Headlines", "our new shirt", "10 test pictures have", "Most confident errors", "400 µs"):
        assert words in html
    assert "http:" not in html
    assert "https:" not in html
    assert "<script" not in html


def test_a_class_name_cannot_write_into_the_page(html: str) -> None:
    assert "<b>Coat</b>" not in html
    assert "&lt;b&gt;Coat&lt;/b&gt;" in html


def test_what_a_bundle_does_not_know_is_left_out_of_the_page() -> None:
    evaluation = _evaluation(channels=3)
    evaluation.metrics["test"]["without_near_duplicates"] = {"rows": 60, "removed": 0, "accuracy": INTERVAL}
    html = model_report(evaluation, [])
    assert "No test picture has a near-identical one" in html
    assert "Learning curves from" not in html
    assert "Words and pictures" not in html
    assert "pictures per second" not in html.lower()
    assert 'class="photo"' in html


def test_many_classes_get_a_plot_in_place_of_a_table() -> None:
    html = model_report(_evaluation(tuple(f"class {i:02} of a great many" for i in range(35))), [])
    assert 'class="heat"' not in html
    assert "Confusion matrix." in html


def test_json_that_is_not_a_number_is_refused_and_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "metrics.json", {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "metrics.json", {"a": float("nan")})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"a": 1}
