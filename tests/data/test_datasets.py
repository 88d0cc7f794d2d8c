"""Fashion-MNIST and catalogues in three parts: disjoint, always the same, whatever the order of rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn import draw_catalog
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.config import Config, parse_config
from shelfwise.data.datasets import held_out_rows, load_labelled

FASHION = Path("/usr/share/datasets/fashion-mnist")
needs_fashion_mnist = pytest.mark.skipif(
    not FASHION.is_dir(), reason="Fashion-MNIST is not installed (Debian package dataset-fashion-mnist)"
)


def pictures(values: list[int]) -> np.ndarray:
    """Small pictures, one for each value."""
    return np.array(values, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)


@given(st.lists(st.integers(0, 255), max_size=40), st.integers(0, 50), st.randoms())
def test_the_order_of_rows_has_no_say(values: list[int], count: int, dice: object) -> None:
    order = list(range(len(values)))
    dice.shuffle(order)  # type: ignore[attr-defined]
    held = held_out_rows(pictures(values), count, "salt")
    shuffled = held_out_rows(pictures([values[i] for i in order]), count, "salt")
    assert sorted(order[i] for i in shuffled) == held.tolist()


@given(st.lists(st.integers(0, 255), max_size=40), st.integers(0, 50))
def test_equal_pictures_are_never_on_both_sides(values: list[int], count: int) -> None:
    held = set(held_out_rows(pictures(values), count, "salt").tolist())
    inside = {values[i] for i in held}
    assert not inside & {value for i, value in enumerate(values) if i not in held}
    assert len(held) >= min(count, len(values))


def test_different_pictures_are_held_out_to_the_row() -> None:
    images = pictures(list(range(200)))
    held = held_out_rows(images, 50, "salt")
    assert len(held) == 50
    assert held.tolist() == sorted(set(held.tolist()))
    assert set(held_out_rows(images, 20, "salt")) < set(held)
    assert set(held_out_rows(images, 50, "pepper")) != set(held)


@needs_fashion_mnist
def test_the_parts_of_fashion_mnist_are_disjoint_and_always_the_same() -> None:
    config = parse_config({"data": {"folder": str(FASHION)}}, where="test")
    parts = {part: load_labelled(config, part) for part in ("train", "validation", "test")}  # type: ignore[arg-type]
    assert {part: len(data) for part, data in parts.items()} == {
        "train": 55_000,
        "validation": 5_000,
        "test": 10_000,
    }
    assert not set(parts["train"].ids) & set(parts["validation"].ids)
    assert parts["validation"].ids[:3] == ("train-00003", "train-00004", "train-00009")
    shared = {image.tobytes() for image in parts["validation"].images}
    assert not shared & {image.tobytes() for image in parts["train"].images}
    assert all(len(np.unique(data.labels)) == 10 for data in parts.values())


@needs_fashion_mnist
def test_no_validation_rows_leave_all_to_training() -> None:
    values = {"data": {"folder": str(FASHION)}, "split": {"validation_rows": 0}}
    config = parse_config(values, where="test")
    assert len(load_labelled(config, "train")) == 60_000
    empty = load_labelled(config, "validation")
    assert len(empty) == 0
    assert len(empty.classes) == 10


def test_a_catalogue_has_three_parts_too(tmp_path: Path) -> None:
    draw_catalog(tmp_path, 60)
    values = {
        "source": str(tmp_path / "products.csv"),
        "columns": {"images": ["image"], "title": "title", "labels": {"kind": "category"}},
    }
    config: Config = parse_config({"data": values}, where="test")
    parts = [load_labelled(config, part) for part in ("train", "validation", "test")]  # type: ignore[arg-type]
    ids = [set(part.ids) for part in parts]
    assert sum(map(len, ids)) == len(set.union(*ids)) == 60
    assert len({part.classes for part in parts}) == 1
    assert load_labelled(config, "test").ids == parts[2].ids
