"""Catalogues: every row becomes a product or a named error, in every format and encoding."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn import KINDS, draw_catalog, draw_garment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shelfwise.config import CatalogConfig, ColumnMap
from shelfwise.data.catalog import ReadCount, image_root_of, read_catalog, read_pictures, resolve
from shelfwise.data.delimited import column_names
from shelfwise.data.picture_files import files_digest
from shelfwise.errors import DataError
from shelfwise.schema import Product, RowError, RowWarning

PLAIN = ColumnMap(id="id", title="title", labels={"category": "category"}, images=("image",))


def products(items: list[object]) -> list[Product]:
    return [item for item in items if isinstance(item, Product)]


def errors(items: list[object]) -> list[tuple[int, str]]:
    return [(item.row, item.kind) for item in items if isinstance(item, RowError)]


def warned(items: list[object]) -> list[tuple[int, str]]:
    return [(item.row, item.kind) for item in items if isinstance(item, RowWarning)]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., list[object]]:
    """Write bytes to a file and read them as a catalogue with an id and a title."""

    def run(content: bytes | str, name: str = "shop.csv", **options: object) -> list[object]:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        settings_ = {"columns": ColumnMap(id="id", title="title"), **options}
        return list(read_catalog(CatalogConfig(source=str(path), **settings_)))

    return run


def png(kind: str = "bag", seed: int = 1) -> bytes:
    buffer = io.BytesIO()
    draw_garment(kind, seed, 16).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_drawn_catalogue_is_read_whole(tmp_path: Path) -> None:
    config = CatalogConfig(source=str(draw_catalog(tmp_path, 8)), columns=PLAIN)
    found = products(list(read_catalog(config)))
    assert [product.id for product in found] == [f"p{i:04}" for i in range(8)]
    assert [product.labels["category"] for product in found] == [*KINDS, *KINDS]
    assert found[0].images[0].path == "images/p0000.png"
    pictures = list(read_pictures(config))
    assert [item.row for item in pictures] == list(range(2, 10))
    assert pictures[0].picture.pixels.shape == (64, 64, 3)


def test_the_same_rows_are_the_same_products_in_every_format(tmp_path: Path) -> None:
    rows = [
        {"id": f"a{i}", "title": f"Röd skjorta {i}", "category": "shirt", "image": None} for i in range(5)
    ]
    files = [tmp_path / name for name in ("a.csv", "b.tsv", "c.csv.gz", "d.jsonl", "e.jsonl.gz", "f.parquet")]
    for path in files:
        if path.suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(rows, pa.schema([(k, pa.string()) for k in rows[0]])), path)
            continue
        text = io.StringIO()
        if "jsonl" in path.name:
            text.write("".join(json.dumps(row) + "\n" for row in rows))
        else:
            writer = csv.DictWriter(text, rows[0], delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
        data = text.getvalue().encode()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    read = [list(read_catalog(CatalogConfig(source=str(path), columns=PLAIN))) for path in files]
    assert len(read[0]) == 5
    assert all(items == read[0] for items in read)


def test_bad_rows_are_named_and_reading_goes_on(read: Callable[..., list[object]]) -> None:
    items = read("id,title\n1,one\n,none\n1,again\n2,a,b\n3\n\n4,four\n")
    assert [product.id for product in products(items)] == ["1", "4"]
    assert errors(items) == [(3, "missing_id"), (4, "duplicate_id"), (5, "column_count"), (6, "column_count")]
    wrong = next(item for item in items if isinstance(item, RowError) and item.row == 5)
    assert str(wrong) == "row 5: row '2,a,b': expected 2 columns, got 3"


def test_row_numbers_count_records_not_lines(read: Callable[..., list[object]]) -> None:
    items = read('id,title\n1,"two\nlines, ""quoted"""\n\n,bad\n')
    assert products(items)[0].title == 'two lines, "quoted"'
    assert errors(items) == [(4, "missing_id")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_read(read: Callable[..., list[object]], end: str) -> None:
    assert [p.id for p in products(read(end.join(["id,title", "1,a", "2,b"])))] == ["1", "2"]


def test_a_quote_that_never_closes_costs_one_row(read: Callable[..., list[object]]) -> None:
    items = read('id,title\n1,a\n2,"b\n3,c\n4,d\n')
    assert [product.id for product in products(items)] == ["1", "3", "4"]
    assert errors(items) == [(3, "unclosed_quote")]


def test_an_unclosed_quote_in_a_long_file_costs_one_row_too(read: Callable[..., list[object]]) -> None:
    body = "".join(f"{i},{'x' * 100}\n" for i in range(3000))
    items = read('id,title\nbad,"open\n' + body)
    assert len(products(items)) == 3000
    assert errors(items) == [(2, "unclosed_quote")]


def test_two_unclosed_quotes_do_not_swallow_the_rows_between(read: Callable[..., list[object]]) -> None:
    items = read('id,title\n1,"a\n2,b\n3,c\n4,"d\n5,e\n6,"f ""x"" g"\n')
    assert [product.id for product in products(items)] == ["2", "3", "5", "6"]
    assert errors(items) == [(2, "unclosed_quote"), (5, "unclosed_quote")]


def test_a_sloppy_quote_inside_one_line_is_read_leniently(read: Callable[..., list[object]]) -> None:
    items = read('id,title\n1,"5" heels"\n2,7" heels\n')
    assert [product.title for product in products(items)] == ['5 heels"', '7" heels']


def test_a_cell_over_the_field_limit_is_one_bad_row(read: Callable[..., list[object]]) -> None:
    items = read(f"id,title\n1,{'x' * 140_000}\n2,b\n")
    assert errors(items) == [(2, "unreadable_row")]
    assert [product.id for product in products(items)] == ["2"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(read: Callable[..., list[object]], delimiter: str) -> None:
    rows = [["id", "title"], ["1", "a, b; c" if delimiter not in ",;" else "a b"], ["2", "c"]]
    items = read("\n".join(delimiter.join(row) for row in rows))
    assert [product.id for product in products(items)] == ["1", "2"]


def test_the_delimiter_can_be_given_and_is_checked(read: Callable[..., list[object]]) -> None:
    assert len(products(read("id#title\n1#a\n", delimiter="#"))) == 1
    with pytest.raises(DataError, match="one character"):
        read("id,title\n", delimiter="::")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "latin-1", "utf-16", "utf-16-be"])
