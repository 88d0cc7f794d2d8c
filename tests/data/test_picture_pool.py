"""Pools of pictures: encoded ones give the pixels of decoded ones, in less memory, or say what changed."""

from __future__ import annotations

import csv
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn import KINDS, draw_catalog, draw_garment
from jaxtyping import Int64
from numpy import ndarray

from shelfwise.config import PreprocessConfig, ProductsConfig, TableConfig, TitleTowerConfig
from shelfwise.data.picture_pool import BLOCK, EncodedPool, PoolWriter, decoding_threads, pictures_of_batches
from shelfwise.data.preprocess import Preprocessor
from shelfwise.data.product_input import input_of
from shelfwise.data.product_pictures import decode_pictures
from shelfwise.data.product_rows import ProductRows, load_products
from shelfwise.errors import DataError
from shelfwise.schema import Picture, Product

SIZES = ((64, 64), (40, 90), (120, 30), (16, 16), (9, 200))
LARGE = (1100, 1040)  # a JPEG that is decoded at half its size
MODES = ("RGB", "L", "P", "RGBA", "CMYK", "LA")


def draw_mixed(folder: Path, count: int = 16) -> Path:
    """A catalogue of every size, mode and number of pictures, from none to three; some rows share theirs."""
    table = draw_catalog(folder, count)
    names = []
    for i in range(count):
        mode, size = MODES[i % len(MODES)], LARGE if i == 6 else SIZES[i % len(SIZES)]
        name = f"images/m{i}.{'jpg' if mode == 'CMYK' or i in (1, 6, 7) else 'png'}"
        draw_garment(KINDS[i % 4], i, size).convert(mode).save(folder / name)
        names.append(name)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for i, row in enumerate(rows):
            writer.writerow(row | {"image": "|".join(names[(i + k) % count] for k in range(i % 4))})
    return table


