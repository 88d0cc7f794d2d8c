"""Cells: what an ablation will train, that it is checked first, and whose a cell is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from drawn import draw_catalog
from pyarrow import parquet
from small_products import products_config

from shelfwise.config import (
    AblateConfig,
    CatalogConfig,
    ColumnMap,
    ProductsConfig,
    ReviewsConfig,
    load_ablation,
    load_run,
)
from shelfwise.data.picture_files import files_digest
from shelfwise.errors import ConfigError, DataError
from shelfwise.tune.cells import AS_IS, BASELINE, Plan, plan

ROOT = Path(__file__).resolve().parent.parent.parent
FUSION = {"late": {"fusion.kind": "late"}, "gated": {"fusion.kind": "gated"}}


def planned(table: Path, groups: dict[str, Any] | None = None, **ablation: Any) -> Plan:
    found = AblateConfig(groups={"fusion": FUSION} if groups is None else groups, **ablation)
    return plan(products_config(table), found, where="shop.toml")


def test_a_switch_that_changes_nothing_is_the_baselines_cell(products_table: Path) -> None:
    found = planned(products_table)
    assert found.places["fusion", "gated"] == found.baseline
    assert [str(cell) for cell in found.cells] == [
        f"{name}, seed {seed}" for seed in (0, 1, 2) for name in (AS_IS, "fusion: late")
    ]
    assert found.cells[1].path(Path("out"), ".json") == Path("out/cells/fusion/late/seed-0.json")
    assert found.baseline[2].path(Path("out")) == Path(f"out/cells/{BASELINE}/{AS_IS}/seed-2")
    late = found.cells[1].config
    assert isinstance(late, ProductsConfig)
    assert (late.fusion.kind, late.train.seed, late.ablate) == ("late", 0, AblateConfig())


def test_settings_for_all_reach_every_cell(products_table: Path) -> None:
    found = planned(products_table, set={"train.epochs": 3}, seeds=(7,))
    assert [cell.config.train.epochs for cell in found.cells] == [3, 3]
    assert {cell.seed for cell in found.cells} == {7}


def test_one_group_alone_keeps_its_baseline_and_its_places(products_table: Path) -> None:
    groups = {"a": {"x": {"fusion.kind": "late"}}, "b": {"y": {"fusion.kind": "late"}}}
    ablation = AblateConfig(groups=groups, seeds=(0,))
    found = plan(products_config(products_table), ablation, where="shop.toml", only=["b"])
    assert found.groups == {"b": ["y"]}
    assert [cell.group for cell in found.cells] == [BASELINE, "a"]
    with pytest.raises(ConfigError, match="--only c: no such group; there are: a, b"):
        plan(products_config(products_table), ablation, where="shop.toml", only=["c"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"fusion.kind": "early"}, r"config 'shop.toml, ablate.groups.fusion.odd': fusion.kind: .*'early'"),
        ({"fusion.sort": 1}, r"ablate.groups.fusion.odd': fusion.sort: is no setting"),
        ({"train.seed": 9}, "train.seed: ablate.seeds has the seeds; take it out"),
        ({"ablate.seeds": [1]}, "ablate: a switch has no switches"),
        ({"task": "pictures"}, r"ablate.groups.fusion.odd'"),
    ],
)
def test_a_switch_that_cannot_be_is_named_before_anything_is_trained(
    products_table: Path, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        planned(products_table, {"fusion": {**FUSION, "odd": settings}})


def test_what_cannot_be_ablated_is_one_line(products_table: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no \[ablate.groups\] with switches"):
        planned(products_table, {})
    reviews = ReviewsConfig.model_validate({"data": {"columns": {"rating": "stars"}}})
    with pytest.raises(ConfigError, match="reviews cannot be ablated"):
        plan(reviews, AblateConfig(groups={"a": {"b": {"name": "c"}}}), where="reviews.toml")
    data = {"columns": {"images": ["image"], "title": "title"}, "source": str(products_table)}
    alone = products_config(products_table, data=data)
    with pytest.raises(ConfigError, match="no target has one value a product"):
        plan(alone, AblateConfig(groups={"fusion": FUSION}), where="shop.toml")
    with pytest.raises(DataError, match=r"none.csv' not found"):
        planned(tmp_path / "none.csv")


def test_a_fingerprint_is_of_what_figures_depend_on(products_table: Path, tmp_path: Path) -> None:
    def fingerprint(table: Path, **settings: Any) -> str:
        return planned(table, set=settings, seeds=(0,)).baseline[0].fingerprint

    own = fingerprint(products_table)
    free = {"train.threads": 1, "train.checkpoint_every": 9, "train.picture_memory_mb": 0, "name": "x"}
    assert fingerprint(products_table, **free) == own
    assert fingerprint(products_table, **{"train.lr": 0.5}) != own
    moved = tmp_path / "elsewhere.csv"
    moved.write_bytes(products_table.read_bytes())
    root = {"data.image_root": str(products_table.parent)}
    assert fingerprint(moved, **root) == own
    moved.write_bytes(products_table.read_bytes() + b"p9999,Alder,bag,red,\n")
    assert fingerprint(moved, **root) != own


def test_prompt_templates_count_by_their_content(products_table: Path, tmp_path: Path) -> None:
    found = []
    for name, said in (("a", "a {}."), ("b", "a {}."), ("b", "one {}.")):
        path = tmp_path / f"{name}.toml"
        path.write_text(f'default = ["{said}"]', encoding="utf-8")
        asked = {"zero_shot.templates": str(path)}
        found.append(planned(products_table, set=asked, seeds=(0,)).baseline[0].fingerprint)
    assert found[0] == found[1] != found[2]


def test_a_picture_file_that_changes_changes_the_fingerprint(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 4, size=24)
    first, *others = sorted((tmp_path / "images").iterdir())

    def fingerprint() -> str:
        return planned(table, seeds=(0,)).baseline[0].fingerprint

    found = [fingerprint()]
    assert fingerprint() == found[0]
    first.write_bytes(others[0].read_bytes())
    found.append(fingerprint())
    os.utime(others[0], ns=(0, 0))
    found.append(fingerprint())
    others[1].unlink()
    found.append(fingerprint())
    assert len(set(found)) == 4


def test_pictures_inside_the_table_are_the_tables_own_content(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"id": ["1"], "image": [b"a"], "path": ["a.png"]}), tmp_path / "a.parquet")
    columns = ColumnMap(images=("image",))
    config = CatalogConfig(source=str(tmp_path / "a.parquet"), columns=columns)
    assert files_digest(config) == ""
    named = columns.model_copy(update={"images": ("image", "path")})
    assert files_digest(config.model_copy(update={"columns": named})) != ""


def test_pictures_of_a_folder_are_looked_at_too(tmp_path: Path) -> None:
    draw_catalog(tmp_path, 2, size=24)
    found = files_digest(CatalogConfig(source=str(tmp_path)))
    os.utime(tmp_path / "images" / "p0001.png", ns=(0, 0))
    assert found != ""
    assert files_digest(CatalogConfig(source=str(tmp_path))) != found


def test_a_checkpoint_counts_by_its_name_wherever_it_lies(products_table: Path, tmp_path: Path) -> None:
    found = set()
    for place in ("a/vit", "b/vit", "b/clip"):
        (tmp_path / place).mkdir(parents=True)
        towers = {"picture.tower": "pretrained", "picture.checkpoint": str(tmp_path / place)}
        found.add(planned(products_table, set=towers, seeds=(0,)).baseline[0].fingerprint)
    assert len(found) == 2


@pytest.mark.parametrize(
    "path", sorted((ROOT / "configs" / "ablations").glob("*.toml")), ids=lambda p: p.name
)
def test_every_shipped_ablation_fits_its_configuration(path: Path, products_table: Path) -> None:
    shipped = ROOT / "configs" / f"{path.name.partition('.')[0]}.toml"
    config = load_run(shipped, (f"data.source={products_table}", "split.families="))
    assert isinstance(config, ProductsConfig)
    config = config.model_copy(update={"split": config.split.model_copy(update={"families": None})})
    found = plan(config, load_ablation(path), where=str(path))
    assert len(found.seeds) >= 3
    assert len(found.cells) < len(found.places) * len(found.seeds)
