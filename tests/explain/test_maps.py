"""Maps, windows and edges against obvious loops."""

from __future__ import annotations

import numpy as np
import pytest

from shelfwise.explain.edges import sobel
from shelfwise.explain.maps import blurred, grid_of, smooth
from shelfwise.explain.occlusion import occlusion, windows


def test_smoothing_keeps_the_sum_and_spreads_a_point() -> None:
    point = np.zeros((2, 20, 16))
    point[0, 0, 3] = point[1, 10, 8] = 1
    found = smooth(point, 2.0)
    assert found.sum(axis=(1, 2)) == pytest.approx([1, 1])
    assert found[1].argmax() == 10 * 16 + 8
    assert found.max() < 0.1


def test_blurring_leaves_a_flat_picture_alone() -> None:
    flat = np.full((1, 20, 16, 3), 255, np.uint8)
    assert (blurred(flat, 3.0) == flat).all()
    spot = flat.copy()
    spot[0, 10, 8] = 0
    assert 100 < blurred(spot, 1.0).min() < 255


def test_a_grid_has_the_means_of_square_cells() -> None:
    values = np.arange(16 * 12, dtype=float).reshape(16, 12)
    grid = grid_of(values)
    assert (len(grid), len(grid[0])) == (8, 6)
    assert grid[0][0] == values[:2, :2].mean()
    assert grid_of(np.ones((3, 2))) == ((1, 1), (1, 1), (1, 1))


def test_edges_are_sobels() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (1, 7, 6, 3)).astype(np.uint8)
    grey = np.pad(pictures[0].mean(axis=2), 1, mode="edge")
    across, down = np.zeros((7, 6)), np.zeros((7, 6))
    kernel = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
    for row in range(7):
        for column in range(6):
            around = grey[row : row + 3, column : column + 3]
            across[row, column] = (around * kernel).sum()
            down[row, column] = (around * kernel.T).sum()
    assert sobel(pictures)[0] == pytest.approx(np.hypot(across, down), rel=1e-5)
    assert not sobel(np.full((1, 8, 8, 1), 9, np.uint8)).any()


def test_windows_cover_the_whole_picture() -> None:
    for height, width in ((80, 60), (28, 28), (8, 9)):
        covered = np.zeros((height, width), int)
        for rows, columns in windows(height, width):
            covered[rows, columns] += 1
        assert covered.min() >= 1
        assert covered.max() <= 9


def test_occlusion_finds_the_place_that_counts() -> None:
    picture = np.full((20, 20, 1), 200, np.uint8)
    picture[4:8, 4:8] = 0

    def darkness(versions: np.ndarray) -> np.ndarray:
        return (200.0 - versions.reshape(len(versions), -1)).clip(0).sum(1)

    (one, twice) = occlusion(
        lambda versions: darkness(versions)[:, None],
        [lambda logits: logits[:, 0], lambda logits: 2 * logits[:, 0]],
        picture,
        200,
    )
    assert twice == pytest.approx(2 * one)
    assert 4 <= one.argmax() // 20 < 8
    assert one[15, 15] == 0
