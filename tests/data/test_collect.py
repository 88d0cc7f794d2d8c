"""A catalogue as labelled arrays: bad rows are counted, families stay together, targets are checked."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import KINDS, draw_catalog, draw_garment, title_of
from PIL import Image

from shelfwise.config import Config, parse_config
from shelfwise.data.collect import label_of, load_catalog, target_of
from shelfwise.errors import ConfigError, DataError
from shelfwise.schema import Product

ROWS = 60


def config_of(table: Path, **data: Any) -> Config:
    columns = {"images": ["image"], "title": "title", "labels": {"kind": "category"}}
    return parse_config({"data": {"source": str(table), "columns": columns, **data}}, where="test")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn catalogue with planted twins of its first twelve rows, and bad rows.

    Twins a have the same title, b the same file, c nearly the same picture."""
    table = draw_catalog(tmp_path_factory.mktemp("shop"), ROWS)
    images = table.parent / "images"
    (images / "page.jpg").write_text("<html>")
    with table.open("a", encoding="utf-8") as file:
        for i in range(12):
            kind = KINDS[i % 4]
            draw_garment(kind, 9000 + i).save(images / f"a{i}.png")
            shutil.copy(images / f"p{i:04}.png", images / f"b{i}.png")
            pixels = np.asarray(Image.open(images / f"p{i:04}.png"))
            Image.fromarray(np.clip(pixels.astype(int) - 2, 0, 255).astype(np.uint8)).save(
                images / f"c{i}.png"
            )
            file.write(f"a{i},{title_of(kind, i)},{kind},red,images/a{i}.png\n")
            file.write(f"b{i},Same file {i},{kind},red,images/b{i}.png\n")
            file.write(f"c{i},Same look {i},{kind},red,images/c{i}.png\n")
        file.write("bad1,Lost,shirt,red,images/lost.png\n")
        file.write("bad2,Page,shirt,red,images/page.jpg\n")
        file.write("p0000,Twice,shirt,red,images/p0001.png\n")
        file.write("free,No label,,red,images/p0050.png\n")
    return table


def test_no_planted_family_straddles_two_parts(table: Path) -> None:
    found = load_catalog(config_of(table))
    part = {id: name for name, rows in found.parts.items() for id in rows.ids}
    family = {
        id: f
        for name, rows in found.parts.items()
        for id, f in zip(rows.ids, found.families[name], strict=True)
    }
    for i in range(12):
        twins = [f"p{i:04}", f"a{i}", f"b{i}", f"c{i}"]
        assert len({family[id] for id in twins}) == 1, twins
        assert len({part[id] for id in twins}) == 1, twins
    assert all(len(rows) for rows in found.parts.values())
    assert len(set(family.values())) > ROWS / 2


def test_rows_in_are_rows_ok_and_rows_failed(table: Path) -> None:
    found = load_catalog(config_of(table))
    assert (found.count.ok, found.count.failed) == (ROWS + 36 + 1, 3)
    assert sum(map(len, found.parts.values())) == found.count.ok
    assert [error.kind for error in found.errors] == ["picture_missing", "not_a_picture", "duplicate_id"]


def test_labels_are_the_sorted_values_and_a_missing_one_is_minus_one(table: Path) -> None:
    found = load_catalog(config_of(table))
    kinds = {
        id: rows.classes[label] if label >= 0 else None
        for rows in found.parts.values()
        for id, label in zip(rows.ids, rows.labels, strict=True)
    }
    assert next(iter(found.parts.values())).classes == tuple(sorted(KINDS))
    assert kinds["free"] is None
    assert [kinds[f"p{i:04}"] for i in range(4)] == list(KINDS)
    assert {rows.images.shape[1:] for rows in found.parts.values()} == {(28, 28, 1)}


def test_the_order_of_rows_moves_no_product(table: Path, tmp_path: Path) -> None:
    header, *lines = table.read_text(encoding="utf-8").splitlines()
    turned = table.parent / "turned.csv"
    unique = [line for line in lines if not line.startswith("p0000,Twice")]
    turned.write_text("\n".join([header, *reversed(unique)]) + "\n", encoding="utf-8")
    before, after = load_catalog(config_of(table)), load_catalog(config_of(turned))
    for part, rows in before.parts.items():
        assert sorted(rows.ids) == sorted(after.parts[part].ids)


def test_one_label_is_the_target_and_of_several_one_must_be_chosen(table: Path) -> None:
    assert target_of(config_of(table).data) == "kind"
    labels = {"kind": "category", "colour": "colour"}
    columns = {"images": ["image"], "labels": labels}
    two = config_of(table, columns=columns).data
    with pytest.raises(ConfigError, match=r"data\.target is not set; choose one of.*kind, colour"):
        target_of(two)
    assert target_of(config_of(table, columns=columns, target="colour").data) == "colour"
    with pytest.raises(ConfigError, match=r"data\.target is 'size', but the labels.*kind, colour"):
        load_catalog(config_of(table, columns=columns, target="size"))
    with pytest.raises(ConfigError, match=r"choose one of the labels in data\.columns: none"):
        target_of(config_of(table, columns={"images": ["image"]}).data)


def test_a_catalogue_without_a_usable_picture_is_an_error_with_its_count(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 3)
    for picture in (tmp_path / "images").iterdir():
        picture.unlink()
    with pytest.raises(DataError, match=r"no row with a usable picture: 3 rows in = 0 ok \+ 3 failed"):
        load_catalog(config_of(table))


def test_of_several_labels_the_first_one_counts() -> None:
    assert label_of(Product(id="1", labels={"kind": ("bag", "shoe")}), "kind") == "bag"
    assert label_of(Product(id="1", labels={"kind": "bag"}), "kind") == "bag"
    assert label_of(Product(id="1"), "kind") is None
