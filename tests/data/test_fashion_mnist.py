"""Fashion-MNIST: the idx reader names what is wrong, and the four places are tried in order."""

from __future__ import annotations

import gzip
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from published import Published

from shelfwise.data import fashion_mnist
from shelfwise.data.fashion_mnist import FILES, IdxFile, content_sha256, locate, read_checked, read_idx
from shelfwise.errors import DataError

SMALL = np.arange(5 * 4 * 4, dtype=np.uint8).reshape(5, 4, 4)
CLOSED_PORT = ("http://127.0.0.1:9/",)


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def published(array: np.ndarray, name: str = "small-images") -> IdxFile:
    return IdxFile(name, array.shape, content_sha256(array))


@pytest.fixture(scope="module")
def real() -> Path:
    try:
        return locate(addresses=())
    except DataError:
        pytest.skip("Fashion-MNIST is not on this machine; install dataset-fashion-mnist")


@settings(max_examples=25, deadline=None)
@given(array=arrays(np.uint8, array_shapes(max_dims=4, max_side=5, min_side=0)), zipped=st.booleans())
def test_an_array_comes_back_as_written(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, zipped: bool
) -> None:
    content = gzip.compress(idx_bytes(array)) if zipped else idx_bytes(array)
    path = write(tmp_path_factory.mktemp("idx") / "file", content)
    np.testing.assert_array_equal(read_idx(path), array)


def test_the_array_can_be_written_to(tmp_path: Path) -> None:
    assert read_idx(write(tmp_path / "file", idx_bytes(SMALL))).flags.writeable


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not an idx file .* begins with nothing"),
        (b"<html>", "not an idx file .* begins with 3c68746d"),
        (b"\0\0\x0d\x03" + bytes(12), "not an idx file of unsigned bytes"),
        (b"\0\0\x08\x09" + bytes(36), "not an idx file"),
        (idx_bytes(SMALL)[:9], "ends in its header"),
        (idx_bytes(SMALL)[:-1], "truncated: its header promises 80 values, it holds 79"),
        (idx_bytes(SMALL) + b"x", "longer than its header says"),
        (gzip.compress(idx_bytes(SMALL), mtime=0)[:-9], "gzip stream ends early"),
        (gzip.compress(idx_bytes(SMALL), mtime=0)[:30] + b"broken" + bytes(20), "cannot be read"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 2**31, 2**31, 2**31), "header promises"),
    ],
)
def test_a_damaged_file_is_named_with_its_fault(tmp_path: Path, content: bytes, why: str) -> None:
    path = write(tmp_path / "damaged.gz", content)
    with pytest.raises(DataError, match=why) as error:
        read_idx(path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent' not found"):
        read_idx(tmp_path / "absent")


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path)


def test_labels_given_as_images_are_called_swapped(tmp_path: Path) -> None:
    path = write(tmp_path / "images", idx_bytes(np.zeros(5, np.uint8)))
    with pytest.raises(DataError, match="holds labels, expected images: are two files swapped"):
        read_checked(path, published(SMALL))


def test_images_given_as_labels_are_called_swapped(tmp_path: Path) -> None:
    path = write(tmp_path / "labels", idx_bytes(SMALL))
    with pytest.raises(DataError, match="holds images, expected labels"):
        read_checked(path, published(np.zeros(5, np.uint8)))


def test_test_labels_given_as_training_labels_are_called_swapped(tmp_path: Path) -> None:
    path = write(tmp_path / "train-labels-idx1-ubyte", idx_bytes(np.zeros(10_000, np.uint8)))
    with pytest.raises(DataError, match="are the training and test files swapped"):
        read_checked(path, FILES["train"][1])


def test_another_data_set_of_the_same_shape_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "images", idx_bytes(SMALL + np.uint8(1)))
    with pytest.raises(DataError, match="is not Fashion-MNIST's small-images"):
        read_checked(path, published(SMALL))


def test_the_real_sets_have_their_published_counts(real: Path) -> None:
    train, test = fashion_mnist.load("train", real), fashion_mnist.load("test", real)
    assert train.images.shape == (60_000, 28, 28, 1)
    assert train.class_counts.tolist() == [6_000] * 10
    assert test.class_counts.tolist() == [1_000] * 10
    assert (train.ids[7], test.ids[-1]) == ("train-00007", "test-09999")
    assert len(train.classes) == 10
    assert train.images.mean() / 255 == pytest.approx(0.2860, abs=5e-5)


