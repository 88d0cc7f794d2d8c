"""Macro-F1 over the classes that rows have, against the obvious loop."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.metrics.bootstrap import resampled_counts
from shelfwise.metrics.classification import class_scores_of_counts
from shelfwise.metrics.macro_f1 import sampled_class_scores, sampled_macro_f1


def test_it_is_the_mean_over_classes_that_occur() -> None:
    random = np.random.default_rng(0)
    truth, said = random.integers(0, 5, 200), random.integers(0, 7, 200)
    scores = []
    for k in np.unique(truth):
        hits = ((truth == k) & (said == k)).sum()
        scores.append(2 * hits / ((truth == k).sum() + (said == k).sum()))
    found = sampled_macro_f1(truth, said, seed=0)
    assert found.value == pytest.approx(np.mean(scores))
    assert found.drawn.mean() == pytest.approx(found.value, abs=1e-3)
    assert found.drawn.std() > 0


def test_one_group_leaves_nothing_to_chance() -> None:
    truth = np.array([0, 0, 1])
    found = sampled_macro_f1(truth, np.array([0, 1, 1]), seed=0, groups=np.zeros(3, int))
    assert found.drawn == pytest.approx(found.value)
    assert np.isnan(sampled_macro_f1(truth[:0], truth[:0], seed=0).value)


def test_no_resample_is_above_one() -> None:
    truth = np.repeat(np.arange(40), 2)
    said = np.where(np.arange(80) == 0, 1, truth)
    assert sampled_macro_f1(truth, said, seed=0).drawn.max() == 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 60), st.integers(1, 12))
def test_scores_of_every_class_are_those_of_products_with_a_column_a_class(
    seed: int, rows: int, classes: int
) -> None:
    random = np.random.default_rng(seed)
    truth, said = random.integers(0, classes, (2, rows))
    found = sampled_class_scores(truth, said, classes, seed=seed, resamples=20)
    place = truth * classes + said
    counts = resampled_counts(place, classes**2, seed=seed, resamples=20)
    counts = np.concatenate([np.bincount(place, minlength=classes**2)[None], counts])
    own, answered = (np.eye(classes)[part] for part in np.divmod(np.arange(classes**2), classes))
    plain = class_scores_of_counts(counts @ (own * answered), counts @ own, counts @ answered)
    for name in ("precision", "recall", "f1", "support", "claimed"):
        assert np.array_equal(getattr(found, name), getattr(plain, name)), name


def test_many_classes_do_not_take_a_column_for_each_pair() -> None:
    truth, said = np.random.default_rng(0).integers(0, 4_000, (2, 4_000))
    tracemalloc.start()
    sampled_class_scores(truth, said, 4_000, seed=0, resamples=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32e6  # a column a class for each pair would be 128 MB
