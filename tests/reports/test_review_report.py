"""The pages about reviews bundles, from drawn answers: whole, safe, and tolerant of what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shelfwise.evaluate.review_cases import by_field, by_length, describe_reviews
from shelfwise.evaluate.review_headlines import (
    DECODINGS,
    as_json,
    evaluate_answers,
    headlines_of,
    other_decodings,
)
from shelfwise.evaluate.review_scores import Answers, Truth, summed
from shelfwise.reports.review_report import (
    NAMES,
    review_comparison,
    review_report,
    shown,
    write_review_comparison,
    write_review_report,
)
from shelfwise.schema import Review

ROWS = 80
JOURNAL = [
    {"step": 10, "epoch": 0.5, "loss": 1.0, "lr": 0.1},
    {"step": 20, "epoch": 1.0, "loss": 0.8, "val_accuracy": 0.6, "val_qwk": 0.7},
]


def metrics() -> dict[str, Any]:
    rng = np.random.default_rng(3)
    stars = rng.integers(1, 6, ROWS)
    scores = np.exp(rng.normal(size=(ROWS, 5)) + 2 * np.eye(5)[stars - 1])
    scores /= scores.sum(axis=1, keepdims=True)
    said = Answers(scores, summed(scores), scores[:, 3:].sum(axis=1))
    truth = Truth(stars, (stars > 3).astype(np.int64), np.array([f"p{i % 20}" for i in range(ROWS)]))
    reviews = [
        Review(
            id=f"r{i}",
            product=f"p{i % 20}",
            text="<script>alert(1)</script> größer",
            rating=int(stars[i]),
            fields={"department": "<i>Tops</i>" if i % 2 else "Coats"},
        )
        for i in range(ROWS)
    ]
    same = headlines_of(said, truth)
    beside = {**as_json(same), "other_decodings": other_decodings(said, truth)}
    return {
        "format": 1,
        "task": "reviews",
        "decoding": DECODINGS,
        "bundle": {"name": "drawn", "version": "abc123", "created": "2026-01-01T00:00:00+00:00"},
        "data": {
            "source": "drawn.csv", "part": "test", "rows": ROWS, "products": 20, "without_stars": 3,
            "without_text": 2, "without_words": 1, "constructed": 0, "read": {"rows": 100, "failed": 4},
        },
        "test": evaluate_answers(said, truth, temperature=1.3),
        "other_decodings": other_decodings(said, truth),
        "by_length": by_length(said, truth, np.arange(ROWS), 60),
        "by_field": by_field(said, truth, reviews),
        "cases": describe_reviews(said, reviews),
        "baselines": {
            "tfidf_settings": {"c": 3.0, "class_weight": "balanced"},
            "majority": beside,
            "tfidf": beside,
            "model_minus_tfidf": as_json({name: some - some for name, some in same.items()}),
        },
        "provenance": {
            "shelfwise": "0", "trained_with": "0", "python": "3", "numpy": "2", "onnxruntime": "1",
            "torch": None, "system": "Linux", "machine": "x86_64", "seed": 0, "training_seed": 1,
            "config": {"name": "drawn"},
        },
    }  # fmt: skip


def comparison() -> dict[str, Any]:
    found = metrics()["test"]
    row = {"difference": {"value": 0.02, "ci95": [0.01, 0.03]}, "better": "B"}
    return {
        "format": 1,
        "decoding": DECODINGS,
        "a": {"name": "drawn", "version": "aaaaaaaaaaaa"},
        "b": {"name": "drawn", "version": "bbbbbbbbbbbb"},
        "rows": ROWS,
        "data": metrics()["data"],
        "agreement": {"both_right": 40, "only_a_right": 5, "only_b_right": 15, "both_wrong": 20},
        "metrics": {name: {"a": found[name], "b": found[name], **row} for name in NAMES},
    }


@pytest.fixture(scope="module")
def html() -> str:
    return review_report(metrics(), JOURNAL)


def test_the_page_holds_everything_and_asks_for_nothing(html: str) -> None:
    for words in (*NAMES.values(), "Beside simple baselines", "longer, 61 – 79", "department"):
        assert words in html
    for words in ("3 reviews without stars", "2 reviews without text", "even odds", "validation kappa"):
        assert words in html
    assert "http:" not in html
    assert "https:" not in html


def test_a_review_cannot_write_into_the_page(html: str) -> None:
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "<i>Tops" not in html


def test_page_and_numbers_are_written_side_by_side(tmp_path: Path) -> None:
    found = metrics()
    page = write_review_report(found, JOURNAL, tmp_path / "out")
    names = {path.name for path in page.parent.iterdir()}
    plots = {"confusion.png", "reliability.png", "learning_curves.png"}
    assert names == plots | {"metrics.json", "report.html"}
    assert json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8")) == found


def test_what_is_missing_is_left_out_of_the_page() -> None:
    found = metrics()
    del found["baselines"], found["test"]["recommended_auc"]
    found["by_field"] = {}
    found["cases"]["confident_errors"] = []
    found["test"]["r2"] = {"value": None, "ci95": None}
    html = review_report(found, [])
    for words in ("TF-IDF", "Recommended, AUROC", "department", "Most confident errors", "Training"):
        assert words not in html


def test_constructed_reviews_and_few_products_are_warned_of(html: str) -> None:
    found = metrics()
    assert "made by a generator" not in html
    found["data"] |= {"constructed": ROWS, "products": 1}
    html = review_report(found, [])
    assert "80 of the 80 reviews were made by a generator" in html
    assert "of 1 product only" in html


@pytest.mark.parametrize(
    ("better", "words"), [("B", "so B is better"), ("neither", "does not tell them apart")]
)
def test_a_comparison_says_who_is_better(better: str, words: str) -> None:
    found = comparison()
    found["metrics"]["qwk"]["better"] = better
    html = review_comparison(found)
    assert words in html
    assert "drawn@aaaaaa and drawn@bbbbbb" in html


def test_a_comparison_without_an_interval_has_no_verdict(tmp_path: Path) -> None:
    found = comparison()
    found["metrics"]["qwk"]["difference"] = {"value": None, "ci95": None}
    page = write_review_comparison(found, tmp_path / "out")
    assert "is better" not in page.read_text(encoding="utf-8").split("<nav")[0]
    assert (tmp_path / "out" / "differences.png").exists()
    assert json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8")) == found


def test_numbers_are_shown_with_their_unit_and_a_true_minus() -> None:
    assert shown("accuracy", 0.5) == "50.0%"
    assert shown("accuracy", -0.012, sign=True) == "−1.2"
    assert shown("qwk", -0.1) == "−0.100"
    assert shown("auroc", None) == "–"
