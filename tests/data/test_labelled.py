"""Labelled arrays: rows with their metadata, and the weights of their classes."""

from __future__ import annotations

import numpy as np
import pytest

from shelfwise.data.labelled import LabelledPictures


def labelled() -> LabelledPictures:
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 1), np.uint8)
    return LabelledPictures(images, np.array([0, 2, 0, -1, 0]), ("a", "b", "c"), tuple("vwxyz"))


def test_an_item_carries_its_class_and_how_frequent_it_is() -> None:
    item = labelled()[1]
    assert (item.index, item.id, item.label, item.class_name) == (1, "w", 2, "c")
    assert (item.class_frequency, item.class_weight) == (1, 4 / 3)
    assert (item.pixels == 1).all()


def test_an_item_without_label_has_no_class() -> None:
    item = labelled()[-2]
    assert (item.index, item.label, item.class_name) == (3, -1, None)
    assert (item.class_frequency, item.class_weight) == (0, 0.0)


def test_a_data_set_is_a_sequence_that_ends() -> None:
    assert [item.id for item in labelled()] == list("vwxyz")  # type: ignore[attr-defined]
    with pytest.raises(IndexError):
        labelled()[5]


def test_class_weights_make_every_class_count_the_same() -> None:
    data = labelled()
    assert data.class_counts.tolist() == [3, 0, 1]
    np.testing.assert_allclose(data.class_counts * data.class_weights, [4 / 3, 0, 4 / 3])


def test_rows_are_taken_in_the_given_order() -> None:
    taken = labelled().take(np.array([4, 1]))
    assert taken.ids == ("z", "w")
    assert taken.images[:, 0, 0, 0].tolist() == [4, 1]
    assert taken.class_counts.tolist() == [1, 0, 1]


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        LabelledPictures(np.zeros((2, 8, 8, 1), np.uint8), np.zeros(2, np.int64), ("a",), ("x",))
