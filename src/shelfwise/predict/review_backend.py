"""What runs a reviews bundle's networks: the interface, onnxruntime, and rows of ids in good batches.

B texts, L tokens, A aspect labels (each shop aspect praised, then blamed).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from shelfwise.bundle import ReviewsBundle
from shelfwise.errors import BundleError
from shelfwise.predict.onnx_backend import Precision, Runtime, graph_session, need_precision

STARS, SENTIMENTS, TAGS, IMPLIED = 5, 3, 7, 3
"""Numbers that the networks give, aspect labels apart."""
BATCH_TOKENS = 512
"""Tokens, padding included, that are run at once. On one core's cache 32 rows of 80 took a third longer."""


@runtime_checkable
class ReviewBackend(Protocol):
    """Runs the one or two networks of a reviews bundle."""

    batch_tokens: int
    """How many tokens to run at once; 0: every row alone."""

    def review(self, ids: Int64[ndarray, "B L"]) -> tuple[ndarray, ndarray, ndarray]:
        """Log-probabilities of stars [B, 5], logits of sentiment [B, 3] and recommended [B, 2]."""

    def aspects(self, ids: Int64[ndarray, "B L"]) -> tuple[ndarray, ndarray, ndarray]:
        """Token logits of aspects [B, L, A] and of term tags [B, L, 7], logits of what is implied [B, 3]."""


class OnnxReviewBackend:
    """onnxruntime, or another `runtime`, on `review.onnx` and `aspects.onnx`, or on their 8-bit forms.

    In 8 bits the scale of activations is taken from all rows that run together; so that an answer depends
    on its own review alone, every row runs alone."""

    def __init__(
        self,
        bundle: ReviewsBundle,
        threads: int | None = None,
        precision: Precision = "fp32",
        runtime: Runtime = "onnx",
    ) -> None:
        need_precision(bundle, precision)
        ending = ".onnx" if precision == "fp32" else ".int8.onnx"
        self.batch_tokens = BATCH_TOKENS if precision == "fp32" else 0
        self._review = graph_session(bundle, "review" + ending, threads, runtime)
        _check_widths(bundle, "review" + ending, self._review, [STARS, SENTIMENTS, 2])
        self._aspects = None
        if bundle.reading.aspects is not None:
            self._aspects = graph_session(bundle, "aspects" + ending, threads, runtime)
            labels = 2 * len(bundle.reading.aspects.aspects)
            _check_widths(bundle, "aspects" + ending, self._aspects, [labels, TAGS, IMPLIED])

    def review(self, ids: Int64[ndarray, "B L"]) -> tuple[ndarray, ndarray, ndarray]:
        """Stars, sentiment, recommended."""
        stars, sentiment, recommended = self._review.run(None, {"ids": ids})
        return stars, sentiment, recommended

    def aspects(self, ids: Int64[ndarray, "B L"]) -> tuple[ndarray, ndarray, ndarray]:
        """Aspects, tags, implied."""
        if self._aspects is None:
            raise ValueError("this bundle has no aspects")
        aspects, tags, implied = self._aspects.run(None, {"ids": ids})
        return aspects, tags, implied


def batches(lengths: Int64[ndarray, "W"], tokens: int) -> Iterator[Int64[ndarray, "_"]]:
    """Row numbers, rows of like length together, each batch at most `tokens` long with its padding.

    A row that is longer has a batch of its own."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end + 1 - start) * lengths[order[end]] > tokens:
            yield order[start:end]
            start = end


def pad_id(bundle: ReviewsBundle) -> int:
    """The id that fills up short rows, as the bundle's encoder knows it."""
    return int((bundle.reading.architecture or {}).get("pad_token_id") or 0)


def _check_widths(bundle: ReviewsBundle, name: str, session: object, wanted: list[int]) -> None:
    """BundleError where a graph gives other numbers than the bundle speaks of."""
    found = [output.shape[-1] for output in session.get_outputs()]  # type: ignore[attr-defined]
    if found != wanted:
        raise BundleError(
            f"bundle '{bundle.path}': {name} gives {found} numbers, which do not fit {wanted}; "
            "copy or train it again"
        )