def rows_of(table: Path, picture_memory_mb: int, workers: int = 2, column: str = "image") -> ProductRows:
    config = ProductsConfig.model_validate(
        {
            "data": {
                "source": str(table),
                "columns": {"title": "title", "images": [column], "labels": {"category": "category"}},
            },
            "split": {"buckets": 3, "test": [], "validation": []},
            "preprocess": {"height": 80, "width": 60, "channels": 3, "fit": "pad"},
            "train": {"picture_memory_mb": picture_memory_mb, "workers": workers},
        }
    )
    return load_products(config).parts["train"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_mixed(tmp_path_factory.mktemp("mixed"))


def encoded(rows: ProductRows) -> EncodedPool:
    assert isinstance(rows.pool, EncodedPool)
    return rows.pool


def test_encoded_pictures_are_those_of_the_decoded_pool(table: Path) -> None:
    decoded, kept = rows_of(table, 512), rows_of(table, 0)
    assert isinstance(decoded.pool, ndarray)
    assert encoded(kept).shape == decoded.pool.shape == (24, 80, 60, 3)
    assert kept.places.tolist() == decoded.places.tolist()
    places = np.array([5, 0, 23, 5, 17, 2])
    assert np.array_equal(kept.pool[places], decoded.pool[places])
    assert np.array_equal(kept.pool[kept.places], decoded.pool)
    assert kept.pool[places[:0]].shape == (0, 80, 60, 3)
    assert kept.take(np.array([3, 7])).pool is kept.pool


def test_pictures_inside_a_table_are_packed_and_those_in_files_stay_there(table: Path) -> None:
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    pictures = [[(table.parent / p).read_bytes() for p in row["image"].split("|") if p] for row in rows]
    columns = {name: [row[name] for row in rows] for name in ("id", "title", "category")}
    inside = table.with_name("inside.parquet")
    pq.write_table(pa.table(columns | {"bytes": [(some or [None])[0] for some in pictures]}), inside)
    decoded, kept = (rows_of(inside, limit, column="bytes") for limit in (512, 0))
    assert np.array_equal(kept.pool[kept.places], decoded.pool[decoded.places])
    pool, first = encoded(kept), [some[0] for some in pictures if some]
    assert (bytes(pool.packed), pool.files) == (b"".join(first), {})
    files = encoded(rows_of(table, 0))
    assert (len(files.packed), len(files.files)) == (0, 24)


def test_a_model_is_given_the_same_pictures(table: Path) -> None:
    given = [
        input_of(rows_of(table, limit), np.array([7, 2, 0, 2]), TitleTowerConfig(), TableConfig(), {})
        for limit in (512, 0)
    ]
    assert given[0].owner.tolist() == given[1].owner.tolist() == [0, 0, 0, 1, 1, 3, 3]
    assert np.array_equal(given[0].pixels, given[1].pixels)


def writer_of(table: Path, limit: int, count: int, *, inside: bool = True) -> PoolWriter:
    """A writer that took a picture of the catalogue again and again."""
    preprocessor = Preprocessor(PreprocessConfig(height=8, width=8, channels=3, fit="pad"))
    writer = PoolWriter(preprocessor, limit=limit)
    path = table.parent / "images" / "p0000.png"
    image = Picture(data=path.read_bytes()) if inside else Picture(path=str(path))
    usable, _, _ = decode_pictures(Product(id="a", images=(image,)), Path(), row=2, most=1)
    for _ in range(count):
        writer.add(usable[0])
    return writer


def test_the_form_that_outgrows_the_limit_first_is_given_up(table: Path) -> None:
    size = (table.parent / "images" / "p0000.png").stat().st_size
    assert size > 8 * 8 * 3
    assert isinstance(writer_of(table, 10**6, 9).pool(), ndarray)
    assert isinstance(writer_of(table, 0, 0).pool(), ndarray)
    large = writer_of(table, 2 * size, 40)
    assert large._packed is None  # the encoded ones, as soon as they were too many
    assert len(large.pool()) == 40
    small = writer_of(table, 8 * 8 * 3 * 5, 40, inside=False)
    assert small._blocks is None
    assert isinstance(small.pool(), EncodedPool)


def test_a_pool_of_several_blocks_is_whole(table: Path) -> None:
    count = 2 * BLOCK + 3
    pool = writer_of(table, 10**9, count).pool()
    assert isinstance(pool, ndarray)
    assert len(pool) == count
    assert (pool == pool[0]).all()


def test_an_encoded_pool_holds_no_pixels(table: Path) -> None:
    pool = encoded(rows_of(table, 0))
    held = [value for value in vars(pool).values() if isinstance(value, ndarray)]
    assert len(held) == 1  # where each picture ends: one number a picture
    room = len(pool.packed) + sum(map(len, held)) * 8 + sum(len(path) for path, _ in pool.files.values())
    assert room < np.prod(pool.shape) / 50


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_pictures_are_decoded_so_far_ahead_and_no_further(table: Path, workers: int) -> None:
    before = set(threading.enumerate())
    pool = encoded(rows_of(table, 0))
    pool = EncodedPool(pool.packed, pool.ends, pool.files, pool.preprocessor, threads=workers)
    batches = [np.arange(i, min(i + 5, 24)) for i in range(0, 24, 5)]
    taken = 0

    def plan() -> Iterator[Int64[ndarray, "_"]]:
        nonlocal taken
        for places in batches:
            taken += 1
            yield places

    for number, (places, pixels) in enumerate(zip(batches, pool.ahead(plan()), strict=True), 1):
        assert np.array_equal(pixels, pool[places])
        assert taken == min(len(batches), number + workers)
    assert set(threading.enumerate()) <= before


def test_threads_end_where_nobody_asks_any_more(table: Path) -> None:
    before = set(threading.enumerate())
    pool = rows_of(table, 0).pool
    pixels = pictures_of_batches(pool, [np.arange(9)] * 40)
    assert next(pixels).shape == (9, 80, 60, 3)
    assert [one for one in threading.enumerate() if one not in before and one.name.startswith("pictures")]
    pixels.close()  # type: ignore[attr-defined]
    assert set(threading.enumerate()) <= before


def test_there_are_never_more_threads_than_asked_for() -> None:
    assert decoding_threads(0) == 0
    assert decoding_threads(1) == 1
    assert 1 <= decoding_threads(64) < 64


def test_a_file_that_vanishes_breaks_or_changes_is_named(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 6)
    pool = rows_of(table, 0).pool
    images = tmp_path / "images"
    (images / "p0001.png").unlink()
    (images / "p0002.png").write_bytes((images / "p0002.png").read_bytes()[:200])
    (images / "p0003.png").write_bytes((images / "p0004.png").read_bytes())
    for place, why in ((1, "not found"), (2, "ends too early"), (3, "it is another picture")):
        with pytest.raises(DataError, match=rf"images/p000{place}.png' is not what it was .*: .*{why}"):
            list(pictures_of_batches(pool, [np.array([0, place])]))
    assert pool[np.array([0, 4, 5])].shape == (3, 80, 60, 3)
