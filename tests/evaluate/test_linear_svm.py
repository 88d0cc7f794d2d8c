"""Our machine against scikit-learn's LinearSVC, which solves the same problem."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from shelfwise.evaluate.linear_svm import Columns, LinearSvm

Data = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def drawn() -> Data:
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 300)
    return (random.normal(size=(4, 6))[labels] + random.normal(size=(300, 6))).astype(np.float32), labels


@pytest.mark.parametrize("c", [0.01, 1.0])
def test_it_finds_what_liblinear_finds(drawn: Data, c: float) -> None:
    from sklearn.svm import LinearSVC

    rows, labels = drawn
    theirs = LinearSVC(C=c, tol=1e-8, max_iter=100_000).fit(rows, labels)
    ours = LinearSvm.fit(Columns([rows]), labels, 4, c=c, tolerance=1e-6)
    assert ours.converged
    np.testing.assert_allclose(ours.weights[:-1].T, theirs.coef_, atol=2e-3)
    np.testing.assert_allclose(ours.weights[-1], theirs.intercept_, atol=2e-3)
    assert (ours.predict(Columns([rows])) == theirs.predict(rows)).mean() > 0.99


def test_sparse_columns_beside_dense_ones_are_as_one_array(drawn: Data) -> None:
    rows, labels = drawn
    whole = LinearSvm.fit(Columns([rows]), labels, 4, c=0.1)
    mixed = LinearSvm.fit(Columns([sparse.csr_matrix(rows[:, :2]), rows[:, 2:]]), labels, 4, c=0.1)
    np.testing.assert_allclose(whole.weights, mixed.weights, atol=1e-3)


def test_it_goes_on_from_another_and_says_when_it_was_cut(drawn: Data) -> None:
    rows, labels = drawn
    columns = Columns([rows])
    assert not LinearSvm.fit(columns, labels, 4, c=0.1, steps=2).converged
    first = LinearSvm.fit(columns, labels, 4, c=0.1)
    again = LinearSvm.fit(columns, labels, 4, c=0.1, start=first)
    assert again.steps < first.steps
