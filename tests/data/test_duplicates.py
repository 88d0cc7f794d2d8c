"""Near-identical pictures: the banded search against the obvious loop, and what the bounds let through."""

from __future__ import annotations

import io

import numpy as np
import pytest
from drawn import KINDS, draw_garment
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import ndarray
from PIL import Image, ImageEnhance

from shelfwise.data import duplicates
from shelfwise.data.duplicates import near_duplicates, near_hashes, near_pairs
from shelfwise.data.hashing import difference_hashes, thumbnail_difference, thumbnails


def garments(count: int, size: int = 96) -> ndarray:
    return np.stack([np.asarray(draw_garment(KINDS[i % 4], i, size)) for i in range(count)])


def reencoded(pixels: ndarray, quality: int, scale: float = 1.0) -> ndarray:
    picture = Image.fromarray(pixels)
    smaller = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    buffer = io.BytesIO()
    smaller.save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).resize(picture.size))


@given(st.integers(0, 9), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=40, deadline=None)
def test_banded_search_finds_what_the_full_matrix_finds(distance: int, seed: int, within: bool) -> None:
    random = np.random.default_rng(seed)
    bits = random.integers(0, 2, (40, 256), dtype=np.uint8)
    bits[20:] = bits[:20] ^ (random.random((20, 256)) < random.uniform(0, 0.04))
    hashes = np.packbits(bits, axis=1).view(np.uint64)
    a, b = (hashes, None) if within else (hashes[:25], hashes[15:])
    right = bits if within else bits[15:]
    full = (bits[: len(a), None] != right[None]).sum(axis=2) <= distance
    expected = np.argwhere(np.triu(full, 1) if within else full)
    assert near_hashes(a, b, distance).tolist() == expected.tolist()


def test_blocks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = np.repeat(difference_hashes(garments(6)), 5, axis=0)
    whole = near_hashes(hashes, None, 3)
    monkeypatch.setattr(duplicates, "_PAIRS", 7)
    assert near_hashes(hashes, None, 3).tolist() == whole.tolist()
    assert len(whole) == 6 * 10


def test_reencoded_and_rescaled_pictures_are_near() -> None:
    originals = garments(12, 224)
    variants = np.stack(
        [reencoded(p, 60 if i % 2 else 85, 1 if i % 3 else 0.6) for i, p in enumerate(originals)]
    )
    pairs = near_duplicates(originals, variants)
    assert pairs.tolist() == [[i, i] for i in range(12)]


def test_a_slight_change_of_brightness_is_near_and_another_colour_is_not() -> None:
    original = garments(1)
    brighter = np.asarray(ImageEnhance.Brightness(Image.fromarray(original[0])).enhance(1.03))[None]
    recoloured = original[:, :, :, ::-1].copy()
    assert len(near_duplicates(original, brighter)) == 1
    assert len(near_duplicates(original, recoloured)) == 0


def test_grey_and_colour_pictures_of_different_sizes_can_be_compared() -> None:
    colour = garments(4)
    grey = np.stack([np.asarray(Image.fromarray(p).convert("L").resize((28, 28)))[..., None] for p in colour])
    assert near_duplicates(grey, grey[[2]]).tolist() == [[2, 0]]
    assert near_duplicates(colour, grey).shape[1] == 2


def test_a_small_product_is_not_hidden_by_its_blank_surroundings() -> None:
    rings = np.full((2, 64, 64, 3), 255, dtype=np.uint8)
    rings[0, 30:34, 30:34] = 20
    rings[1, 30:34, 30:34] = (200, 170, 60)
    small = thumbnails(rings)
    assert np.abs(small[0].astype(int) - small[1]).mean() < 2
    assert thumbnail_difference(small[:1], small[1:])[0] > 10


def test_blank_pictures_must_agree_in_colour() -> None:
    blank = np.zeros((3, 20, 20, 3), dtype=np.uint8)
    blank[1], blank[2] = (200, 0, 0), (202, 0, 0)
    pairs = near_pairs(difference_hashes(blank), thumbnails(blank))
    assert pairs.tolist() == [[1, 2]]


def test_empty_sets_have_no_pairs() -> None:
    none = np.empty((0, 8, 8, 1), dtype=np.uint8)
    assert near_duplicates(none, garments(2)).shape == (0, 2)
    assert near_duplicates(none, none).shape == (0, 2)


def test_a_distance_that_cannot_be_banded_is_refused() -> None:
    with pytest.raises(ValueError, match="max_distance 128"):
        near_hashes(np.zeros((1, 4), np.uint64), None, 128)
