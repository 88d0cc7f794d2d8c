"""The page that compares two bundles says who is better, and when nobody is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shelfwise.reports.comparison_report import comparison_report, write_comparison_report


def _comparison(low: float, high: float, better: str, name: str = "second") -> dict[str, Any]:
    value = {"value": 0.9, "ci95": [0.88, 0.92]}
    row = {
        "a": value, "b": value, "better": better,
        "difference": {"value": (low + high) / 2, "ci95": [low, high]},
    }  # fmt: skip
    return {
        "format": 1,
        "a": {"name": "first", "version": "aaaaaaaaaaaa"},
        "b": {"name": name, "version": "bbbbbbbbbbbb"},
        "rows": 12000,
        "agreement": {"both_right": 9, "only_a_right": 1, "only_b_right": 2, "both_wrong": 3},
        "metrics": {
            "accuracy": row,
            "nll": row,
            "auroc": {**row, "difference": {"value": None, "ci95": None}},
        },
    }


@pytest.mark.parametrize(
    ("low", "high", "better", "words"),
    [
        (0.01, 0.03, "B", "so B is better"),
        (-0.03, -0.01, "A", "so A is better"),
        (-0.01, 0.02, "neither", "does not tell them apart"),
    ],
)
def test_the_first_sentence_says_who_is_better(low: float, high: float, better: str, words: str) -> None:
    html = comparison_report(_comparison(low, high, better))
    assert words in html
    assert "first and second" in html


def test_bundles_of_one_name_are_told_apart_by_version(tmp_path: Path) -> None:
    comparison = _comparison(0, 0.01, "neither", name="first")
    page = write_comparison_report(comparison, tmp_path / "out")
    assert "first@aaaaaa and first@bbbbbb" in page.read_text(encoding="utf-8")
    assert json.loads((tmp_path / "out" / "comparison.json").read_text()) == comparison
    assert (tmp_path / "out" / "differences.png").exists()
