"""Odd tables from shops: what is written of them loads, opens the catalogue and can be learned from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from drawn import KINDS, title_of
from odd_tables import DEPARTMENTS, MATERIALS, ROWS, Cells, german, inspected, kind, product, table

from shelfwise.config import ProductsConfig, load_config, load_run
from shelfwise.data.catalog import ReadCount, read_catalog, read_pictures
from shelfwise.data.product_rows import load_products
from shelfwise.train.product_inputs import load_product_inputs


def written(path: Path, *more: str) -> ProductsConfig:
    """The products config that is written of a table, loaded; a training would find all that it needs."""
    result = inspected(path, *more)
    assert result.exit_code == 0, result.exception
    config = load_run(path.with_suffix(".toml"))
    assert isinstance(config, ProductsConfig)
    fields = tuple(config.data.columns.fields)
    read = config.model_copy(update={"table": config.table.model_copy(update={"fields": fields})})
    inputs = load_product_inputs(read)  # refuses a catalogue with any bad row
    assert len(inputs.train) + len(inputs.validation) > 0.7 * ROWS
    assert all(len(classes) > 1 for classes in inputs.classes.values())
    return config


def test_decimal_commas_are_numbers_and_join_nothing(tmp_path: Path) -> None:
    config = written(table(tmp_path / "t.csv", german, delimiter=";"))
    columns = config.data.columns
    assert columns.multi_valued == ()
    assert {"preis": "preis", "groesse": "groesse"}.items() <= columns.fields.items()
    assert set(config.targets) == {"typ", "breite"}
    assert not any(target.several for target in config.targets.values())


def test_decimal_commas_train_as_numbers_of_their_field(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", german, delimiter=";")
    assert inspected(path).exit_code == 0
    text = path.with_suffix(".toml").read_text(encoding="utf-8")
    path.with_suffix(".toml").write_text(text.replace("# fields = ", "fields = "), encoding="utf-8")
    config = load_run(path.with_suffix(".toml"))
    assert isinstance(config, ProductsConfig)
    scales = load_product_inputs(config).scales
    assert 35 < scales["preis"].mean < 45
    assert 38 < scales["groesse"].mean < 39


def test_a_number_that_may_be_two_is_said(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", lambda i: product(i) | kind(i) | {"price": f"{1 + i % 9},{100 + i % 3}"})
    config = written(path)
    assert list(config.targets) == ["type"]
    assert config.data.columns.fields == {"price": "price"}
    assert "'price': '1,100' may be 1100 or 1.100" in inspected(path).stdout


@pytest.mark.parametrize(
    "form",
    [json.dumps, str, lambda values: f"[{' '.join(map(repr, values))}]", lambda v: f"[{', '.join(v)}]"],
)
def test_lists_written_out_are_several_values(tmp_path: Path, form: Callable[[list[str]], str]) -> None:
    def row(i: int) -> Cells:
        values = MATERIALS[i // 4 % 4]
        if "'" not in form(["a"]) and '"' not in form(["a"]):
            values = [value.replace("'", "") for value in values]
        return product(i) | kind(i) | {"materials": form(values)}

    path = table(tmp_path / "t.csv", row)
    config = written(path)
    assert config.targets["materials"].several
    assert config.data.columns.multi_valued == ("materials",)
    values = {v for item in read_catalog(config.data) for v in item.labels["materials"]}  # type: ignore[union-attr]
    assert {value.replace("'", "") for value in values} == {"cotton", "wool", "farmers linen", "silk"}
    text = path.with_suffix(".toml").read_text(encoding="utf-8")
    assert 'multi_valued = ["materials"]  # guess: cells hold several values as lists written out' in text
    assert 'materials = "materials"  # guess: 4 values that recur' in text


@pytest.mark.parametrize("form", [json.dumps, str])
def test_lists_of_pictures_are_pictures(tmp_path: Path, form: Callable[[list[str]], str]) -> None:
    def row(i: int) -> Cells:
        return product(i) | kind(i) | {"images": form([f"{i}.png", f"{(i + 1) % ROWS}.png"])}

    config = written(table(tmp_path / "t.csv", row, pictures=True))
    assert config.data.columns.images == ("images",)
    assert config.fusion.kind == "gated"
    assert load_products(config).parts["train"].counts.max() == 2


def test_long_lists_of_pictures_are_pictures(tmp_path: Path) -> None:
    def row(i: int) -> Cells:
        return product(i) | kind(i) | {"images": ";".join([f"{i}.png"] * 40)}

    config = written(table(tmp_path / "t.csv", row, pictures=True))
    assert (config.data.columns.images, config.data.columns.separator) == (("images",), ";")


def test_values_in_brackets_that_are_no_lists_stay_values(tmp_path: Path) -> None:
    config = written(table(tmp_path / "t.csv", lambda i: product(i) | {"type": f"[{KINDS[i % 4]}]"}))
    assert config.data.columns.multi_valued == ()
    assert next(iter(read_catalog(config.data))).labels == {"type": "[shirt]"}  # type: ignore[union-attr]


def test_names_with_line_breaks_and_signs_that_are_not_seen_do_no_harm(tmp_path: Path) -> None:
    def row(i: int) -> Cells:
        odd = {"Long\nName\r\x1b[31m": f"{i} of many", "uniq\nkey\x07": i * 1e9, 'Ki"nd\n\x7f': KINDS[i % 4]}
        return product(i) | odd | {"One\x00\u2028": "x", "a = 1\n[data]": f"2024-01-0{1 + i % 9}"}

    path = table(tmp_path / "t.jsonl", row)
    config = written(path)
    assert list(config.data.columns.labels.values()) == ['Ki"nd\n\x7f']
    text = path.with_suffix(".toml").read_text(encoding="utf-8")
    assert "# Not used: Long Name [31m: 80 different values, too many to recur." in text
    shown = inspected(path).stdout
    assert "Long Name [31m" in shown
    assert "\x1b" not in shown


def test_a_name_that_is_no_text_is_an_error_and_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    rows = [product(i) | {"type\ud800": KINDS[i % 4]} for i in range(ROWS)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "cannot be written" in str(inspected(path).exception)


def test_a_title_may_be_the_id_as_well(tmp_path: Path) -> None:
    path = table(tmp_path / "noid.csv", lambda i: kind(i) | {"title": title_of(KINDS[i % 4], i)})
    columns = written(path).data.columns
    assert (columns.id, columns.title) == ("title", "title")
    assert "id, title" in inspected(path).stdout
    path = table(tmp_path / "dups.csv", lambda i: product(i) | kind(i) | {"id": i if i % 3 else 0})
    columns = written(path).data.columns
    assert (columns.id, columns.title) == ("title", "title")
    assert "'id' repeats or lacks values: 'title' is taken for the id" in inspected(path).stdout
    path = table(tmp_path / "code.csv", lambda i: kind(i) | {"name": f"Coat {i}", "code": f"AB-{i:09}"})
    columns = written(path).data.columns
    assert (columns.id, columns.title) == ("name", "name")


def test_a_picture_may_be_the_id_as_well(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", lambda i: {"image": f"{i}.png", "label": KINDS[i % 4]}, pictures=True)
    assert "task:  pictures (the file looks like pictures and one label)" in inspected(path).stdout
    config = load_config(path.with_suffix(".toml"))
    columns = config.data.columns
    assert (columns.id, columns.images, config.data.target) == ("image", ("image",), "label")
    count = ReadCount()
    list(count.watch(read_pictures(config.data)))
    assert (count.ok, count.failed) == (ROWS, 0)


@pytest.mark.parametrize("name", ["category", "Category ID", "class_code", "type"])
def test_numbers_in_a_column_named_like_a_label_are_labels(tmp_path: Path, name: str) -> None:
    config = written(table(tmp_path / "t.csv", lambda i: product(i) | {name: i % 4, "year": 2020 + i % 3}))
    assert list(config.data.columns.labels.values()) == [name]
    assert config.data.columns.fields == {"year": "year"}


def test_numbers_that_say_a_label_over_again_are_none(tmp_path: Path) -> None:
    row = {"category": "wool"}
    path = table(tmp_path / "t.csv", lambda i: product(i) | row | kind(i) | {"type_id": 100 + i % 4})
    assert list(written(path).targets) == ["type"]


def test_a_path_alone_is_enough_to_learn(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", lambda i: product(i) | kind(i) | {"dept": DEPARTMENTS[KINDS[i % 4]]})
    assert written(path).targets["category"].labels == ("dept", "type")


def test_several_values_alone_are_enough_to_learn(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", lambda i: product(i) | {"materials": "|".join(MATERIALS[i // 4 % 4])})
    assert list(written(path).targets) == ["materials"]
