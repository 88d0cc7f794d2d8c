"""Normalisation statistics: exact, per channel, and what they do to the training pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from shelfwise.data.statistics import pixel_statistics, value_counts
from shelfwise.errors import DataError

FASHION = Path("/usr/share/datasets/fashion-mnist")


def colour(n: int = 50) -> np.ndarray:
    """Drawn colour pictures whose channels differ in brightness and contrast."""
    random = np.random.default_rng(0)
    values = random.normal((60, 128, 200), (10, 30, 20), (n, 12, 10, 3))
    return np.clip(values, 0, 255).astype(np.uint8)


def test_statistics_equal_those_of_the_whole_array() -> None:
    images = colour()
    found = pixel_statistics(np.array_split(images, 7))
    assert found.count == 50 * 12 * 10
    np.testing.assert_allclose(found.mean, (images / 255).mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(found.std, (images / 255).std((0, 1, 2)), rtol=1e-12)


def test_normalised_training_pixels_have_mean_0_and_deviation_1() -> None:
    images = colour()
    found = pixel_statistics([images])
    normalised = (images / 255 - found.mean) / found.std
    np.testing.assert_allclose(normalised.mean((0, 1, 2)), 0, atol=1e-9)
    np.testing.assert_allclose(normalised.std((0, 1, 2)), 1, atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(st_numpy.arrays(np.uint8, (6, 3, 2, 2)), st.integers(0, 6), st.integers(0, 6))
def test_statistics_do_not_depend_on_the_batches(images: np.ndarray, one: int, other: int) -> None:
    whole = pixel_statistics([images])
    parts = pixel_statistics(np.split(images[::-1], sorted((one, other))))
    assert whole.mean.tolist() == parts.mean.tolist()
    assert whole.std.tolist() == parts.std.tolist()


def test_large_batches_are_counted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = value_counts(colour())
    monkeypatch.setattr("shelfwise.data.statistics._CHUNK", 1000)
    assert (value_counts(colour()) == whole).all()


def test_a_constant_channel_has_deviation_0() -> None:
    assert pixel_statistics([np.full((3, 4, 4, 1), 255, np.uint8)]).std.tolist() == [0.0]


def test_no_pictures_are_named_in_the_error() -> None:
    for batches in ([], [np.zeros((0, 8, 8, 3), np.uint8)]):
        with pytest.raises(DataError, match="no picture"):
            pixel_statistics(batches)


def test_batches_of_different_channels_are_a_slip() -> None:
    with pytest.raises(ValueError, match="channels"):
        pixel_statistics([np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 8, 8, 1), np.uint8)])


@pytest.mark.skipif(not FASHION.is_dir(), reason="needs Fashion-MNIST (Debian: dataset-fashion-mnist)")
def test_fashion_mnist_has_its_published_statistics() -> None:
    from shelfwise.data.fashion_mnist import load

    images = load("train", FASHION).images
    found = pixel_statistics([images])
    assert found.count == 60_000 * 28 * 28
    assert [round(float(found.mean[0]), 4), round(float(found.std[0]), 4)] == [0.2860, 0.3530]
    values = np.arange(256) / 255
    share = value_counts(images)[0] / found.count  # every pixel, by value
    normalised = (values - found.mean[0]) / found.std[0]
    assert abs((share * normalised).sum()) < 1e-9
    assert abs((share * normalised**2).sum() - 1) < 1e-9
