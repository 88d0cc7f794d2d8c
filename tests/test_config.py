"""Configurations: TOML and JSON alike, overrides on top, and every mistake named with its key and value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shelfwise.config import Config, load_config, load_run, parse_run, read_mapping
from shelfwise.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent
TOML = """
name = "shop"
[data]
source = "products.csv"
[data.columns]
images = ["front", "back"]
labels = { kind = "articleType" }
[model]
widths = [8, 16, 32]
[train]
lr = 0.05
clip = 1.5
balanced = true
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.toml"
    path.write_text(TOML, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.toml")), ids=lambda path: path.name)
def test_every_shipped_config_survives_being_kept_in_a_bundle(path: Path) -> None:
    config = load_run(path)
    assert parse_run(json.loads(config.model_dump_json()), where="bundle") == config


def test_toml_and_json_say_the_same(file: Path) -> None:
    values = read_mapping(file)
    other = file.with_suffix(".json")
    other.write_text(json.dumps(values))
    assert load_config(other) == load_config(file)
    assert load_config(file).data.columns.labels == {"kind": "articleType"}


def test_a_byte_order_mark_does_no_harm(file: Path) -> None:
    before = load_config(file)
    file.write_text(TOML, encoding="utf-8-sig")
    assert load_config(file) == before


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("train.lr=1e-3", "train", "lr", 1e-3),
        ("train.lr = 0.25", "train", "lr", 0.25),
        ("train.balanced=false", "train", "balanced", False),
        ("train.optimizer=sgd", "train", "optimizer", "sgd"),
        ('train.optimizer="sgd"', "train", "optimizer", "sgd"),
        ("model.widths=[1, 2, 3]", "model", "widths", (1, 2, 3)),
        ("augment.level=light", "augment", "level", "light"),
        ("text.align=false", "text", "align", False),
        ("data.source=a=b.csv", "data", "source", "a=b.csv"),
        ("data.folder=/data/somewhere", "data", "folder", Path("/data/somewhere")),
    ],
)
def test_an_override_goes_on_top(file: Path, override: str, section: str, key: str, value: Any) -> None:
    assert getattr(getattr(load_config(file, (override,)), section), key) == value


def test_overrides_apply_in_order_and_keep_their_neighbours(file: Path) -> None:
    config = load_config(file, ("train.lr=1", "train.lr=2", "name=other", "data.columns.title=headline"))
    assert (config.train.lr, config.name, config.data.columns.title) == (2, "other", "headline")
    assert config.train.clip == 1.5
    assert config.data.columns.images == ("front", "back")


@pytest.mark.parametrize("override", ["train.lr", "=3", "", "lr"])
def test_an_override_that_is_none_is_shown(file: Path, override: str) -> None:
    with pytest.raises(ConfigError, match="expected key=value, for example"):
        load_config(file, (override,))


def test_an_override_below_a_value_is_named(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"--set 'name\.first=x': 'name' is not a table"):
        load_config(file, ("name.first=x",))


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.lr=fast", ("train.lr", "'fast'")),
        ("train.lr=-1", ("train.lr", "-1")),
        ("train.learning_rate=1", ("train.learning_rate: is no setting",)),
        ("data.columns.idd=sku", ("data.columns.idd: is no setting; did you mean 'id'?",)),
        ("name=../elsewhere", ("name: must be printable",)),
        ("name=", ("name: must be printable",)),
        ("train.optimizer=lion", ("train.optimizer", "'lion'", "muon")),
        ("trane.lr=1", ("trane: is no setting; did you mean 'train'?",)),
        ("data.columns.labels=kind", ("data.columns.labels", "'kind'")),
        ("model.widths=[8]", ("model: model.widths", "one entry for each stage")),
        ("train.accumulate=3", ("train.batch_size must be a multiple of train.accumulate",)),
        ("train.patience=3", ("train.patience needs train.evaluate_every",)),
        ("preprocess.channels=4", ("preprocess.channels", "4")),
    ],
)
def test_a_wrong_value_is_one_line_with_key_and_value(
    file: Path, override: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(file, (override,))
    message = str(caught.value)
    assert message.startswith(f"config '{file}': ")
    assert len(message.splitlines()) == 1
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.yaml", b"name: x", r"expected a \.toml or \.json file"),
        ("a.toml", b"name = \n", r"a\.toml': .*line 1"),
        ("a.json", b'{"name": }', r"a\.json': .*line 1"),
        ("a.json", b"[]", "expected a table at the top"),
        ("a.json", b"[" * 100_000, "nested too deeply"),
        ("a.toml", b"name = '\xff'", "cannot be read"),
    ],
)
def test_a_file_that_is_no_config_is_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        load_config(tmp_path / name)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml' not found"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "folder.toml")


def test_relative_paths_start_at_the_configs_own_folder(file: Path) -> None:
    assert load_config(file).data.source == "products.csv"
    (file.parent / "products.csv").write_text("id\n")
    assert load_config(file).data.source == str(file.parent / "products.csv")


def test_a_config_without_anything_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "empty.toml").write_text("")
    assert load_config(tmp_path / "empty.toml") == Config()


def test_a_table_in_a_configs_place_is_told_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a table needs one: shelfwise data inspect"):
        load_run(tmp_path / "reviews.csv")


PAIR = {"tower": "pretrained", "checkpoint": "a/clip"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"picture": {"tower": "pretrained"}}, "needs picture.checkpoint, a folder or a hub id"),
        ({"picture": PAIR, "preprocess": {"channels": 1}}, "needs preprocess.channels = 3"),
        ({"title": {"tower": "pretrained", "checkpoint": ""}}, "needs title.checkpoint"),
        ({"title": PAIR | {"tuning": "lora"}}, "title.tuning 'lora' needs train.optimizer = 'adamw'"),
        ({"fusion": {"kind": "dual"}, "title": PAIR}, "'pretrained', of one checkpoint"),
        (
            {"fusion": {"kind": "dual"}, "title": PAIR, "picture": PAIR | {"checkpoint": "b/clip"}},
            "'pretrained', of one checkpoint",
        ),
        ({"train": {"loader": "stream"}}, "train.loader 'stream' is not for products"),
        ({"train": {"epochs": 0}}, "only fusion.kind 'dual' answers without training"),
        ({"zero_shot": {"wise": 0.5}}, "zero_shot.wise needs fusion.kind 'dual'"),
        ({"zero_shot": {"wise": 1.5}}, "zero_shot: wise is 0 to 1 or 'auto', not 1.5"),
        (
            {
                "fusion": {"kind": "dual"},
                "title": PAIR,
                "picture": PAIR,
                "train": {"epochs": 0},
                "data": {"columns": {"labels": {"materials": "materials"}}},
                "targets": {"materials": {"labels": ["materials"], "several": True}},
            },
            "targets.materials has several values: it needs training",
        ),
    ],
)
def test_pretrained_towers_that_do_not_fit_are_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_run({"task": "products"} | values, where="shop")
    assert said in str(caught.value)


def test_a_path_of_templates_starts_at_the_configs_own_folder(tmp_path: Path) -> None:
    (tmp_path / "prompts.toml").write_text('default = ["{}"]')
    path = tmp_path / "shop.toml"
    path.write_text('task = "products"\n[zero_shot]\ntemplates = "prompts.toml"\n')
    assert load_run(path).zero_shot.templates == tmp_path / "prompts.toml"  # type: ignore[union-attr]
