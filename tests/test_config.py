"""Configurations: TOML and JSON alike, overrides on top, and every mistake named with its key and value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shelfwise.config import (
    Config,
    ProductsConfig,
    changed,
    config_text,
    load_ablation,
    load_config,
    load_run,
    parse_run,
    read_mapping,
)
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
        ("train.seed=-1", ("train.seed", "-1")),
        ("train.learning_rate=1", ("train.learning_rate: is no setting",)),
        ("data.columns.idd=sku", ("data.columns.idd: is no setting; did you mean 'id'?",)),
        ("name=../elsewhere", ("name: must be printable",)),
        ("name=", ("name: must be printable",)),
        ("train.optimizer=lion", ("train.optimizer", "'lion'", "muon")),
        ("trane.lr=1", ("trane: is no setting; did you mean 'train'?",)),
        ("data.columns.labels=kind", ("data.columns.labels", "'kind'")),
        ("model.widths=[8]", ("model: widths, depths and downsample", "one entry for each stage")),
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
    ("values", "words"),
    [
        ({"data": {"columns": {"recommended": "liked"}}}, "needs a rating column to learn from"),
        ({"train": {"label_smoothing": 0.1}}, "train.label_smoothing is not for reviews"),
        ({"train": {"gradient_checkpointing": True}}, "train.gradient_checkpointing is not for reviews"),
        ({"train": {"loader": "stream"}}, "train.loader is not for reviews"),
    ],
)
def test_what_does_nothing_for_reviews_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_run({"task": "reviews", "data": {"columns": {"rating": "stars"}}} | values, where="shop.toml")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"task": "products", "fusion": {"kind": "bottleneck", "width": 30}},
            "fusion: fusion.width is 30, and fusion.kind 'bottleneck' shares it among 4 heads",
        ),
        (
            {"task": "products", "preprocess": {"height": 80, "width": 8}},
            "preprocess.height 80 and width 8 are too small for 3 stages",
        ),
        (
            {
                "preprocess": {"height": 8, "width": 9},
                "model": {"widths": [8] * 4, "depths": [1] * 4, "downsample": ["pool"] * 4},
            },
            "preprocess.height 8 and width 9 are too small for 4 stages",
        ),
    ],
)
def test_shapes_that_no_network_can_have_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_run(values, where="shop.toml")
    assert words in str(caught.value)


def test_the_smallest_pictures_that_stages_leave_something_of_are_taken() -> None:
    for side, stride in ((15, 2), (8, 1)):
        small = {"preprocess": {"height": side, "width": side}, "picture": {"stem_stride": stride}}
        parse_run({"task": "products", **small}, where="shop.toml")
    parse_run({"task": "products", "fusion": {"kind": "late", "width": 30}}, where="shop.toml")


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


def test_settings_on_a_config_are_named_by_dots_or_by_tables() -> None:
    config = load_run(ROOT / "configs" / "catalog.toml")
    dots = changed(config, {"fusion.kind": "late", "preprocess.height": 40}, where="here")
    tables = changed(config, {"fusion": {"kind": "late"}, "preprocess": {"height": 40}}, where="here")
    assert dots == tables
    assert isinstance(dots, ProductsConfig)
    assert (dots.fusion.kind, dots.preprocess.height, dots.preprocess.width) == ("late", 40, 60)
    coarse = changed(config, {"targets.category.coarse": 0.3}, where="here")
    assert isinstance(coarse, ProductsConfig)
    assert coarse.targets["category"].labels == ("master", "sub", "type")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("fusion.kindd", "config 'here': fusion.kindd: is no setting; did you mean 'kind'?"),
        ("targets.category.coarze", "targets.category.coarze: is no setting; did you mean 'coarse'?"),
        ("name.first", "config 'here': name.first: 'name' is not a table"),
        ("split.train_rows", "split.train_rows: Input should be a valid integer"),
    ],
)
def test_a_wrong_setting_on_a_config_is_named(key: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        changed(load_run(ROOT / "configs" / "catalog.toml"), {key: "x"}, where="here")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[groups.a]", r"expected the table \[ablate\] alone, found: groups"),
        ("", "found: nothing"),
        ("[ablate]\nseads = [1]", "seads: is no setting; did you mean 'seeds'"),
        ("[ablate]\nseeds = [1, 1]", "a seed stands twice"),
        ("[ablate]\nseeds = []", "seeds: Tuple should have at least 1 item"),
        ("[ablate.groups.baseline.a]", "'baseline' is the configuration as it is"),
        ('[ablate.groups.fusion."a/b"]', "'a/b' is a folder's name too"),
    ],
)
def test_a_file_of_switches_that_cannot_be_used_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "switches.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_ablation(path)


@pytest.mark.parametrize("suffix", [".toml", ".json"])
def test_a_config_that_is_written_says_the_same_elsewhere(file: Path, tmp_path: Path, suffix: str) -> None:
    (tmp_path / "products.csv").write_text("id\n")
    odd = {
        "name": 'Kaffee "süß"',
        "train.lr": 1e-7,
        "data.columns.labels": {"Größe, EU": "a.b", "kind": "x\x7fy"},
    }
    config = changed(load_run(file), odd, where="test")
    written = tmp_path / "elsewhere" / f"best{suffix}"
    written.parent.mkdir()
    written.write_text(config_text(config, suffix), encoding="utf-8")
    again = load_run(written)
    assert again == config.model_copy(update={"data": again.data})
    assert again.data.source == str(tmp_path / "products.csv")
    assert again.data.columns == config.data.columns


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.toml")), ids=lambda path: path.name)
def test_every_shipped_config_can_be_written(path: Path, tmp_path: Path) -> None:
    config = load_run(path)
    (tmp_path / "again.toml").write_text(config_text(config, ".toml"), encoding="utf-8")
    assert load_run(tmp_path / "again.toml").train == config.train


def test_a_value_that_toml_cannot_say_is_written_as_json(tmp_path: Path) -> None:
    values = {"task": "reviews", "data": {"columns": {"rating": "stars"}}, "train": {"clip": None}}
    config = parse_run(values, where="test")
    with pytest.raises(ValueError, match="null"):
        config_text(config, ".toml")
    (tmp_path / "again.json").write_text(config_text(config, ".json"))
    assert load_run(tmp_path / "again.json") == config


def test_defaults_that_a_task_presets_otherwise_are_written(tmp_path: Path) -> None:
    small = {"height": 28, "width": 28, "channels": 1, "fit": "fashion-mnist"}
    config = parse_run({"task": "products", "preprocess": small}, where="test")
    (tmp_path / "again.toml").write_text(config_text(config, ".toml"))
    assert load_run(tmp_path / "again.toml") == config


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
        ({"train": {"gradient_checkpointing": True}}, "train.gradient_checkpointing is for pictures alone"),
        ({"augment": {"mixup": 0.2}}, "augment.mixup is for pictures alone"),
        ({"picture": {"head_scale": 1.0}}, "picture.head_scale is for pictures alone"),
        ({"train": {"epochs": float("inf")}}, "finite number"),
        ({"targets": {"a": {"labels": ["type", "type"]}}}, "labels type, type: each level once"),
        ({"targets": {"a": {"labels": ["b"], "several": True, "coarse": 0.1}}}, "have no coarser levels"),
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
def test_what_products_cannot_have_is_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_run({"task": "products"} | values, where="shop")
    assert said in str(caught.value)


def test_a_pretrained_tower_needs_no_stages() -> None:
    picture = {"tower": "pretrained", "checkpoint": "a", "widths": [64], "depths": []}
    config = parse_run({"task": "products", "picture": picture}, where="shop")
    assert isinstance(config, ProductsConfig)
    assert config.picture.depths == ()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"shared": {"loss": "none"}},
            "nothing to learn: name labels in data.columns.labels, or set shared.loss",
        ),
        ({"fusion": {"kind": "text"}}, "fusion.kind 'text' has one of them: use 'late'"),
        ({"shared": {"category": 0.1}}, "shared.category needs a target"),
        (
            {"data": {"columns": {"fields": {"price": "price"}}}, "table": {"fields": ["price"]}},
            "table.fields learn from targets alone",
        ),
        ({"shared": {"fields": {"title": 1}}}, "shared.fields: 'title' needs data.columns.title"),
        ({"shared": {"fields": {"colour": 1}}}, "shared.fields.colour"),
        ({"shared": {"fields": {"title": 0}}}, "fields: title is 0, and weights are above 0"),
        (
            {"data": {"columns": {"fields": {"price": "price"}}}, "shared": {"pairs": "clicks"}},
            "shared.pairs: 'clicks' is none of data.columns.fields, which has: price",
        ),
    ],
)
def test_a_contrast_that_cannot_be_is_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_run({"task": "products"} | values, where="shop")
    assert said in str(caught.value)


def test_weights_of_fields_are_written_and_read(tmp_path: Path) -> None:
    columns = {"title": "name", "description": "text"}
    values = {"data": {"columns": columns}, "shared": {"fields": {"title": 0.7, "description": 0.3}}}
    config = parse_run({"task": "products"} | values, where="shop")
    (tmp_path / "again.toml").write_text(config_text(config, ".toml"))
    assert load_run(tmp_path / "again.toml") == config


def test_a_path_of_templates_starts_at_the_configs_own_folder(tmp_path: Path) -> None:
    (tmp_path / "prompts.toml").write_text('default = ["{}"]')
    path = tmp_path / "shop.toml"
    path.write_text('task = "products"\n[zero_shot]\ntemplates = "prompts.toml"\n')
    assert load_run(path).zero_shot.templates == tmp_path / "prompts.toml"  # type: ignore[union-attr]


def test_a_checkpoint_beside_the_config_is_meant_and_a_name_is_left_alone(tmp_path: Path) -> None:
    for folder in ("vit", "minilm"):
        (tmp_path / folder).mkdir()
    path = tmp_path / "shop.toml"
    tower = 'tower = "pretrained"\ncheckpoint = '
    path.write_text(f'task = "products"\n[picture]\n{tower}"vit"\n[title]\n{tower}"minilm"\n')
    config = load_run(path)
    assert isinstance(config, ProductsConfig)
    assert (config.picture.checkpoint, config.title.checkpoint) == (str(tmp_path / "vit"), "minilm")
    path.write_text(path.read_text().replace('"vit"', '"google/vit"'))
    config = load_run(path)
    assert isinstance(config, ProductsConfig)
    assert config.picture.checkpoint == "google/vit"


def test_a_checkpoint_is_written_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("vit", "minilm"):
        (tmp_path / folder).mkdir()
    towers = {"tower": "pretrained", "checkpoint": "vit"}, {"tower": "pretrained", "checkpoint": "minilm"}
    values = {"task": "products", "picture": towers[0], "title": towers[1]}
    written = json.loads(config_text(parse_run(values, where="test"), ".json"))
    assert written["picture"]["checkpoint"] == str(tmp_path / "vit")
    assert "checkpoint" not in written["title"]  # the default
