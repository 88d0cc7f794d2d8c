"""The naive split's inflation: seen where doubles straddle, absent where there are none."""

from __future__ import annotations

import numpy as np
import pytest

from shelfwise.reports.inflation import naive_inflation


def test_doubles_inflate_a_row_split_and_the_interval_excludes_zero() -> None:
    """200 families of three copies; a label that only a copy can tell."""
    random = np.random.default_rng(0)
    families = np.repeat(np.arange(200), 3)
    features = (random.normal(size=(200, 8))[families] + 0.01 * random.normal(size=(600, 8))).astype(
        np.float32
    )
    labels = random.integers(0, 4, 200)[families]
    result = naive_inflation(
        features, labels, families=families, row_folds=random.integers(0, 5, 600), family_folds=families % 5
    )
    assert result is not None
    assert result.by_row > 0.9
    assert result.by_family == pytest.approx(0.25, abs=0.1)
    assert 0.5 < result.low < result.difference < result.high


def test_without_doubles_both_splits_score_the_same() -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 500)
    features = (3 * np.eye(3)[labels] + 0.1 * random.normal(size=(500, 3))).astype(np.float32)
    families = np.arange(500)
    result = naive_inflation(
        features, labels, families=families, row_folds=random.integers(0, 5, 500), family_folds=families % 5
    )
    assert result is not None
    assert result.difference == pytest.approx(0, abs=0.01)
    assert result.low <= 0 <= result.high


def test_rows_without_labels_do_not_count() -> None:
    features = np.zeros((10, 2), dtype=np.float32)
    labels = np.full(10, -1)
    rows = np.arange(10)
    nothing = naive_inflation(features, labels, families=rows, row_folds=rows % 5, family_folds=rows % 5)
    assert nothing is None


def test_a_single_fold_scores_nothing_right() -> None:
    features = np.ones((6, 2), dtype=np.float32)
    labels, one = np.arange(6) % 2, np.zeros(6, dtype=np.int64)
    result = naive_inflation(features, labels, families=np.arange(6), row_folds=one, family_folds=one)
    assert result is not None
    assert result.by_row == result.by_family == 0
