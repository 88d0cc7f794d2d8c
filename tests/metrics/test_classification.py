"""Classification metrics against scikit-learn, and the properties they must have."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from shelfwise.metrics import classification as ours

K = 5


def _rows(n: int = 400, seed: int = 0, decimals: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties, and labels they know something of."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, K, n)
    return (rng.normal(size=(n, K)) + 2 * np.eye(K)[labels]).round(decimals), labels


def test_confusion_and_f1_agree_with_scikit_learn() -> None:
    scores, labels = _rows()
    predicted = scores.argmax(axis=1)
    confusion = ours.confusion_matrix(predicted, labels, K)
    assert np.array_equal(confusion, sk.confusion_matrix(labels, predicted))
    precision, recall, f1, support = sk.precision_recall_fscore_support(labels, predicted)
    mine = ours.class_scores(confusion)
    np.testing.assert_allclose(mine.precision, precision)
    np.testing.assert_allclose(mine.recall, recall)
    np.testing.assert_allclose(mine.f1, f1)
    assert np.array_equal(mine.support, support)
    assert float(ours.macro_f1(mine)) == pytest.approx(sk.f1_score(labels, predicted, average="macro"))
    assert float(ours.weighted_f1(mine)) == pytest.approx(sk.f1_score(labels, predicted, average="weighted"))
    assert ours.accuracy(predicted, labels) == sk.accuracy_score(labels, predicted)


def test_a_class_that_is_absent_or_never_predicted_agrees_with_scikit_learn() -> None:
    labels, predicted = np.array([0, 0, 1, 3, 3]), np.array([0, 1, 1, 1, 0])
    confusion = ours.confusion_matrix(predicted, labels, K)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = sk.f1_score(labels, predicted, average="macro")
    assert float(ours.macro_f1(ours.class_scores(confusion))) == pytest.approx(expected)
    assert ours.class_scores(confusion).precision[3] == 0


def test_a_stack_of_confusion_matrices_gives_each_its_own_f1() -> None:
    stack = np.random.default_rng(1).integers(0, 9, (7, K, K))
    together, alone = ours.class_scores(stack), [ours.class_scores(one) for one in stack]
    np.testing.assert_allclose(ours.macro_f1(together), [float(ours.macro_f1(one)) for one in alone])
    np.testing.assert_allclose(ours.weighted_f1(together), [float(ours.weighted_f1(one)) for one in alone])


def test_auroc_agrees_with_scikit_learn_with_ties() -> None:
    scores, labels = _rows(decimals=0)
    expected = [sk.roc_auc_score(labels == k, scores[:, k]) for k in range(K)]
    np.testing.assert_allclose(ours.one_vs_rest_auroc(scores, labels), expected)


def test_auroc_of_a_class_without_rows_or_without_others_is_nan() -> None:
    auroc = ours.one_vs_rest_auroc(np.zeros((3, 2)), np.zeros(3, dtype=np.int64))
    assert np.isnan(auroc).all()


def test_row_parts_of_the_auroc_have_it_as_their_mean_and_its_spread() -> None:
    scores, labels = _rows(n=300)
    auroc, parts = ours.auroc_parts(scores, labels)
    assert parts.mean() == pytest.approx(auroc.mean())
    rng = np.random.default_rng(0)
    again = [
        ours.one_vs_rest_auroc(scores[rows], labels[rows]).mean() for rows in rng.integers(0, 300, (300, 300))
    ]
    assert parts.std() / np.sqrt(300) == pytest.approx(np.std(again), rel=0.15)


def test_top_k_agrees_with_scikit_learn_without_ties() -> None:
    scores, labels = _rows(decimals=9)
    for k in range(1, K):
        hits = ours.top_k_hits(scores, labels, k)
        assert hits.mean() == pytest.approx(sk.top_k_accuracy_score(labels, scores, k=k))


def test_constant_scores_earn_nothing() -> None:
    labels = np.arange(K)
    assert not ours.top_k_hits(np.zeros((K, K)), labels, 3).any()
    assert ours.top_k_hits(np.zeros((K, K)), labels, K).all()


def test_scores_that_are_no_numbers_earn_nothing() -> None:
    scores, labels = np.array([[np.nan, 1.0, 0.0]]).repeat(3, axis=0), np.arange(3)
    assert ours.top_k_hits(scores, labels, 1).tolist() == [False, False, False]
    assert ours.top_k_hits(scores, labels, 2).tolist() == [False, True, False]


def test_log_probabilities_stay_finite_for_extreme_logits() -> None:
    assert ours.log_softmax(np.zeros((4, K))) == pytest.approx(-np.log(K))
    assert ours.log_softmax(np.array([[1e30, -1e30]]))[0, 1] == pytest.approx(-2e30)


def test_no_rows_give_no_number() -> None:
    none = np.zeros(0, dtype=np.int64)
    assert np.isnan(ours.accuracy(none, none))
    assert not len(ours.top_k_hits(np.zeros((0, K)), none, 2))
    assert float(ours.macro_f1(ours.class_scores(ours.confusion_matrix(none, none, K)))) == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60))
def test_the_order_of_rows_changes_nothing(seed: int, n: int) -> None:
    scores, labels = _rows(n, seed)
    order = np.random.default_rng(seed).permutation(n)
    one, other = ours.one_vs_rest_auroc(scores, labels), ours.one_vs_rest_auroc(scores[order], labels[order])
    np.testing.assert_allclose(one, other)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_auroc_turns_over_when_the_scores_do(seed: int) -> None:
    scores, labels = _rows(80, seed)
    np.testing.assert_allclose(
        ours.one_vs_rest_auroc(-scores, labels), 1 - ours.one_vs_rest_auroc(scores, labels)
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_top_k_grows_with_k(seed: int) -> None:
    scores, labels = _rows(50, seed)
    curve = [ours.top_k_hits(scores, labels, k).mean() for k in range(1, K + 1)]
    assert curve == sorted(curve)
    assert curve[-1] == 1
