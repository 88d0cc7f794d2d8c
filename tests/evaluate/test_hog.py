"""Gradients and colours against the obvious loop."""

from __future__ import annotations

import numpy as np
import pytest

from shelfwise.evaluate.hog import colour_histogram, hog, picture_features


def obvious_hog(grey: np.ndarray) -> np.ndarray:
    height, width = grey.shape
    rows, columns = height // 8, width // 8
    top, left = (height - rows * 8) // 2, (width - columns * 8) // 2
    cells = np.zeros((rows, columns, 9))
    for y in range(rows * 8):
        for x in range(columns * 8):
            a, b = y + top, x + left
            across = grey[a, min(b + 1, width - 1)] - grey[a, max(b - 1, 0)]
            down = grey[min(a + 1, height - 1), b] - grey[max(a - 1, 0), b]
            place = (np.degrees(np.arctan2(down, across)) % 180) / 20 - 0.5
            below = int(np.floor(place))
            size = np.hypot(across, down)
            cells[y // 8, x // 8, below % 9] += size * (1 - (place - below))
            cells[y // 8, x // 8, (below + 1) % 9] += size * (place - below)
    found = []
    for i in range(rows - 1):
        for j in range(columns - 1):
            block = np.concatenate([cells[i, j], cells[i, j + 1], cells[i + 1, j], cells[i + 1, j + 1]])
            block = np.minimum(block / np.sqrt((block**2).sum() + 1e-4), 0.2)
            found.append(block / np.sqrt((block**2).sum() + 1e-4))
    return np.concatenate(found)


def obvious_colours(pixels: np.ndarray) -> np.ndarray:
    height, width, _ = pixels.shape
    counts = np.zeros((3, 3, 4, 4, 4))
    for rows, i in zip(np.array_split(np.arange(height), 3), range(3), strict=True):
        for columns, j in zip(np.array_split(np.arange(width), 3), range(3), strict=True):
            for y in rows:
                for x in columns:
                    red, green, blue = pixels[y, x] // 64
                    counts[i, j, red, green, blue] += 1 / (len(rows) * len(columns))
    return np.sqrt(counts).ravel()


def test_gradients_are_those_of_the_obvious_loop() -> None:
    grey = np.random.default_rng(0).random((3, 27, 20), dtype=np.float32)
    np.testing.assert_allclose(hog(grey), np.stack([obvious_hog(one) for one in grey]), atol=1e-4)


def test_colours_are_those_of_the_obvious_loop() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 10, 7, 3), dtype=np.uint8)
    np.testing.assert_allclose(
        colour_histogram(pixels), np.stack([obvious_colours(one) for one in pixels]), atol=1e-6
    )


def test_an_upright_edge_has_one_direction() -> None:
    grey = np.zeros((1, 16, 16), np.float32)
    grey[:, :, 8:] = 1
    found = hog(grey).reshape(4, 9)
    assert found.sum(axis=0)[[0, 8]].min() > 0
    assert found.sum(axis=0)[1:8] == pytest.approx(0)
    assert hog(np.full((1, 16, 16), 0.5, np.float32)) == pytest.approx(0)


def test_many_pictures_are_read_as_each_alone() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (515, 16, 16, 3), dtype=np.uint8)
    together, alone = picture_features(pixels), picture_features(pixels[514:])
    for all_of_them, last in zip(together, alone, strict=True):
        assert len(all_of_them) == 515
        np.testing.assert_allclose(all_of_them[514:], last, atol=1e-6)
    assert [kind.shape for kind in picture_features(pixels[:0])] == [(0, 36), (0, 576)]


def test_a_picture_too_small_for_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match="16 pixels a side"):
        hog(np.zeros((1, 15, 40), np.float32))
