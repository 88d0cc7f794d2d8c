"""Preprocessing: each way to fit, the published Fashion-MNIST preparation, and batches of products."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from drawn import KINDS, draw_garment
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageOps

from shelfwise.config import PreprocessConfig
from shelfwise.data.fashion_photo import corner_colour, fashion_mnist_picture, sharpened
from shelfwise.data.preprocess import Preprocessor
from shelfwise.schema import Picture, Product


def pixels_of(image: Image.Image) -> np.ndarray:
    return np.atleast_3d(np.asarray(image))


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_pad_keeps_the_aspect_and_fills_with_the_background() -> None:
    prepare = Preprocessor(PreprocessConfig(height=40, width=40, channels=3, fit="pad", background=200))
    done = prepare.picture(np.zeros((20, 40, 3), np.uint8))
    assert done.shape == (40, 40, 3)
    assert (done[10:30] == 0).all()
    assert (done[:10] == 200).all()
    assert (done[30:] == 200).all()


def test_stretch_fills_the_frame() -> None:
    prepare = Preprocessor(PreprocessConfig(height=40, width=30, channels=1, fit="stretch"))
    assert (prepare.picture(np.full((20, 90, 1), 7, np.uint8)) == 7).all()


def test_a_picture_of_the_right_size_is_untouched() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 24, 3), dtype=np.uint8)
    for fit in ("pad", "stretch"):
        config = PreprocessConfig(height=32, width=24, channels=3, fit=fit)
        assert np.array_equal(Preprocessor(config).picture(pixels), pixels)


@pytest.mark.parametrize("fit", ["pad", "stretch", "fashion-mnist"])
@given(
    data=arrays.arrays(np.uint8, st.tuples(st.integers(8, 90), st.integers(8, 90), st.sampled_from([1, 3]))),
    channels=st.sampled_from([1, 3]),
)
def test_every_picture_gets_the_configured_shape(fit: str, data: np.ndarray, channels: int) -> None:
    config = PreprocessConfig(height=28, width=20, channels=channels, fit=fit)
    assert Preprocessor(config).picture(data).shape == (28, 20, channels)


def test_a_very_long_picture_keeps_at_least_one_pixel_of_width() -> None:
    prepare = Preprocessor(PreprocessConfig(height=16, width=16, channels=1, fit="pad"))
    assert (prepare.picture(np.zeros((900, 8, 1), np.uint8)) == 0).any()


def test_a_ready_fashion_mnist_picture_passes_untouched() -> None:
    ready = np.random.default_rng(1).integers(0, 256, (28, 28, 1), dtype=np.uint8)
    prepare = Preprocessor(PreprocessConfig())
    assert np.array_equal(prepare.picture(ready), ready)
    assert np.array_equal(prepare.picture(np.repeat(ready, 3, axis=2)), ready)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", [40, 64, 300])
def test_a_garment_on_white_or_on_black_ends_bright_on_black_and_centred(kind: str, side: int) -> None:
    photo = draw_garment(kind, 3, side)
    on_black = pixels_of(photo).copy()
    on_black[(on_black == 255).all(axis=2)] = 0
    brighter = np.where(on_black.any(axis=2, keepdims=True), np.minimum(on_black, 165) + 90, 0)
    for pixels in (pixels_of(photo), brighter.astype(np.uint8)):
        done = fashion_mnist_picture(pixels)[:, :, 0]
        rows, columns = np.flatnonzero(done.any(1)), np.flatnonzero(done.any(0))
        assert max(len(rows), len(columns)) >= 27
        assert abs((rows[0] + rows[-1]) - 27) <= 1
        assert abs((columns[0] + columns[-1]) - 27) <= 1
        assert done[done > 0].mean() > 60
        assert min(done[0, 0], done[0, -1], done[-1, 0], done[-1, -1]) == 0


def test_the_published_steps_are_followed_on_a_plain_example() -> None:
    """Reference: the steps of arXiv:1708.07747 by hand, on a 10 x 20 grey block on white."""
    photo = np.full((60, 40, 3), 255, np.uint8)
    photo[10:30, 15:25] = 55
    done = fashion_mnist_picture(photo)[:, :, 0]
    assert (done[:, :7] == 0).all()
    assert (done[:, 21:] == 0).all()
    assert (done[:, 7:21] == 200).all()


def test_a_blank_picture_is_black() -> None:
    for level in (0, 128, 255):
        assert (fashion_mnist_picture(np.full((50, 30, 3), level, np.uint8)) == 0).all()


def test_one_covered_corner_does_not_change_the_background() -> None:
    photo = np.full((20, 20, 3), 250, np.uint8)
    photo[:8, :8] = 10
    assert corner_colour(photo).tolist() == [250, 250, 250]


def test_sharpening_leaves_flat_areas_and_lifts_edges() -> None:
    """Reference: the kernel of ImageMagick's -sharpen 1x1 written out, by the obvious loop."""
    flat = np.full((5, 6, 3), 80.0)
    assert np.allclose(sharpened(flat), flat)
    picture = np.random.default_rng(2).uniform(0, 255, (6, 5, 1))
    corner, side = np.exp(-1.0), np.exp(-0.5)
    total = 1 + 4 * side + 4 * corner
    kernel = -np.array([[corner, side, corner], [side, -2 * total, side], [corner, side, corner]])
    kernel /= kernel.sum()
    padded = np.pad(picture[:, :, 0], 1, mode="edge")
    expected = [[(padded[i : i + 3, j : j + 3] * kernel).sum() for j in range(5)] for i in range(6)]
    assert np.allclose(sharpened(picture)[:, :, 0], expected)