def test_encodings_are_detected(read: Callable[..., list[object]], encoding: str) -> None:
    items = read("id,title\n1,Chloé blå\n2,plain\n".encode(encoding))
    assert [product.title for product in products(items)] == ["Chloé blå", "plain"]
    assert warned(items) == []


def test_mixed_encodings_are_repaired_and_counted(read: Callable[..., list[object]]) -> None:
    items = read("id,title\n1,café\n2,naïve\n".encode() + "3,Chloé\n".encode("cp1252"))
    assert [product.title for product in products(items)] == ["café", "naïve", "Chloé"]
    assert warned(items) == [(4, "mixed_encoding")]


def test_an_encoding_can_be_given_and_is_checked(read: Callable[..., list[object]]) -> None:
    assert products(read("id,title\n1,日本\n".encode("shift_jis"), encoding="shift_jis"))[0].title == "日本"
    for wrong in ("klingon", "hex", "undefined", "a\0b"):
        with pytest.raises(DataError, match="is not known"):
            read("id,title\n", encoding=wrong)


@pytest.mark.parametrize("name", ["utf16", "UTF-16", "utf_16_le", "U16", "utf32", "UTF-32-BE"])
def test_wide_encodings_are_known_by_any_name(read: Callable[..., list[object]], name: str) -> None:
    items = read("id,title\n1,Chloé 日本\n2,plain\n".encode(name), encoding=name)
    assert [product.title for product in products(items)] == ["Chloé 日本", "plain"]


@pytest.mark.parametrize("name", ["utf-8", "UTF-8", "utf8", "U8", "cp1252", "CP1252", "windows-1252"])
def test_stray_bytes_are_repaired_by_whatever_name(read: Callable[..., list[object]], name: str) -> None:
    stray = "cp1252" if "8" in name[:5] else "utf-8"
    items = read("id,title\n1,Zoë\n".encode(name) + "2,Chloé\n".encode(stray), encoding=name)
    assert [product.title for product in products(items)] == ["Zoë", "Chloé"]
    assert warned(items) == [(3, "mixed_encoding")]


