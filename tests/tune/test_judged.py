"""Judged rows: every figure against its plain definition, and classes never seen are wrong answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_products import products_config

from shelfwise.config import TargetConfig
from shelfwise.data.product_rows import ProductRows, load_products
from shelfwise.data.taxonomy import Taxonomy
from shelfwise.tune.benches import numbered
from shelfwise.tune.judged import Judged, Questions, judged_samples

QUESTIONS = Questions(
    (("kind", "picture"), ("kind", "text"), ("colour", "text")), ("picture", "text"), "kind"
)


def judged(rows: int = 60, seed: int = 0) -> Judged:
    random = np.random.default_rng(seed)
    truth = random.integers(-1, 5, rows)
    said = random.integers(0, 5, (2, rows))
    right = np.where(truth >= 0, said == truth, -1)
    right[1, :5] = -1
    return Judged(
        right=np.stack([*right, random.integers(-1, 2, rows)]).astype(np.int8),
        truth=truth,
        said=said,
        confidence=random.uniform(0.2, 1, (2, rows)).astype(np.float32),
        rank=random.integers(-1, 30, rows),
        family=np.arange(rows) // 2,
    )


def test_figures_are_what_they_are_called() -> None:
    rows = judged()
    found = {name: sample.value for name, sample in judged_samples(rows, QUESTIONS, resamples=20).items()}
    known = rows.truth >= 0
    right = rows.said[0] == rows.truth
    assert found["accuracy/kind/picture"] == pytest.approx(right[known].mean())
    assert found["accuracy/colour/text"] == pytest.approx(
        (rows.right[2] == 1).sum() / (rows.right[2] >= 0).sum()
    )
    asked = rows.rank[rows.rank >= 0]
    assert found["recall@10"] == pytest.approx(((asked > 0) & (asked <= 10)).mean())
    assert found["mrr"] == pytest.approx(np.mean([1 / rank if rank else 0.0 for rank in asked]))
    f1 = []
    for k in np.unique(rows.truth[known]):
        hits = (right & (rows.truth == k)).sum()
        f1.append(2 * hits / ((rows.truth == k).sum() + (rows.said[0][known] == k).sum()))
    assert found["macro_f1/kind/picture"] == pytest.approx(np.mean(f1))
    bins = np.ceil(rows.confidence[0] * 15)
    gap = [
        abs((right[known & (bins == m)] - rows.confidence[0][known & (bins == m)]).sum()) for m in range(16)
    ]
    assert found["ece/kind/picture"] == pytest.approx(sum(gap) / known.sum(), abs=1e-6)


def test_everything_is_the_fullest_subset_that_was_asked_of_each_product() -> None:
    subsets = ("picture", "text", "picture+text")
    asked = tuple((target, subset) for target in ("kind", "colour") for subset in subsets)
    # A product of both, of a picture alone, of a title alone, and one without a label.
    counted = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 0]], bool)
    truth = np.array([2, 3, 1, -1])
    said = np.array([[0, 3, 1, 0], [0, 3, 0, 0], [2, 0, 1, 0]])
    right = np.where(counted, said == truth, -1)
    rows = Judged(
        right=np.concatenate([right, np.where(counted, 1, -1)]).astype(np.int8),
        truth=truth,
        said=said,
        confidence=np.array([[0.3, 0.9, 0.3, 0.1], [0.4, 0.3, 0.8, 0.1], [0.7, 0.3, 0.3, 0.1]], np.float32),
        rank=np.full(4, -1),
        family=np.arange(4),
    )
    found = judged_samples(rows, Questions(asked, subsets, "kind"), resamples=20)
    assert found["accuracy/kind/all"].value == pytest.approx(2 / 3)
    assert found["accuracy/colour/all"].value == 1
    # Right at 0.7 and 0.9, wrong at 0.8: each alone in its bin.
    assert found["ece/kind/all"].value == pytest.approx((0.3 + 0.1 + 0.8) / 3)
    assert found["macro_f1/kind/all"].value == pytest.approx(2 / 3)
    assert found["accuracy/kind/picture+text"].value == 1


def test_what_a_network_does_not_hear_has_no_figure() -> None:
    deaf = Questions.from_json(QUESTIONS.as_json() | {"listens": ["picture"]})
    found = judged_samples(judged(), deaf, resamples=20)
    assert set(found) == {
        "accuracy/kind/picture", "accuracy/kind/all", "accuracy/colour/all", "ece/kind/picture",
        "ece/kind/all", "macro_f1/kind/picture", "macro_f1/kind/all",
    }  # fmt: skip
    whole = judged_samples(judged(), QUESTIONS, resamples=20)
    assert found["accuracy/kind/all"].value == whole["accuracy/kind/all"].value
    assert {"recall@10", "accuracy/colour/text"} <= set(whole)


def test_resamples_are_paired_so_that_equal_networks_do_not_differ() -> None:
    one, other = (judged_samples(judged(), QUESTIONS, resamples=50) for _ in range(2))
    for name in one:
        assert np.abs((one[name] - other[name]).drawn).max() == 0


def test_saved_rows_come_back(tmp_path: Path) -> None:
    judged().save(tmp_path / "rows.npz")
    back = Judged.load(tmp_path / "rows.npz")
    assert np.array_equal(back.right, judged().right)
    assert np.array_equal(back.confidence, judged().confidence)
    assert Questions.from_json(QUESTIONS.as_json()) == QUESTIONS


def test_without_a_row_that_counts_there_is_no_figure() -> None:
    rows = judged(8)
    nothing = np.full(8, -1)
    empty = Judged(np.full((3, 8), -1, np.int8), nothing, rows.said, rows.confidence, nothing, rows.family)
    found = judged_samples(empty, QUESTIONS, resamples=20)
    assert "recall@10" not in found
    assert found["accuracy/kind/text"].interval().as_json() == {"value": None, "ci95": None}
    assert found["macro_f1/kind/text"].interval().as_json() == {"value": None, "ci95": None}


def test_a_class_that_training_never_saw_counts_and_has_a_number_of_its_own(products_table: Path) -> None:
    rows: ProductRows = load_products(products_config(products_table)).parts["validation"]
    kinds = [str(kind) for kind in rows.labels["category"]]
    learned = Taxonomy(("category",), (("bag",), ("shirt",)))
    found = numbered(TargetConfig(labels=("category",)), rows, learned)
    assert {kind for kind, number in zip(kinds, found, strict=True) if number >= 2} == {"shoe", "trousers"}
    assert len(set(found.tolist())) == 4
    assert all(
        number == ("bag", "shirt").index(kind)
        for kind, number in zip(kinds, found, strict=True)
        if kind in ("bag", "shirt")
    )
