"""Catalogues for one model of pictures, text and table: what is kept of each row, and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import draw_catalog

from shelfwise.config import ProductsConfig
from shelfwise.data.product_rows import ProductRows, load_products, pictures_of
from shelfwise.errors import DataError

COLUMNS = {
    "title": "title",
    "images": ["image"],
    "labels": {"category": "category"},
    "fields": {"colour": "colour"},
}


def config(source: Path, **more: Any) -> ProductsConfig:
    return ProductsConfig.model_validate(
        {
            "task": "products",
            "data": {"source": str(source), "columns": COLUMNS | more.pop("columns", {})},
            "preprocess": {"height": 24, "width": 16, "channels": 3, "fit": "pad"},
            "table": {"fields": ["colour"]},
            **more,
        }
    )


def everything(source: Path, **more: Any) -> ProductRows:
    """All rows of a catalogue as one part."""
    split = {"buckets": 3, "test": [], "validation": []}
    return load_products(config(source, split=split, **more)).parts["train"]


def rewritten(table: Path, change: dict[str, dict[str, str]]) -> Path:
    """The same table with some cells changed, by id and column."""
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row | change.get(row["id"], {}) for row in rows)
    return table


def test_a_catalogue_becomes_arrays_dealt_by_family(tmp_path: Path) -> None:
    found = load_products(config(draw_catalog(tmp_path, 60)))
    assert found.count.ok == sum(map(len, found.parts.values())) == 60
    train = found.parts["train"]
    assert train.pool.shape == (60, 24, 16, 3)
    assert train.labels["category"][:2] == ("shirt", "trousers")
    assert train.fields["colour"][0] in ("red", "blue", "green", "black")
    assert "shirt" in train.titles[0]
    parts = [set(part.families) for part in found.parts.values()]
    assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]


def test_parts_share_their_pixels_and_taking_rows_keeps_each_ones_pictures(tmp_path: Path) -> None:
    rows = everything(draw_catalog(tmp_path, 12))
    some = rows.take(np.array([7, 2, 2]))
    assert some.pool is rows.pool
    assert some.ids == (rows.ids[7], rows.ids[2], rows.ids[2])
    assert some.places.tolist() == [rows.places[7], rows.places[2], rows.places[2]]
    assert len(rows.take(np.zeros(0, np.int64))) == 0


def test_several_pictures_are_kept_up_to_a_limit_and_none_will_do_where_there_is_a_title(
    tmp_path: Path,
) -> None:
    table = draw_catalog(tmp_path, 4)
    many = "|".join(f"images/p000{i}.png" for i in (0, 1, 2, 3))
    rewritten(table, {"p0000": {"image": many}, "p0001": {"image": ""}})
    found = load_products(
        config(table, picture={"most": 3}, split={"buckets": 3, "test": [], "validation": []})
    )
    rows = found.parts["train"]
    assert rows.counts.tolist() == [3, 0, 1, 1]
    assert found.count.warnings["other_pictures_unused"] == 1
    numbers, owner = pictures_of(rows.first, np.array([1, 2, 0]))
    assert numbers.tolist() == [3, 0, 1, 2]
    assert owner.tolist() == [1, 2, 2, 2]


def test_a_bad_picture_is_passed_over_where_something_else_is_known(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 4)
    (tmp_path / "images" / "p0001.png").write_bytes(b"no picture")
    (tmp_path / "images" / "p0002.png").unlink()
    rewritten(
        table,
        {"p0002": {"title": "", "colour": ""}, "p0003": dict.fromkeys(("title", "image", "colour"), "")},
    )
    found = load_products(config(table))
    assert (found.count.ok, found.count.failed) == (2, 2)
    assert found.count.warnings["picture_skipped"] == 1
    assert {error.kind for error in found.errors} == {"picture_missing", "nothing_known"}


def test_fields_alone_will_do_where_they_are_read(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 4)
    rewritten(table, {"p0003": {"title": "", "image": ""}})
    assert load_products(config(table, table={"fields": ["colour"]})).count.failed == 0
    rewritten(table, {"p0003": {"title": "", "image": "", "colour": ""}})
    (error,) = load_products(config(table, table={"fields": ["colour"]})).errors
    assert error.why == "the product has neither a picture nor a title, and none of the fields colour"


def test_a_field_of_several_values_that_has_none_tells_nothing(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 4)
    rewritten(table, {"p0003": dict.fromkeys(("title", "image", "colour"), "")})
    found = load_products(config(table, columns={"multi_valued": ["colour"]}))
    assert [error.kind for error in found.errors] == ["nothing_known"]


def test_fashion_mnist_is_no_catalogue_of_products() -> None:
    with pytest.raises(DataError, match=r"is for task = 'pictures'; name a catalogue in data\.source"):
        load_products(config(Path("fashion-mnist")))


def test_a_catalogue_without_a_usable_row_is_one_error(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 1)
    rewritten(table, {"p0000": dict.fromkeys(("title", "image", "colour"), "")})
    with pytest.raises(DataError, match="has no usable row"):
        load_products(config(table))


def test_families_that_the_shop_knows_are_taken_over(tmp_path: Path) -> None:
    table, families = draw_catalog(tmp_path, 6), tmp_path / "families.csv"
    families.write_text("id,family\np0000,a\np0003,a\n")
    split = {"buckets": 3, "test": [], "validation": [], "families": str(families)}
    rows = load_products(config(table, split=split)).parts["train"]
    assert rows.families == ("a", "p0001", "p0002", "a", "p0004", "p0005")
    families.write_text("id,group\np0000,a\n")
    with pytest.raises(DataError, match="has no column 'family'; expected a CSV of id and family"):
        load_products(config(table, split=split))


def test_a_product_without_a_family_in_the_shops_file_is_one_of_its_own(tmp_path: Path) -> None:
    table, families = draw_catalog(tmp_path, 6), tmp_path / "families.csv"
    families.write_text("id,family\n p0000 , a \np0001,\np0002,  \np0003,a\np0004\n")
    split = {"buckets": 3, "test": [], "validation": [], "families": str(families)}
    rows = load_products(config(table, split=split)).parts["train"]
    assert rows.families == ("a", "p0001", "p0002", "a", "p0004", "p0005")


def test_a_field_that_tells_the_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="it would tell the answer"):
        config(tmp_path, columns={"fields": {"colour": "category"}})
    with pytest.raises(ValueError, match=r"targets\.kind: 'kind' is no label"):
        config(tmp_path, targets={"kind": {"labels": ["kind"]}})
