"""Suggested products configs: a path, attributes, several values, what is not used; they load and train."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import pytest
from drawn import KINDS, colour_of, draw_catalog, draw_garment, title_of

from shelfwise.config import ProductsConfig, load_run
from shelfwise.data.inspect import inspect_file
from shelfwise.data.product_rows import load_products
from shelfwise.data.suggest import suggest
from shelfwise.data.suggest_products import is_products, suggest_products
from shelfwise.data.suggest_toml import suggestion_toml
from shelfwise.errors import DataError

DEPARTMENTS = {"shirt": "clothes", "trousers": "clothes", "shoe": "shoes & bags", "bag": "shoes & bags"}
TINY = (
    *("picture.stem=4", "picture.widths=[8]", "picture.depths=[1]", 'picture.downsample=["pool"]'),
    *("fusion.width=16", "title.width=16", "title.buckets=256", "train.epochs=1", "train.device=cpu"),
)


def shop_table(folder: Path, rows: int = 96, **columns: Any) -> Path:
    """A table as shops have it, with a path of two levels, lists, numbers, a leak and what is of no use."""
    (folder / "images").mkdir()
    table = folder / "shop.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = ("Tax Code", "Dept", "Type", "Colour", "Fabric", "Price", "Blurb", "Made in", "Photo")
        writer.writerow(["sku", "Name", *names])
        for i in range(rows):
            kind = KINDS[i % 4]
            draw_garment(kind, i, 24).save(folder / "images" / f"{i}.png")
            fabric = ("cotton|wool", "wool|linen", "linen", "cotton|linen|größer")[i // 4 % 4]
            known = (100 + i % 4, DEPARTMENTS[kind], kind, colour_of(i), fabric, 9 + i % 7 / 4)
            rest = (f"Piece {i} of many, each with words of its own " * 3, "EU", f"images/{i}.png")
            writer.writerow([f"s{i}", title_of(kind, i), *known, *rest])
    return table


def written(table: Path, *overrides: str) -> ProductsConfig:
    """The suggested config of a table, written beside it and loaded."""
    out = table.with_suffix(".toml")
    text = suggestion_toml(suggest_products(suggest(inspect_file(table))), folder=table.parent)
    out.write_text(text, encoding="utf-8")
    config = load_run(out, overrides)
    assert isinstance(config, ProductsConfig)
    return config


def test_a_path_attributes_and_several_values_are_told_apart(tmp_path: Path) -> None:
    table = shop_table(tmp_path)
    config = written(table)
    columns = config.data.columns
    assert (columns.id, columns.images, columns.title) == ("sku", ("Photo",), "Name")
    assert columns.description == "Blurb"
    assert list(config.targets) == ["category", "colour", "fabric"]
    assert config.targets["category"].labels == ("dept", "type")
    assert config.targets["fabric"].several
    assert columns.multi_valued == ("Fabric",)
    assert columns.fields == {"price": "Price"}
    assert config.table.fields == ()
    text = table.with_suffix(".toml").read_text()
    assert '# fields = ["price"]' in text
    assert "# Not used: Made in: one value only, 'EU'." in text
    assert "# Not used: Tax Code: tells Type: as an input it would give the answer away." in text


def test_every_guess_of_a_products_config_has_its_reason(tmp_path: Path) -> None:
    table = shop_table(tmp_path)
    written(table)
    whole = table.with_suffix(".toml").read_text().split("\n[augment]")[0].splitlines()
    settings = [line for line in whole if " = " in line and not line.startswith(("#", "source", "width"))]
    assert [line for line in settings if "  # guess: " not in line] == ['task = "products"', 'name = "shop"']


def test_the_written_config_trains_as_it_is(tmp_path: Path) -> None:
    from shelfwise.train.products import train_products

    bundle = train_products(written(shop_table(tmp_path), *TINY), tmp_path / "run")
    assert list(bundle.reading.targets) == ["category", "colour", "fabric"]
    assert bundle.reading.targets["category"].levels == ("dept", "type")
    assert ("größer",) in bundle.reading.targets["fabric"].paths
    assert bundle.reading.modalities == ("picture", "text")


@pytest.mark.parametrize("lacking", ["Photo", "words"])
def test_pictures_alone_and_texts_alone_are_learned_from(tmp_path: Path, lacking: str) -> None:
    from shelfwise.train.products import train_products

    table = shop_table(tmp_path)
    gone = ("Photo",) if lacking == "Photo" else ("Name", "Blurb")
    with table.open(newline="", encoding="utf-8") as file:
        rows = [{k: v for k, v in row.items() if k not in gone} for row in csv.DictReader(file)]
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    config = written(table, *TINY)
    assert config.fusion.kind == ("text" if lacking == "Photo" else "picture")
    bundle = train_products(config, tmp_path / "run")
    assert bundle.info["validation"] or bundle.info["rows"]["validation"] == 0


def test_pictures_with_one_label_and_what_has_none_are_no_products(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 40)
    assert is_products(suggest(inspect_file(table)))
    rows = [line.split(",") for line in table.read_text().splitlines()]
    table.write_text("\n".join(",".join([row[0], row[2], row[4]]) for row in rows))
    assert not is_products(suggest(inspect_file(table)))
    table.write_text("id,title\n1,Red shoe\n2,Blue shoe\n")
    plain = suggest(inspect_file(table))
    assert not is_products(plain)
    with pytest.raises(DataError, match="no column that looks like labels to learn"):
        suggest_products(plain)
    table.write_text("id,kind\n" + "".join(f"{i},k{i % 3}\n" for i in range(30)))
    with pytest.raises(DataError, match="neither pictures nor titles to learn from"):
        suggest_products(suggest(inspect_file(table)))
    assert not is_products(suggest(inspect_file(tmp_path / "images")))


def test_a_column_called_category_beside_a_path_keeps_its_name(tmp_path: Path) -> None:
    table = shop_table(tmp_path)
    table.write_text(table.read_text(encoding="utf-8").replace("Colour", "category", 1), encoding="utf-8")
    config = written(table)
    assert config.targets["type"].labels == ("dept", "type")
    assert config.targets["category"].labels == ("category",)


def test_two_columns_that_would_have_one_key_have_two(tmp_path: Path) -> None:
    table = shop_table(tmp_path)
    lines = table.read_text(encoding="utf-8").replace("Colour", "Base Colour", 1).splitlines()
    more = [f"{line},{('base_colour', 'dark', 'light')[i and 1 + i % 2]}" for i, line in enumerate(lines)]
    table.write_text("\n".join(more) + "\n", encoding="utf-8")
    config = written(table)
    labels = config.data.columns.labels
    assert (labels["base_colour"], labels["base_colour_2"]) == ("Base Colour", "base_colour")
    assert {"base_colour", "base_colour_2"} <= set(config.effective_targets)


def test_no_target_is_called_as_answers_call_something_else(tmp_path: Path) -> None:
    table = shop_table(tmp_path)
    table.write_text(table.read_text(encoding="utf-8").replace("Colour", "Vectors", 1), encoding="utf-8")
    config = written(table)
    assert config.data.columns.labels["vectors_2"] == "Vectors"
    assert "vectors_2" in config.effective_targets


def test_lists_joined_by_another_sign_than_the_pictures_are_left_out(tmp_path: Path) -> None:
    table = shop_table(tmp_path)
    text = table.read_text(encoding="utf-8").replace("|", ";")
    table.write_text(text.replace("images/", "images/0.png|images/"), encoding="utf-8")
    found = suggest_products(suggest(inspect_file(table)))
    assert found.data.columns.separator == "|"
    assert "fabric" not in found.targets
    assert found.unused["Fabric"].startswith("several values in a form")


@pytest.mark.parametrize("name", ["catalogue-224/products.csv", "catalogue-60x80/products.parquet"])
def test_a_real_catalogue_is_understood(tmp_path: Path, name: str) -> None:
    folder = os.environ.get("SHELFWISE_DATA")
    if not folder:
        pytest.skip("SHELFWISE_DATA is not set: no real data to look at")
    plain = suggest(inspect_file(Path(folder) / name))
    assert is_products(plain)
    out = tmp_path / "shop.toml"
    out.write_text(suggestion_toml(suggest_products(plain), folder=tmp_path), encoding="utf-8")
    config = load_run(out)
    assert isinstance(config, ProductsConfig)
    assert config.targets["category"].labels == ("master_category", "sub_category", "article_type")
    assert list(config.targets) == ["category", "gender", "base_colour", "season", "usage"]
    assert config.data.columns.fields == {"year": "year"}
    assert config.data.columns.title == "productDisplayName"


def test_a_table_shaped_like_a_real_catalogue_is_read_to_its_end(tmp_path: Path) -> None:
    table = shop_table(tmp_path)
    found = load_products(written(table))
    assert (found.count.ok, found.count.failed) == (96, 0)
    rows = found.parts["train"]
    assert isinstance(rows.labels["fabric"][0], tuple)


def test_pictures_and_titles_without_a_label_learn_from_each_other(tmp_path: Path) -> None:
    table = shop_table(tmp_path)
    kept = ("sku", "Name", "Blurb", "Photo", "Price")
    with table.open(newline="", encoding="utf-8") as file:
        rows = [{name: row[name] for name in kept} for row in csv.DictReader(file)]
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(kept))
        writer.writeheader()
        writer.writerows(rows)
    plain = suggest(inspect_file(table))
    assert is_products(plain)
    config = written(table)
    assert (config.effective_targets, config.fusion.kind, config.shared.loss) == ({}, "late", "infonce")
    text = table.with_suffix(".toml").read_text(encoding="utf-8")
    assert "# fields = { title = 0.7, description = 0.3 }" in text
    assert '# pairs = "price"' in text
    table.with_suffix(".toml").write_text(text.replace("# fields", "fields").replace("# pairs", "pairs"))
    weighted = load_run(table.with_suffix(".toml"))
    assert isinstance(weighted, ProductsConfig)
    assert weighted.shared.pairs == "price"


def test_a_description_that_a_small_shop_repeats_is_no_level_of_a_path(tmp_path: Path) -> None:
    table = shop_table(tmp_path)
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    texts = {kind: f"Our {kind} for every season, made to last." for kind in KINDS}
    for row in rows:
        row["Description"] = texts[row["Type"]]
        del row["Blurb"]
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    config = written(table)
    assert config.data.columns.description == "Description"
    assert "Description" not in config.data.columns.labels.values()