def test_html_is_stripped_and_counted_by_column(read: Callable[..., list[object]]) -> None:
    columns = ColumnMap(id="id", title="title", description="text")
    items = read("id,title,text\n1,Red &amp; blue,<p>Soft</p><p>Warm</p>\n2,a,b\n", columns=columns)
    first = products(items)[0]
    assert (first.title, first.description) == ("Red & blue", "Soft Warm")
    assert [(w.row, w.column, w.kind, w.id) for w in items if isinstance(w, RowWarning)] == [
        (2, "title", "html", "1"),
        (2, "text", "html", "1"),
    ]


def test_values_lists_and_gaps_become_fields_and_labels(tmp_path: Path) -> None:
    rows = [
        {"id": 7.0, "size": ["S", "M"], "price": 9.5, "stock": 3, "tags": "a| b |", "kind": "", "on": True},
        {"id": 8.0, "size": None, "price": None, "stock": 2**60, "tags": None, "kind": "x", "on": None},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    columns = ColumnMap(
        id="id",
        labels={"kind": "kind", "size": "size", "tags": "tags"},
        fields={"price": "price", "stock": "stock", "size": "size", "tags": "tags", "on": "on"},
        multi_valued=("tags",),
    )
    first, second = read_catalog(CatalogConfig(source=str(tmp_path / "t.parquet"), columns=columns))
    assert isinstance(first, Product)
    assert isinstance(second, Product)
    assert first.id == "7"
    assert first.fields == {
        "price": 9.5, "stock": 3.0, "size": ("S", "M"), "tags": ("a", "b"), "on": "true",
    }  # fmt: skip
    assert first.labels == {"size": ("S", "M"), "tags": ("a", "b")}
    assert second.fields == {"price": None, "stock": str(2**60), "size": None, "tags": (), "on": None}
    assert second.labels == {"kind": "x"}


def test_pictures_come_as_paths_bytes_structs_lists_and_data_uris(tmp_path: Path) -> None:
    data = png()
    (tmp_path / "a b.png").write_bytes(data)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.png").write_bytes(data)
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table(
        {
            "id": ["1", "2", "3"],
            "raw": pa.array([data, None, None], pa.binary()),
            "hf": pa.array([None, {"bytes": data, "path": None}, {"bytes": None, "path": "a b.png"}], struct),
            "many": pa.array([["a b.png", "sub\\c.png"], None, []], pa.list_(pa.string())),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    columns = ColumnMap(id="id", images=("raw", "hf", "many"))
    config = CatalogConfig(source=str(tmp_path / "t.parquet"), columns=columns)
    assert [len(product.images) for product in products(list(read_catalog(config)))] == [3, 1, 1]
    count = ReadCount()
    list(count.watch(read_pictures(config)))
    assert (count.ok, dict(count.warnings)) == (3, {"other_pictures_unused": 1})

    uri = "data:image/png;base64," + base64.b64encode(data).decode()
    lines = [{"id": "1", "im": uri}, {"id": "2", "im": ["sub\\c.png"]}, {"id": "3", "im": "a b.png| x.png"}]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, lines)))
    config = CatalogConfig(source=str(tmp_path / "t.jsonl"), columns=ColumnMap(images=("im",)))
    count = ReadCount()
    list(count.watch(read_pictures(config)))
    assert (count.ok, count.failed) == (3, 0)


