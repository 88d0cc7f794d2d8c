"""ArtifactStore: what goes in comes out, damage is seen, and only data is ever read."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes

from shelfwise.errors import StoreError
from shelfwise.store import ArtifactStore

TABLE = pa.table({"id": ["a", "b", None], "score": [0.5, None, 1.0]})


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


def data_file(store: ArtifactStore, name: str) -> Path:
    return (store.root / name).parent / store.info(name).file


def flip_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@settings(max_examples=15, deadline=None)
@given(array=arrays(scalar_dtypes(), array_shapes(min_dims=0, min_side=0, max_side=4)))
def test_any_plain_array_comes_back_as_written(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray
) -> None:
    store = ArtifactStore(tmp_path_factory.mktemp("store"))
    store.write_array("x", array, producer="test")
    for back in (store.read_array("x"), store.map_array("x")):
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)


@settings(max_examples=10, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 5), min_size=1, max_size=6),
    row_shape=st.sampled_from([(), (3,), (2, 4)]),
    dtype=st.sampled_from(["float32", "uint8", "<M8[s]", "<U3", "bool"]),
)
def test_batches_appended_are_the_array_written_whole(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], row_shape: tuple[int, ...], dtype: str
) -> None:
    store = ArtifactStore(tmp_path_factory.mktemp("store"))
    rng = np.random.default_rng(0)
    batches = [rng.integers(0, 100, (rows, *row_shape)).astype(dtype) for rows in sizes]
    with store.array_writer("streamed", producer="test") as writer:
        for batch in batches:
            writer.append(batch)
    whole = store.write_array("whole", np.concatenate(batches), producer="test")
    assert store.info("streamed").sha256 == whole.sha256
    assert store.info("streamed").shape == (sum(sizes), *row_shape)


@settings(max_examples=15, deadline=None)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=10,
    )
)  # fmt: skip
def test_any_json_value_comes_back_as_written(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    store = ArtifactStore(tmp_path_factory.mktemp("store"))
    store.write_json("x", value, producer="test")
    assert store.read_json("x") == value


def test_tables_come_back_as_written_also_from_a_stream(store: ArtifactStore) -> None:
    store.write_table("t", TABLE, producer="test")
    assert store.read_table("t").equals(TABLE)
    stream = pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches(max_chunksize=1))
    store.write_table("streamed", stream, producer="test")
    assert store.read_table("streamed").equals(TABLE)
    frame = pl.DataFrame({"n": [1, 2]})
    store.write_table("polars", frame.to_arrow(), producer="test")
    assert pl.from_arrow(store.read_table("polars")).equals(frame)  # type: ignore[union-attr]


def test_an_empty_table_keeps_its_columns(store: ArtifactStore) -> None:
    store.write_table("t", TABLE.slice(0, 0), producer="test")
    assert store.read_table("t").schema == TABLE.schema


def test_provenance_is_kept(store: ArtifactStore) -> None:
    written = store.write_array("embeddings/train", np.zeros((3, 2), np.float32), producer="notebook 01")
    info = store.info("embeddings/train")
    assert info == written
    assert (info.kind, info.producer, info.dtype, info.shape) == ("array", "notebook 01", "float32", (3, 2))
    assert datetime.now(UTC) - info.created < timedelta(minutes=1)
    content = data_file(store, "embeddings/train").read_bytes()
    assert info.sha256 == hashlib.sha256(content).hexdigest()
    assert info.size == len(content)
    table, value = store.write_table("t", TABLE, producer="p"), store.write_json("j", [1, 2], producer="p")
    assert (table.dtype, table.shape) == ("id: string, score: double", (3, 2))
    assert (value.dtype, value.shape) == ("list", (2,))


def test_listing_is_by_name_and_finds_nested_ones(store: ArtifactStore) -> None:
    assert store.names() == []
    for name in ("b", "a/z", "a"):
        store.write_json(name, name, producer="test")
    assert store.names() == [artifact.name for artifact in store.artifacts()] == ["a", "a/z", "b"]
    assert "a/z" in store
    assert "z" not in store


def test_a_missing_artifact_is_named_with_what_there_is(store: ArtifactStore) -> None:
    store.write_json("here", 1, producer="test")
    with pytest.raises(StoreError, match=r"'gone' is not in the store .* holds here"):
        store.read_json("gone")


def test_overwriting_must_be_said(store: ArtifactStore) -> None:
    store.write_json("x", "old", producer="test")
    with pytest.raises(StoreError, match="exists already; say overwrite=True"):
        store.write_json("x", "new", producer="test")
    assert store.read_json("x") == "old"
    store.write_array("x", np.arange(3), producer="test", overwrite=True)
    assert store.read_array("x").tolist() == [0, 1, 2]
    assert len(list(store.root.glob("x.*"))) == 2  # data and metadata: nothing of the old one


def test_a_mapped_array_outlives_its_replacement(store: ArtifactStore) -> None:
    store.write_array("x", np.arange(5), producer="test")
    mapped = store.map_array("x")
    store.write_array("x", np.zeros(2), producer="test", overwrite=True)
    assert mapped.tolist() == [0, 1, 2, 3, 4]
    assert isinstance(mapped, np.memmap)
    assert not mapped.flags.writeable


def test_deleting_leaves_nothing_and_other_names_alone(store: ArtifactStore) -> None:
    for name in ("x", "x/y", "x-2"):
        store.write_json(name, 1, producer="test")
    store.delete("x")
    assert store.names() == ["x-2", "x/y"]
    assert list(store.root.glob("x.*")) == []
    with pytest.raises(StoreError, match="not in the store"):
        store.delete("x")


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/../b", "/etc/x", "a//b", "a/", "a.meta", "a b", "a\\b", "ä", "a\n", "x" * 101],
)
def test_names_cannot_leave_the_store(store: ArtifactStore, name: str) -> None:
    for use in (
        lambda: store.write_json(name, 1, producer="test"),
        lambda: store.read_json(name),
        lambda: store.delete(name),
        lambda: name in store,
    ):
        with pytest.raises(StoreError, match="artifact name"):
            use()


@pytest.mark.parametrize("array", [np.array([{}, None]), np.zeros(2, dtype=[("a", "O")])])
def test_python_objects_are_refused_in_arrays(store: ArtifactStore, array: np.ndarray) -> None:
    with pytest.raises(StoreError, match=r"arrays of Python objects .* are refused"):
        store.write_array("x", array, producer="test")
    with pytest.raises(StoreError, match="are refused"), store.array_writer("x", producer="test") as writer:
        writer.append(array)
    assert list(store.root.glob("*x*")) == []
    assert store.names() == []


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), [float("inf")], object(), b"bytes"])
def test_what_is_not_json_is_refused(store: ArtifactStore, value: Any) -> None:
    with pytest.raises(StoreError, match="not a JSON value"):
        store.write_json("x", value, producer="test")
    assert store.names() == []


class Trap:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_a_planted_pickle_is_never_run(store: ArtifactStore, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    store.write_array("x", np.arange(3), producer="test")
    np.save(tmp_path / "trap.npy", np.array([Trap(mark)], dtype=object), allow_pickle=True)
    plain = pickle.dumps(Trap(mark))
    for content in ((tmp_path / "trap.npy").read_bytes(), plain):
        path = data_file(store, "x")
        path.write_bytes(content)
        meta = store.root / "x.meta.json"
        described = json.loads(meta.read_text())
        described |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        meta.write_text(json.dumps(described))
        for read in (store.read_array, store.map_array):
            with pytest.raises(StoreError, match="no readable"):
                read("x")
    assert not mark.exists()


def test_a_changed_byte_is_found(store: ArtifactStore) -> None:
    store.write_array("x", np.arange(100), producer="test")
    store.write_json("fine", 1, producer="test")
    flip_last_byte(data_file(store, "x"))
    with pytest.raises(StoreError, match="'x' is damaged"):
        store.read_array("x")
    with pytest.raises(StoreError, match="'x' is damaged"):
        store.verify("x")
    assert list(store.damaged()) == ["x"]


def test_a_truncated_file_is_found_even_when_mapped(store: ArtifactStore) -> None:
    store.write_array("x", np.arange(100), producer="test")
    os.truncate(data_file(store, "x"), 500)
    with pytest.raises(StoreError, match="is damaged: 500 bytes, 928 were written"):
        store.map_array("x")


def test_a_lost_data_file_is_found(store: ArtifactStore) -> None:
    store.write_table("x", TABLE, producer="test")
    data_file(store, "x").unlink()
    assert "is missing" in store.damaged()["x"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"file": "../../secret.0123456789abcdef.json"}, "belongs to something else"),
        ({"name": "other"}, "belongs to something else"),
        ({"format": 2}, "damaged: format"),
        ({"surprise": 1}, "damaged: surprise"),
        (None, "is damaged"),
    ],
)
def test_damaged_metadata_is_named(store: ArtifactStore, change: dict[str, Any] | None, why: str) -> None:
    store.write_json("x", 1, producer="test")
    meta = store.root / "x.meta.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | change) if change else "{")
    with pytest.raises(StoreError, match=why):
        store.read_json("x")
    store.delete("x")
    assert "x" not in store


def test_the_kind_must_fit(store: ArtifactStore) -> None:
    store.write_json("x", 1, producer="test")
    with pytest.raises(StoreError, match="of kind json, not array"):
        store.read_array("x")
    with pytest.raises(StoreError, match="not table"):
        store.read_table("x")


def append_both(store: ArtifactStore, first: np.ndarray, second: np.ndarray) -> None:
    with store.array_writer("x", producer="test") as writer:
        writer.append(first)
        writer.append(second)


def test_batches_of_another_shape_or_type_are_refused(store: ArtifactStore) -> None:
    for second in (np.zeros((2, 4), np.float32), np.zeros((2, 3))):
        with pytest.raises(StoreError, match=r"after rows of float32 \(3,\)"):
            append_both(store, np.zeros((1, 3), np.float32), second)
    with pytest.raises(StoreError, match="no batch"), store.array_writer("x", producer="test"):
        pass
    assert store.names() == []
    assert [path.name for path in store.root.iterdir()] == []


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file where the store should be")
    with pytest.raises(StoreError, match="'x' cannot be written"):
        ArtifactStore(tmp_path / "occupied").write_json("x", 1, producer="test")


def test_a_full_disk_at_the_last_step_leaves_the_old(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_json("x", "old", producer="test")

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(StoreError, match="No space left on device"):
            store.write_json("x", "new", producer="test", overwrite=True)
    assert store.read_json("x") == "old"
    assert len(list(store.root.glob("*x*"))) == 2


def test_the_remains_of_killed_writers_are_swept(store: ArtifactStore) -> None:
    store.write_json("x", 1, producer="test")
    old, fresh = store.root / ".part-old", store.root / ".part-fresh"
    for part in (old, fresh):
        part.write_text("half")
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    orphan = store.root / "x.0123456789abcdef.json"
    orphan.write_text("never pointed at")
    store.write_json("x", 2, producer="test", overwrite=True)
    assert not old.exists()
    assert fresh.exists()
    assert not orphan.exists()


@pytest.mark.parametrize(
    "value", ["\ud800", {"a": ["\udfff"]}, {1: "a", "1": "b"}, {"a": [{None: 1}]}, ({True: 1},)]
)
def test_json_that_would_not_come_back_is_refused(store: ArtifactStore, value: Any) -> None:
    with pytest.raises(StoreError, match="not a JSON value"):
        store.write_json("x", value, producer="test")
    assert "x" not in store
