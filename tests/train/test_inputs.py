"""Training rows in memory and streamed from disk are the same rows, and train the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from drawn import draw_catalog
from safetensors.numpy import load_file

from shelfwise.config import Config, parse_config
from shelfwise.data.streamed import StreamedPictures
from shelfwise.errors import ConfigError, DataError, ErrorBudgetError
from shelfwise.train.inputs import fingerprint, load_inputs, make_loader
from shelfwise.train.run import train


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_catalog(tmp_path_factory.mktemp("shop"), 80)


@pytest.fixture(scope="module")
def packed_table(table: Path) -> Path:
    """The same catalogue as one Parquet file that holds the pictures' bytes."""
    rows = pl.read_csv(table)
    pictures = [(table.parent / name).read_bytes() for name in rows["image"]]
    path = table.with_name("products.parquet")
    rows.with_columns(pl.Series("image", pictures)).write_parquet(path)
    return path


def config_of(source: Path, loader: str, **settings: Any) -> Config:
    columns = {"images": ["image"], "title": "title", "labels": {"kind": "category"}}
    values = {
        "data": {"source": str(source), "columns": columns},
        "model": {"tower": "tiny", "widths": [8], "head_scale": 1.0},
        "augment": {"flip": "random", "pad": 1},
        "train": {"optimizer": "adamw", "epochs": 2, "batch_size": 16, "precision": "fp32", "loader": loader},
        "text": {"steps": 5, "batch_size": 8, "width": 8},
    }
    values["train"] |= settings
    return parse_config(values, where="test")


@pytest.mark.parametrize("kind", ["files", "bytes"])
def test_streamed_rows_are_those_in_memory(
    table: Path, packed_table: Path, tmp_path: Path, kind: str
) -> None:
    source = table if kind == "files" else packed_table
    memory = load_inputs(config_of(source, "memory"), tmp_path)
    streamed = load_inputs(config_of(source, "stream", workers=0), tmp_path)
    assert isinstance(streamed.train, StreamedPictures)
    everything = streamed.train.take(np.arange(len(streamed.train)))
    for ours, theirs in ((everything, memory.train), (streamed.validation, memory.validation)):
        assert ours.ids == theirs.ids
        assert ours.classes == theirs.classes
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        np.testing.assert_array_equal(ours.images, theirs.images)
    assert len(streamed.train.take(np.zeros(0, np.int64))) == 0


def test_both_loaders_train_the_same_weights(table: Path, tmp_path: Path) -> None:
    bundles = [
        train(config_of(table, loader, workers=workers), tmp_path / loader)
        for loader, workers in (("memory", 0), ("stream", 1))
    ]
    ours, theirs = (load_file(bundle.path / "model.safetensors") for bundle in bundles)
    for name in ours:
        assert ours[name].tobytes() == theirs[name].tobytes(), name


def test_a_stopped_run_may_go_on_with_other_workers_but_not_with_other_pictures(
    table: Path, tmp_path: Path
) -> None:
    config, other = (config_of(table, "stream", workers=n) for n in (0, 2))
    rows = load_inputs(config, tmp_path).train
    assert fingerprint(config, rows) == fingerprint(other, rows)
    fewer = draw_catalog(tmp_path / "fewer", 40)
    changed = load_inputs(config_of(fewer, "stream", workers=0), tmp_path).train
    assert fingerprint(config, rows)["data"] != fingerprint(config, changed)["data"]


def test_a_picture_that_is_gone_when_it_is_needed_is_named(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 40)
    rows = load_inputs(config_of(table, "stream", workers=0), tmp_path).train
    (tmp_path / "images" / f"{rows.ids[3]}.png").unlink()
    assert isinstance(rows, StreamedPictures)
    with pytest.raises(DataError, match=rf"picture of '{rows.ids[3]}' changed while training"):
        list(rows.chunks())
    loader = make_loader(config_of(table, "stream"), rows)
    assert sum(len(batch.rows) for batch in loader.batches(0)) < len(rows)


@pytest.mark.parametrize("loader", ["memory", "stream"])
def test_too_many_bad_rows_stop_training_before_it_begins(tmp_path: Path, loader: str) -> None:
    table = draw_catalog(tmp_path, 40)
    (tmp_path / "images" / "p0007.png").write_bytes(b"<html>")
    config = config_of(table, loader, workers=0)
    with pytest.raises(ErrorBudgetError, match="--max-errors 1"):
        load_inputs(config, tmp_path)
    inputs = load_inputs(config, tmp_path, max_errors=1)
    assert len(inputs.train) > 20


def test_one_class_is_nothing_to_learn(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 40)
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0], *(line for line in lines[1:] if ",bag," in line)]) + "\n")
    with pytest.raises(ConfigError, match="one class only"):
        load_inputs(config_of(table, "stream", workers=0), tmp_path)


def test_a_streamed_catalogue_leaves_no_half_file(tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("id,title,category,colour,image\n")
    with pytest.raises(DataError, match="no row with a usable picture"):
        load_inputs(config_of(empty, "stream"), tmp_path)
    assert not list(tmp_path.glob(".pictures*"))