def test_bad_pictures_are_row_errors_with_their_row_and_reason(tmp_path: Path) -> None:
    path = draw_catalog(tmp_path, 8)
    images = tmp_path / "images"
    (images / "p0001.png").unlink()
    (images / "p0002.png").write_bytes((images / "p0002.png").read_bytes()[:200])
    (images / "p0003.png").write_text("<html>not found</html>")
    (images / "p0004.png").write_bytes(b"")
    draw_garment("bag", 1, (60, 7)).save(images / "p0005.png")
    with path.open("a", newline="") as file:
        csv.writer(file).writerows(
            [["u", "t", "bag", "red", "https://shop.example/a.jpg"], ["v", "t", "bag", "red", ""]]
        )
    count = ReadCount()
    items = list(count.watch(read_pictures(CatalogConfig(source=str(path), columns=PLAIN))))
    assert errors(items) == [
        (3, "picture_missing"),
        (4, "picture_truncated"),
        (5, "not_a_picture"),
        (6, "picture_empty"),
        (7, "picture_too_small"),
        (10, "picture_is_url"),
        (11, "picture_missing"),
    ]
    assert "image 'images/p0003.png': is an HTML page, not a picture" in str(items[3])
    assert (count.rows, count.ok, count.failed) == (10, 3, 7)
    assert str(count).startswith("10 rows in = 3 ok + 7 failed; errors: picture_missing 2, ")
    assert count.as_dict()["errors"]["picture_empty"] == 1


def test_the_first_usable_picture_is_taken_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "good.png").write_bytes(png())
    bad_uris = "data:image/png;base64,%%%", "data:image/png,abc"
    rows = [
        ("1", "gone.png|good.png|good.png"),
        ("2", "gone.png|none.png"),
        ("3", bad_uris[0]),
        ("4", bad_uris[1]),
    ]
    path = tmp_path / "t.csv"
    path.write_text("id,image\n" + "".join(f'{i},"{cell}"\n' for i, cell in rows))
    items = list(read_pictures(CatalogConfig(source=str(path), columns=ColumnMap(images=("image",)))))
    assert warned(items) == [(2, "picture_skipped"), (2, "other_pictures_unused")]
    assert errors(items) == [(3, "picture_missing"), (4, "picture_corrupt"), (5, "picture_corrupt")]


def test_a_picture_tree_has_paths_as_ids_and_folders_as_labels(tmp_path: Path) -> None:
    for name in ("shirt/b.png", "shirt/a.png", "bag/deep/c.PNG", "loose.jpg", ".hidden/d.png", "bag/.e.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(png())
    (tmp_path / "bag" / "notes.txt").write_text("no picture")
    config = resolve(str(tmp_path))
    found = products(list(read_catalog(config)))
    assert [(product.id, product.labels.get("label")) for product in found] == [
        ("loose.jpg", None),
        ("bag/deep/c.PNG", "deep"),
        ("shirt/a.png", "shirt"),
        ("shirt/b.png", "shirt"),
    ]
    assert config.target == "label"
    assert image_root_of(config) == tmp_path
    assert len(list(read_pictures(CatalogConfig(source=str(tmp_path))))) == 4


def test_a_picture_tree_may_have_names_of_any_bytes(tmp_path: Path) -> None:
    """Signs that join values in a cell, blanks, brackets, Latin-1, and what looks like the escape of that."""
    names = [
        b"x|y.png",
        b" a .png",
        b"[a, b].png",
        b"caf\xe9.png",
        b"caf\xe8.png",
        rb"caf\xe7.png",
        "ä.png".encode(),
    ]
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    for place, name in enumerate(names):
        (folder / os.fsdecode(name)).write_bytes(png(seed=place))
    config = resolve(str(tmp_path))
    read = list(read_pictures(config))
    assert [type(row).__name__ for row in read] == ["PicturedProduct"] * len(names)
    assert {row.product.id for row in read} == {
        *(rf"caf\xe9/{name}" for name in ("x|y.png", " a .png", "[a, b].png", "ä.png")),
        *(rf"caf\xe9/caf{byte}.png" for byte in (r"\x5cxe7", r"\xe8", r"\xe9")),
    }
    assert {row.product.labels["label"] for row in read} == {r"caf\xe9"}
    assert json.dumps([row.product.model_dump(mode="json") for row in read])
    assert len({row.picture.digest for row in read}) == len(names)
    digest = files_digest(config)
    (folder / os.fsdecode(names[3])).write_bytes(png(seed=len(names)) + b"more")
    assert files_digest(config) != digest


def test_a_folder_that_cannot_be_listed_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        list(read_catalog(CatalogConfig(source=str(tmp_path))))


def test_a_missing_column_is_named_with_the_likeliest_one(read: Callable[..., list[object]]) -> None:
    with pytest.raises(DataError) as caught:
        read("ID,productDisplayName\n1,a\n", columns=ColumnMap(id="id", title="displayname"))
    assert "no column 'id' (did you mean 'ID'?), 'displayname' (did you mean" in str(caught.value)
    assert str(caught.value).endswith("it has: ID, productDisplayName")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("none.csv", None, "not found"),
        ("empty.csv", b"", "is empty"),
        ("empty.jsonl", b"\n\n", "is empty"),
        ("odd.xlsx", b"PK", "expected a folder or a file ending in .csv"),
        ("bad.parquet", b"PAR1 nothing PAR1", "not a readable Parquet file"),
        ("t.parquet.gz", b"", "expected a folder or a file"),
        ("cut.csv.gz", gzip.compress(b"id,title\n1,a\n" * 9, mtime=0)[:-9], "damaged gzip file"),
        ("fake.csv.gz", b"id,title\n", "damaged gzip file"),
        ("header.csv", b'id,"title\n1,a\n', "line of column names cannot be read"),
    ],
)
def test_a_file_that_is_no_catalogue_is_one_clear_error(
    tmp_path: Path, name: str, content: bytes | None, why: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=why):
        list(read_catalog(CatalogConfig(source=str(tmp_path / name))))


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        list(read_catalog(CatalogConfig(source=str(tmp_path / "no" / "file.csv"))))
    with pytest.raises(DataError, match="is for task = 'pictures'"):
        list(read_catalog(CatalogConfig()))


