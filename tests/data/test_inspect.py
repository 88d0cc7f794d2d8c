"""Inspection: kinds and roles of columns are guessed, and the written config reads the file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn import draw_catalog, draw_garment

from shelfwise.config import PreprocessConfig, load_config
from shelfwise.data.catalog import ReadCount, read_catalog, read_pictures, resolve
from shelfwise.data.inspect import inspect_file
from shelfwise.data.inspect_columns import Kind
from shelfwise.data.suggest import suggest_catalog
from shelfwise.data.suggest_toml import suggestion_toml
from shelfwise.errors import DataError


def written(table: Path, folder: Path) -> Path:
    """The suggested config of a table, written to a folder."""
    config = folder / "shop.toml"
    config.write_text(suggestion_toml(suggest_catalog(table), folder=folder), encoding="utf-8")
    return config


def test_the_written_config_loads_and_reads_a_drawn_catalogue(tmp_path: Path) -> None:
    config = load_config(written(draw_catalog(tmp_path, 40), tmp_path))
    assert config.data.columns.labels == {"category": "category", "colour": "colour"}
    assert (config.data.target, config.data.columns.title) == ("category", "title")
    assert (config.preprocess.height, config.preprocess.width, config.preprocess.channels) == (64, 64, 3)
    count = ReadCount()
    items = list(count.watch(read_pictures(config.data)))
    assert (count.ok, count.failed) == (40, 0)
    assert items[1].product.labels["category"] == "trousers"


def test_a_config_is_found_by_its_own_folder_and_not_by_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = written(draw_catalog(tmp_path, 8), tmp_path)
    assert 'source = "products.csv"' in config.read_text()
    monkeypatch.chdir("/")
    assert len(list(read_catalog(resolve(str(config))))) == 8


def test_every_guess_is_marked_with_its_reason(tmp_path: Path) -> None:
    lines = written(draw_catalog(tmp_path, 40), tmp_path).read_text().splitlines()
    settings = [line for line in lines if " = " in line and not line.startswith(("#", "source", "width"))]
    assert all("  # guess: " in line for line in settings)
    assert any(line.startswith("# Lines marked") for line in lines)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([None, "", " "], "empty"),
        (["a.jpg", "b/c.PNG", None], "picture"),
        (["a.jpg|b.jpg", "c.jpg;d.jpg", "e.webp"], "picture"),
        (["https://x.example/a.jpg", "http://y.example"], "address"),
        (["1", "2.5", "-3"], "number"),
        (["2024-01-31", "2024-02-01T10:00"], "date"),
        (["red", "red", "blue", "blue"], "category"),
        (["a long text about one thing", "another text about another"], "text"),
        (["wool|cotton", "cotton|silk", "silk|wool", "wool"], "list"),
        (["wool, cotton", "cotton, silk", "silk, wool", "wool"], "list"),
        (["19,90", "19,95", "29,90", "29,95"], "number"),
        (["1.299,00", "899,00", "99,5", "1 299"], "number"),
        (["19,90 €", "19,95 €", "29,90 €", "29,95 €"] * 2, "category"),
        (["$1,299.00", "$1,299.50", "$2,299.00", "$2,299.50"] * 2, "category"),
        (["1,234", "1,299", "2,234", "2,299"] * 2, "category"),
        (["36,37,38", "37,38,39", "36,37,39", "36,38,39"], "list"),
        (["36,5|37", "37|38", "36,5|38", "38,5|37"], "list"),
        (['["wool", "silk"]', '["wool"]', "[]"], "list"),
        ([["wool", "silk"], ["wool"], []], "list"),
        (["['a.jpg', 'b, c.png']", "['d.webp']"], "picture"),
        ([["a.jpg", "b, c.png"], ["d.webp"]], "picture"),
        (["['https://x.example/a.jpg']", "['https://x.example/b.jpg']"], "address"),
        (["[new]", "[old]", "[new]", "[old]"], "category"),
        (["[SALE] a coat for the winter", "[NEW] a coat for the summer"], "text"),
    ],
)
def test_kinds_of_columns(tmp_path: Path, values: list[Any], kind: Kind) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps({"id": i, "x": value}) + "\n" for i, value in enumerate(values)))
    assert inspect_file(path).column("x").kind == kind


def test_fill_rate_distinct_values_and_examples(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,x\n1,red\n2,red\n3,\n4," + "long " * 20 + "\n5,a,b\n")
    found = inspect_file(path)
    column = found.column("x")
    assert (found.rows, found.bad_rows, found.complete) == (5, 1, True)
    assert (column.fill_rate, column.distinct) == (0.75, 2)
    assert column.examples()[0] == "red"
    assert column.examples()[1].endswith("…")
    assert column.as_dict()["fill_rate"] == 0.75


def test_only_a_sample_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id\n" + "".join(f"{i}\n" for i in range(100)))
    found = inspect_file(path, sample=10)
    assert (found.rows, found.complete, len(found.cells)) == (10, False, 10)


def test_picture_bytes_and_structs_in_parquet_are_found(tmp_path: Path) -> None:
    images = []
    for i in range(6):
        draw_garment("shoe", i, (30, 40)).save(tmp_path / "x.png")
        images.append((tmp_path / "x.png").read_bytes())
    table = pa.table(
        {
            "sku": [f"s{i}" for i in range(6)],
            "raw": pa.array(images, pa.binary()),
            "hf": [{"bytes": data, "path": None} for data in images],
            "many": [[data, data] for data in images],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    suggestion = suggest_catalog(tmp_path / "t.parquet")
    assert suggestion.data.columns.id == "sku"
    assert suggestion.data.columns.images == ("raw", "hf", "many")
    assert suggestion.inspection.column("raw").examples() == ("6 encoded pictures",)
    assert (suggestion.preprocess.height, suggestion.preprocess.width) == (40, 32)


def test_the_image_root_is_found_and_written(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 8)
    table.write_text(table.read_text().replace("images/", ""))
    config = load_config(written(table, tmp_path))
    assert config.data.image_root == tmp_path / "images"
    count = ReadCount()
    list(count.watch(read_pictures(config.data)))
    assert count.ok == 8


def test_missing_pictures_are_noted(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 8)
    (tmp_path / "images" / "p0000.png").unlink()
    assert suggest_catalog(table).notes == ("1 of the first 8 pictures failed",)
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    suggestion = suggest_catalog(table)
    assert "set data.image_root" in suggestion.notes[0]
    assert "# Note: none of the first pictures" in suggestion_toml(suggestion, folder=tmp_path)


def test_ready_grey_pictures_keep_the_fashion_mnist_preparation(tmp_path: Path) -> None:
    for kind in ("bag", "shoe"):
        (tmp_path / kind).mkdir()
        draw_garment(kind, 1, 28).convert("L").save(tmp_path / kind / "a.png")
    suggestion = suggest_catalog(tmp_path)
    assert suggestion.preprocess == PreprocessConfig()
    assert suggestion.data.target == "label"
    config = load_config(written(tmp_path, tmp_path))
    assert sorted(product.id for product in read_catalog(config.data)) == ["bag/a.png", "shoe/a.png"]


def test_pictures_in_one_folder_have_no_label(tmp_path: Path) -> None:
    draw_garment("bag", 1, 32).save(tmp_path / "a.png")
    suggestion = suggest_catalog(tmp_path)
    assert (suggestion.data.target, suggestion.data.columns.labels) == (None, {})
    assert "one folder" in suggestion.notes[0]
    config = load_config(written(tmp_path, tmp_path))
    assert [product.labels for product in read_catalog(config.data)] == [{}]


def test_a_file_that_is_hardly_a_table_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("5 #### nice\n4 #### good, very\n5 #### well\n")
    assert suggest_catalog(path).notes[0] == "1 of the first 2 rows cannot be read: is it a table?"


def test_several_values_addresses_descriptions_and_dates_find_their_place(tmp_path: Path) -> None:
    rows = [
        {
            "Item": f"i{i}",
            "Blurb": f"word{i} " * 30,
            "Headline": f"A fine thing number {i}",
            "Colours": ["red|blue", "blue|green", "red"][i % 3],
            "Photo": f"https://shop.example/{i}.jpg",
            "Added": f"2024-01-{i % 28 + 1:02}",
            "Kind": ["a", "b"][i % 2],
            'Odd "name"\n': i,
        }
        for i in range(30)
    ]
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    suggestion = suggest_catalog(path)
    columns = suggestion.data.columns
    assert (columns.id, columns.title, columns.description) == ("Item", "Headline", "Blurb")
    assert (columns.multi_valued, columns.separator) == (("Colours",), "|")
    assert columns.images == ()
    assert "not fetched" in suggestion.notes[0]
    config = load_config(written(path, tmp_path))
    assert config.data.columns == columns
    assert config.data.target == "kind"
    first = next(iter(read_catalog(config.data)))
    assert first.fields["colours"] == ("red", "blue")
    assert first.fields["added"] == "2024-01-01"
    assert first.fields["odd_name"] == 0.0


def test_a_column_that_repeats_is_called_no_id(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,x\n1,a\n1,b\n2,b\n")
    suggestion = suggest_catalog(path)
    assert suggestion.reasons["data.columns.id"].startswith("NOT unique")
    assert "will be refused" in suggestion.notes[0]


def test_no_class_to_learn_is_said_in_the_config(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id\n1\n2\n")
    assert '# target = "..."' in written(path, tmp_path).read_text()
    path.write_text("id,a\n1\n")
    with pytest.raises(DataError, match="no rows that can be read"):
        inspect_file(path)


@pytest.mark.parametrize(
    ("name", "target", "title"),
    [
        ("catalogue-224/products.csv", "article_type", "productDisplayName"),
        ("catalogue-60x80/products.parquet", "article_type", "productDisplayName"),
        ("reviews/womens-clothing.csv", "class_name", "Title"),
    ],
)
def test_real_files_are_understood(tmp_path: Path, name: str, target: str, title: str) -> None:
    folder = os.environ.get("SHELFWISE_DATA")
    if not folder:
        pytest.skip("SHELFWISE_DATA is not set: no real data to look at")
    config = load_config(written(Path(folder) / name, tmp_path))
    assert (config.data.target, config.data.columns.title) == (target, title)
    count = ReadCount()
    for _, _ in zip(range(500), count.watch(read_catalog(config.data)), strict=False):
        pass
    assert count.failed == 0


def test_lines_of_nothing_are_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text("{}\n{}\n")
    with pytest.raises(DataError, match="has no columns"):
        suggest_catalog(tmp_path / "t.jsonl")


def test_a_few_repeated_ids_do_not_make_another_column_the_id(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 20)
    with table.open("a", encoding="utf-8") as file:
        file.write("p0000,Twice,shirt,red,images/p0001.png\n,Nameless,shirt,red,images/p0001.png\n")
    suggestion = suggest_catalog(table)
    assert suggestion.data.columns.id == "id"
    assert any("repeat or lack an id in 'id'" in note for note in suggestion.notes)
