"""A linear support vector machine for many classes and rows: scikit-learn's LinearSVC, by matrix products.

One machine a class against the rest, with squared hinge loss and a regularised bias: what
`sklearn.svm.LinearSVC` solves at its defaults (liblinear, JMLR 9, 2008). liblinear takes one class and one
row at a time, hours for a hundred classes of dense rows; here L-BFGS takes all at once, minutes. N rows,
D columns, K classes; rows may be dense, sparse, or several arrays side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray
from scipy import sparse
from scipy.optimize import minimize

STEPS = 100
"""Few, as each goes on from one of stronger regularisation; 150 left the accuracy for gender as it was."""
TOLERANCE = 1e-5
"""The search ends where the largest slope is this share of what it is at weights of 0."""
_MEMORY = 8
"""Past steps that L-BFGS keeps, each as large as the weights."""


class Columns:
    """Arrays side by side as one, with a last column of ones for the bias."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = [*parts, np.ones((parts[0].shape[0], 1), np.float32)]
        self._ends = np.cumsum([part.shape[1] for part in self._parts])
        self._turned = [part.T.tocsr() if sparse.issparse(part) else part.T for part in self._parts]

    @property
    def width(self) -> int:
        """Columns, that of ones included."""
        return int(self._ends[-1])

    def times(self, weights: Float32[ndarray, "D K"]) -> Float32[ndarray, "N K"]:
        """The rows times weights."""
        blocks = np.split(weights, self._ends[:-1])
        return np.asarray(sum(part @ block for part, block in zip(self._parts, blocks, strict=True)))

    def summed(self, values: Float32[ndarray, "N K"]) -> Float32[ndarray, "D K"]:
        """The rows' sum, each times its values."""
        return np.concatenate([np.asarray(part @ values) for part in self._turned])


@dataclass(frozen=True)
class LinearSvm:
    """A fitted machine."""

    weights: Float32[ndarray, "D K"]
    steps: int
    converged: bool

    @classmethod
    def fit(
        cls,
        rows: Columns,
        labels: Int64[ndarray, "N"],
        classes: int,
        *,
        c: float,
        start: LinearSvm | None = None,
        steps: int = STEPS,
        tolerance: float = TOLERANCE,
    ) -> LinearSvm:
        """Fit with inverse strength of regularisation `c`, going on from another's weights where given."""
        signs = np.where(labels[:, None] == np.arange(classes), 1, -1).astype(np.float32)
        shape = (rows.width, classes)

        def objective(flat: Float64[ndarray, "DK"]) -> tuple[float, Float64[ndarray, "DK"]]:
            missing = np.maximum(0, 1 - signs * rows.times(flat.reshape(shape).astype(np.float32)))
            value = 0.5 * float(flat @ flat) + c * float((missing**2).sum(dtype=np.float64))
            return value, flat - 2 * c * rows.summed(signs * missing).ravel().astype(np.float64)

        first = np.zeros(shape) if start is None else start.weights
        steepest = 2 * c * float(np.abs(rows.summed(signs)).max())
        options = {"maxiter": steps, "maxcor": _MEMORY, "ftol": 0.0, "gtol": tolerance * steepest}
        found = minimize(
            objective, first.ravel().astype(np.float64), jac=True, method="L-BFGS-B", options=options
        )
        return cls(found.x.reshape(shape).astype(np.float32), int(found.nit), bool(found.success))

    def predict(self, rows: Columns) -> Int64[ndarray, "N"]:
        """The class with the largest margin."""
        return np.asarray(rows.times(self.weights).argmax(axis=1))