def test_a_line_without_end_is_refused_before_memory_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shelfwise.data.lines._LONGEST_LINE", 1000)
    (tmp_path / "t.csv").write_text("id,title\n1," + "x" * 2000)
    with pytest.raises(DataError, match="a line is longer"):
        list(read_catalog(CatalogConfig(source=str(tmp_path / "t.csv"))))


def test_a_file_that_cannot_be_opened_is_a_data_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.csv").write_text("id\n1\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"cannot be read: .*Permission denied"):
        list(read_catalog(CatalogConfig(source=str(tmp_path / "t.csv"))))


def test_bad_lines_of_jsonl_are_named_by_line(read: Callable[..., list[object]]) -> None:
    deep = "[" * 100_000
    items = read(f'{{"id": 1, "title": "a"}}\n[1]\n{{broken\n\n{deep}\n{{"id": 2}}\n', "t.jsonl")
    assert [(product.id, product.title) for product in products(items)] == [("1", "a"), ("2", None)]
    assert errors(items) == [(2, "not_an_object"), (3, "not_json"), (5, "not_json")]


def test_a_key_that_few_lines_have_is_a_column(read: Callable[..., list[object]]) -> None:
    lines = [json.dumps({"id": i}) for i in range(300)]
    lines[210] = json.dumps({"id": "late", "title": "Hat", "other": 1})
    found = products(read("\n".join(lines), "t.jsonl"))
    assert len(found) == 300
    assert [(product.id, product.title) for product in found if product.title] == [("late", "Hat")]
    with pytest.raises(DataError, match=r"no column 'titel' \(did you mean 'title'\?\)"):
        read(
            "\n".join([*lines, '{"title": 1}']),
            "t.jsonl",
            columns=ColumnMap(id="id", title="titel", description="title"),
        )


def test_odd_json_values_become_text(read: Callable[..., list[object]]) -> None:
    items = read(
        '{"id": ["x", null, "y"], "title": {"en": "Hat"}}\n{"id": "\\ud800", "title": NaN}\n', "t.jsonl"
    )
    assert [(product.id, product.title) for product in products(items)] == [
        ("x, y", '{"en": "Hat"}'),
        ("?", None),
    ]


