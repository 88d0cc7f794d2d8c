"""Cells with several values: parts of a text, and lists that a CSV file has as text."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from drawn import draw_garment
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.config import CatalogConfig, ColumnMap
from shelfwise.data.catalog import read_catalog, read_pictures
from shelfwise.data.cells import list_in, values_of
from shelfwise.data.product_pictures import PicturedProduct
from shelfwise.schema import Product


@pytest.mark.parametrize(
    ("cell", "values"),
    [
        ('["cotton", "wool"]', ("cotton", "wool")),
        ("['cotton', 'wool']", ("cotton", "wool")),
        ("  ['cotton']\n", ("cotton",)),
        ("['cotton' 'wool']", ("cotton", "wool")),
        ("['cotton'\n \"farmer's wool\"]", ("cotton", "farmer's wool")),
        ("[cotton, merino wool]", ("cotton", "merino wool")),
        ("[cotton]", ("cotton",)),
        ('["red, dark", "blue|grey"]', ("red, dark", "blue|grey")),
        ("[36, 37.5, 38.0]", ("36", "37.5", "38")),
        ("[36.  37.5]", ("36", "37.5")),
        ('["wool", null, ""]', ("wool",)),
        ("['wool', None]", ("wool",)),
        ("[['a', 'b'], ['c']]", ("a, b", "c")),
        ("[]", ()),
        ("[ ]", ()),
        (r"['pics\d.png']", (r"pics\d.png",)),
        ("cotton| wool", ("cotton", "wool")),
        ("[NEW] cotton|wool", ("[NEW] cotton", "wool")),
        ("[a]|[b]", ("[a]", "[b]")),
        ("['a', __import__('os')]", ("['a', __import__('os')]",)),
        ("[" * 5000 + "]" * 5000, ("[" * 5000 + "]" * 5000,)),
        ("[1" + "0" * 5000 + "]", ("1" + "0" * 5000,)),
    ],
)
def test_a_cell_of_several_values_is_taken_apart(cell: str, values: tuple[str, ...]) -> None:
    assert values_of(cell, "|", many=True) == values


def test_a_cell_of_one_value_stays_as_it_is() -> None:
    assert values_of('["cotton", "wool"]', "|", many=False) == ('["cotton", "wool"]',)


@given(st.lists(st.text(max_size=20), max_size=5))
def test_the_list_that_python_writes_is_read_back(values: list[str]) -> None:
    assert list_in(repr(values)) == values


@given(st.text(alphabet="[]'\"\\, ab1", max_size=30))
def test_any_text_is_a_list_or_none(text: str) -> None:
    found = list_in(text)
    assert found is None or isinstance(found, list)


@pytest.mark.parametrize(
    "form", ["['{0}.png', '{1}.png']", '["{0}.png", "{1}.png"]', "['{0}.png' '{1}.png']"]
)
def test_pictures_in_a_written_list_are_loaded(tmp_path: Path, form: str) -> None:
    with (tmp_path / "t.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "images", "materials"])
        for i in range(3):
            draw_garment("bag", i, 24).save(tmp_path / f"{i}.png")
            writer.writerow([i, form.format(i, (i + 1) % 3), '["wool", "linen"]'])
    columns = ColumnMap(
        images=("images",),
        labels={"materials": "materials"},
        fields={"materials": "materials"},
        multi_valued=("materials",),
    )
    config = CatalogConfig(source=str(tmp_path / "t.csv"), columns=columns)
    product = next(item for item in read_catalog(config) if isinstance(item, Product))
    assert [picture.path for picture in product.images] == ["0.png", "1.png"]
    assert product.labels["materials"] == product.fields["materials"] == ("wool", "linen")
    assert sum(isinstance(item, PicturedProduct) for item in read_pictures(config)) == 3
