"""The streaming pass: exact sums, bounded memory, and thumbnails that come back."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from shelfwise.data.pictures import DecodedPicture
from shelfwise.reports.rows import PicturedRow
from shelfwise.reports.survey import Survey, blocks


def noise_rows(count: int, shape: tuple[int, int, int] = (48, 40, 3)) -> Iterator[PicturedRow]:
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for i in range(count):
        pixels = np.roll(noise, 7 * i)
        mode = "RGB" if shape[2] == 3 else "L"
        picture = DecodedPicture(pixels, mode, (), (shape[1], shape[0]), i.to_bytes(32))
        yield PicturedRow(f"p{i}", picture, {"kind": "ab"[i % 2]}, title=f"title {i}")


def surveyed(count: int) -> None:
    with Survey("kind") as survey:
        for block in blocks(noise_rows(count)):
            survey.add(block)


def test_pixel_statistics_are_exact() -> None:
    rows = list(noise_rows(20)) + list(noise_rows(7, (30, 30, 1)))
    with Survey("kind") as survey:
        survey.add(rows)
        overall, first = survey.overall, survey.classes["a"]
    flat = [np.broadcast_to(r.picture.pixels, (*r.picture.pixels.shape[:2], 3)).reshape(-1, 3) for r in rows]
    everything = np.concatenate(flat) / 255
    np.testing.assert_allclose(overall.mean, everything.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(overall.deviation, everything.std(axis=0), atol=1e-9)
    assert overall.pixels == len(everything)
    assert first.pictures == 14


def test_memory_does_not_grow_with_the_pictures() -> None:
    """A row more costs under 1 kB (its id, hashes and label numbers), a sixth of its 6 kB picture."""
    surveyed(20)
    peaks = []
    for count in (260, 516):
        tracemalloc.start()
        surveyed(count)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / 256 < 1_000


def test_blocks_are_bounded_in_rows_and_in_pixels() -> None:
    assert [len(block) for block in blocks(noise_rows(600, (8, 8, 1)))] == [256, 256, 88]
    huge = [len(block) for block in blocks(noise_rows(5, (2_000, 1_500, 3)))]
    assert huge == [1, 1, 1, 1, 1]


@pytest.mark.parametrize(("shape", "tolerance"), [((28, 28, 1), 0), ((200, 100, 3), 255)])
def test_thumbnails_come_back_small(shape: tuple[int, int, int], tolerance: int) -> None:
    row = next(noise_rows(1, shape))
    with Survey("kind") as survey:
        survey.add([row])
        thumbnail = survey.thumbnail(0)
    assert max(thumbnail.shape) <= 112
    assert thumbnail.shape[2] == shape[2]
    if tolerance == 0:
        np.testing.assert_array_equal(thumbnail, row.picture.pixels)


def test_a_label_that_appears_late_is_missing_before() -> None:
    first, second = noise_rows(2)
    late = PicturedRow("late", second.picture, {"kind": "b", "colour": "red"})
    with Survey("kind") as survey:
        survey.add([first, late])
        numbers, names = survey.labels("colour")
    assert numbers.tolist() == [-1, 0]
    assert names == ["red"]