def test_a_gzip_file_damaged_far_inside_ends_with_a_clear_error(tmp_path: Path) -> None:
    """The rows before the damage are read."""
    noise = random.Random(0)
    rows = "".join(f"{i},{noise.randbytes(2_000).hex()}\n" for i in range(600))
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"id,title\n" + rows.encode(), 1)[:-100_000])
    found = 0
    with pytest.raises(DataError, match="damaged gzip file"):  # noqa: PT012
        for _ in read_catalog(CatalogConfig(source=str(path))):
            found += 1
    assert found > 300


def test_a_value_that_python_cannot_hold_costs_its_own_row(tmp_path: Path) -> None:
    table = pa.table({"id": ["1", "2", "3"], "added": pa.array([0, 10**15, None], pa.timestamp("ms"))})
    pq.write_table(table, tmp_path / "t.parquet")
    columns = ColumnMap(fields={"added": "added"})
    items = list(read_catalog(CatalogConfig(source=str(tmp_path / "t.parquet"), columns=columns)))
    assert [product.id for product in products(items)] == ["1", "3"]
    (error,) = [item for item in items if isinstance(item, RowError)]
    assert (error.row, error.column, error.kind) == (3, "added", "unreadable_row")
    assert str(error) == f"row 3: added '{10**15}': the value cannot be read: date value out of range"


def test_nanoseconds_are_read_without_pandas(tmp_path: Path) -> None:
    """In a process of its own, since this one may have given pandas to pyarrow already."""
    moment = 1_717_156_800_000_000_001
    table = pa.table(
        {
            "id": ["1"],
            "added": pa.array([moment], pa.timestamp("ns", "UTC")),
            "shown": pa.array([moment], pa.timestamp("ns")),
            "at": pa.array([3_600_000_000_001], pa.time64("ns")),
            "took": pa.array([1_500_000_001], pa.duration("ns")),
            "all": pa.array([[moment]], pa.list_(pa.timestamp("ns"))),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    code = """if True:
        import sys
        from pathlib import Path
        class Blocked:
            def find_spec(self, name, *_):
                if name.partition(".")[0] == "pandas":
                    raise ModuleNotFoundError(name)
        sys.meta_path.insert(0, Blocked())
        from shelfwise.config import CatalogConfig, ColumnMap
        from shelfwise.data.catalog import read_catalog
        names = ["added", "shown", "at", "took"]
        for more in ([], ["all"]):
            columns = ColumnMap(fields={name: name for name in names + more})
            (row,) = read_catalog(CatalogConfig(source=sys.argv[1], columns=columns))
            print(getattr(row, "kind", None) or "|".join(row.fields.values()))
    """
    run = [sys.executable, "-c", code, str(tmp_path / "t.parquet")]
    said = subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said == ["2024-05-31 12:00:00+00:00|2024-05-31 12:00:00|01:00:00|0:00:01.500000", "unreadable_row"]


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table([pa.array(["1"]), pa.array(["2"])], names=["id", "id"]), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="more than one column named 'id'"):
        list(read_catalog(CatalogConfig(source=str(tmp_path / "t.parquet"))))


def test_binary_ids_are_read_as_text(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"id": pa.array([b"a\xc3\xa9", b"\xff", None], pa.binary())}), tmp_path / "t.parquet"
    )
    items = list(read_catalog(CatalogConfig(source=str(tmp_path / "t.parquet"))))
    assert [product.id for product in products(items)] == ["aé", "\ufffd"]
    assert errors(items) == [(4, "missing_id")]


def test_rows_refused_before_their_picture_is_opened_stay_refused(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 4)
    with table.open("a") as file:
        file.write("p0000,again,bag,red,images/p0000.png\n")
    items = list(read_pictures(CatalogConfig(source=str(table), columns=PLAIN)))
    assert errors(items) == [(6, "duplicate_id")]


def test_a_damaged_row_group_costs_its_own_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    ids = [f"id-{random.Random(i).random()}" for i in range(3000)]
    pq.write_table(
        pa.table({"id": ids}), path, row_group_size=1000, compression="snappy", use_dictionary=False
    )
    data = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    data[start : start + 4000] = b"\xff" * 4000
    path.write_bytes(bytes(data))
    count = ReadCount()
    items = list(count.watch(read_catalog(CatalogConfig(source=str(path)))))
    assert (count.rows, count.ok, count.failed) == (3000, 2000, 1000)
    assert errors(items)[0] == (1002, "damaged_file")