def test_a_batch_holds_the_usable_products_and_names_the_others(tmp_path: Path) -> None:
    draw_garment("bag", 1, 32).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    grey = png(ImageOps.grayscale(draw_garment("shoe", 1, 32)))
    products = [
        Product(id="a", images=(Picture(path="a.png"),)),
        Product(id="b", images=(Picture(path="b.png"),)),
        Product(id="none"),
        Product(id="c", images=(Picture(path="b.png"), Picture(data=grey), Picture(path="a.png"))),
    ]
    prepare = Preprocessor(PreprocessConfig(height=16, width=16, channels=3, fit="pad"))
    batch, errors, warnings = prepare.batch(products, tmp_path)
    assert batch.ids == ("a", "c")
    assert batch.pixels.shape == (2, 16, 16, 3)
    assert batch.has_picture.all()
    assert [(error.row, error.kind, error.id) for error in errors] == [
        (3, "picture_empty", "b"),
        (4, "picture_missing", "none"),
    ]
    assert [(warning.row, warning.kind) for warning in warnings] == [
        (5, "picture_skipped"),
        (5, "other_pictures_unused"),
    ]


def test_row_numbers_can_be_given(tmp_path: Path) -> None:
    prepare = Preprocessor(PreprocessConfig())
    _, errors, _ = prepare.batch([Product(id="x")], tmp_path, rows=[77])
    assert errors[0].row == 77
    with pytest.raises(ValueError, match="longer"):
        prepare.batch([Product(id="x"), Product(id="y")], tmp_path, rows=[77])


def test_a_product_without_picture_can_stay_in_blank(tmp_path: Path) -> None:
    prepare = Preprocessor(PreprocessConfig())
    batch, errors, _ = prepare.batch([Product(id="x")], tmp_path, require_picture=False)
    assert (batch.ids, batch.has_picture.tolist(), errors) == (("x",), [False], [])
    assert not batch.pixels.any()


def test_an_empty_batch_has_the_right_shape(tmp_path: Path) -> None:
    batch, errors, warnings = Preprocessor(PreprocessConfig()).batch([], tmp_path)
    assert (batch.pixels.shape, errors, warnings) == ((0, 28, 28, 1), [], [])