def test_load_says_how_to_mend_a_swapped_folder(real: Path, tmp_path: Path) -> None:
    shutil.copytree(real, tmp_path, dirs_exist_ok=True)
    names = [fashion_mnist.find_file(tmp_path, FILES[split][1]) for split in ("train", "test")]
    content = [path.read_bytes() for path in names]
    for path, other in zip(names, reversed(content), strict=True):
        path.write_bytes(other)
    with pytest.raises(DataError, match=r"train-labels.*swapped.*shelfwise data get fashion-mnist"):
        fashion_mnist.load("train", tmp_path)


@pytest.fixture
def tiny_set(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Four small published files in place of the real ones: gzipped name to content."""
    rng = np.random.default_rng(0)
    files, content = {}, {}
    for split, prefix, rows in (("train", "train", 6), ("test", "t10k", 3)):
        images = rng.integers(0, 256, (rows, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, rows, dtype=np.uint8)
        pair = (
            published(images, f"{prefix}-images-idx3-ubyte"),
            published(labels, f"{prefix}-labels-idx1-ubyte"),
        )
        files[split] = pair
        for file, array in zip(pair, (images, labels), strict=True):
            content[f"{file.name}.gz"] = gzip.compress(idx_bytes(array))
    monkeypatch.setattr(fashion_mnist, "FILES", files)
    return content


def fill(folder: Path, content: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, body in content.items():
        (folder / name).write_bytes(body)
    return folder


def test_places_are_tried_in_order(tmp_path: Path, tiny_set: dict[str, bytes]) -> None:
    configured, cache, installed = (fill(tmp_path / name, tiny_set) for name in ("own", "cache", "deb"))
    assert locate(configured, cache=cache, installed=installed) == configured
    assert locate(None, cache=cache, installed=installed) == cache
    (cache / "t10k-labels-idx1-ubyte.gz").unlink()
    assert locate(None, cache=cache, installed=installed) == installed
    assert locate(tmp_path / "typo", cache=cache, installed=installed) == installed


def test_plain_files_do_as_well_as_gzipped_ones(tmp_path: Path, tiny_set: dict[str, bytes]) -> None:
    plain = {name.removesuffix(".gz"): gzip.decompress(body) for name, body in tiny_set.items()}
    folder = fill(tmp_path / "plain", plain)
    assert locate(folder, cache=tmp_path / "cache", installed=tmp_path / "deb") == folder
    assert len(fashion_mnist.load("test", folder)) == 3


def test_offline_the_error_names_three_ways_out(tmp_path: Path, tiny_set: dict[str, bytes]) -> None:
    with pytest.raises(DataError) as error:
        locate(None, cache=tmp_path / "c", installed=tmp_path / "d", addresses=CLOSED_PORT)
    message = str(error.value)
    for way in ("dataset-fashion-mnist", "data.folder", "go online", str(tmp_path / "c")):
        assert way in message
    assert "\n" not in message


def test_only_missing_files_are_downloaded(
    tmp_path: Path, tiny_set: dict[str, bytes], serve: Callable[..., Published]
) -> None:
    cache = fill(tmp_path / "cache", tiny_set)
    (cache / "t10k-labels-idx1-ubyte.gz").unlink()
    server = serve(tiny_set)
    assert locate(None, cache=cache, installed=tmp_path / "deb", addresses=(server.url,)) == cache
    assert server.asked == ["t10k-labels-idx1-ubyte.gz"]
    assert len(fashion_mnist.load("train", cache)) == 6
    assert locate(None, cache=cache, installed=tmp_path / "deb", addresses=()) == cache


def test_a_configured_folder_is_where_downloads_go(
    tmp_path: Path, tiny_set: dict[str, bytes], serve: Callable[..., Published]
) -> None:
    folder = tmp_path / "new" / "folder"
    server = serve(tiny_set)
    place = locate(folder, cache=tmp_path / "c", installed=tmp_path / "d", addresses=(server.url,))
    assert place == folder
    assert sorted(path.name for path in folder.iterdir()) == sorted(tiny_set)


@pytest.mark.parametrize(
    ("base", "expected"),
    [("/some/cache", "/some/cache"), ("", "HOME/.cache"), ("relative/ignored", "HOME/.cache")],
)
def test_the_cache_follows_the_xdg_rules(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, base: str, expected: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", base)
    monkeypatch.setenv("HOME", str(tmp_path))
    root = Path(expected.replace("HOME", str(tmp_path)))
    assert fashion_mnist.cache_folder() == root / "shelfwise" / "fashion-mnist"