def test_column_names_are_made_usable() -> None:
    assert column_names(["", " a  b ", "a b", "column_1"]) == ("column_1", "a b", "a b_2", "column_1_2")


def test_what_a_catalogue_on_the_command_line_means(tmp_path: Path) -> None:
    assert resolve("fashion-mnist") == CatalogConfig()
    table = draw_catalog(tmp_path, 12)
    guessed = resolve(str(table))
    assert (guessed.columns.id, guessed.columns.images, guessed.target) == ("id", ("image",), "category")
    config = tmp_path / "shop.toml"
    config.write_text('[data]\nsource = "products.csv"\ntarget = "category"\n')
    assert resolve(str(config)).source == str(table)
    with pytest.raises(DataError, match="not found"):
        resolve(str(tmp_path / "none.csv"))


KEEP_FIXTURE = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@KEEP_FIXTURE
@given(
    body=st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from([b'"', b"\n", b",", b"1,a\n", b"\r", "é,ü\n".encode(), b"\xe9,x\n", b"\x00"]),
        ),
        max_size=30,
    ).map(b"".join)
)
def test_no_csv_content_makes_the_reader_raise(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"id,title\n" + body)
    count = ReadCount()
    columns = ColumnMap(id="id", title="title")
    items = list(
        count.watch(
            read_catalog(CatalogConfig(source=str(path), columns=columns, encoding="utf-8", delimiter=","))
        )
    )
    rows = [item.row for item in items if isinstance(item, RowError)]
    assert count.rows == count.ok + count.failed == len(items) - count.warnings.total()
    assert rows == sorted(set(rows))


@KEEP_FIXTURE
@given(st.binary(max_size=300), st.sampled_from(["t.csv", "t.jsonl", "t.parquet", "t.csv.gz"]))
def test_arbitrary_files_are_read_or_a_data_error(tmp_path: Path, data: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    try:
        items = list(read_catalog(CatalogConfig(source=str(path))))
    except DataError:
        return
    assert all(isinstance(item, Product | RowError | RowWarning) for item in items)


json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["path", "bytes", "x"]), inner)
    ),
    max_leaves=6,
)


@KEEP_FIXTURE
@given(st.lists(st.dictionaries(st.sampled_from("abcde"), json_value), min_size=1, max_size=8))
def test_no_json_value_makes_the_reader_raise(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    path = tmp_path / "t.jsonl"
    every = dict.fromkeys("abcde")
    path.write_text("".join(json.dumps(row) + "\n" for row in [every, *rows]))
    columns = ColumnMap(
        id="a", title="b", images=("c",), labels={"d": "d"}, fields={"e": "e"}, multi_valued=("d", "e")
    )
    count = ReadCount()
    list(count.watch(read_pictures(CatalogConfig(source=str(path), columns=columns))))
    assert count.rows == len(rows) + 1


cell = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<&"), max_size=12)


@KEEP_FIXTURE
@given(st.lists(st.tuples(st.one_of(st.just(""), cell), cell, st.booleans()), max_size=20))
def test_rows_in_are_rows_ok_plus_rows_failed(tmp_path: Path, rows: list[tuple[str, str, bool]]) -> None:
    path = tmp_path / "t.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["id", "title"])
        writer.writerows([identity, title] + ["extra"] * odd for identity, title, odd in rows)
    count = ReadCount()
    columns = ColumnMap(id="id", title="title")
    items = list(count.watch(read_catalog(CatalogConfig(source=str(path), columns=columns, delimiter=","))))
    good = [identity.strip() for identity, _, odd in rows if identity.strip() and not odd]
    assert count.rows == len(rows)
    assert [product.id for product in products(items)] == list(dict.fromkeys(good))


def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    """Reading is a stream: after the first product, most of a large file has not been read."""
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps({"id": i, "title": "x" * 500}) + "\n" for i in range(2_000)))
    stream = read_catalog(CatalogConfig(source=str(path)))
    next(stream)
    path.write_text("")
    assert sum(1 for _ in stream) < 1_000
