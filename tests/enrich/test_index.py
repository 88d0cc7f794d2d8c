"""Indexing a catalogue: what changed is embedded, what failed is counted, what is missing may go."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from drawn import draw_catalog

from shelfwise.config import CatalogConfig, ColumnMap
from shelfwise.enrich import index as room
from shelfwise.enrich.duplicates import list_duplicates
from shelfwise.enrich.index import index_catalog, index_columns
from shelfwise.errors import DataError
from shelfwise.predict.embedder import Embedded, Embedder, open_embedder
from shelfwise.schema import Picture, Product
from shelfwise.schema.search import SearchRequest
from shelfwise.search.index import OpenedIndex

COLUMNS = ColumnMap(
    images=("image",), title="title", labels={"category": "category"}, fields={"colour": "colour"}
)


class Counting:
    """An embedder that says what it was asked for."""

    def __init__(self, inner: Embedder) -> None:
        self.inner, self.asked = inner, []  # type: ignore[var-annotated]
        self.bundle, self.dimension = inner.bundle, inner.dimension

    def embed(self, products: Sequence[Product], image_root: Path = Path()) -> list[Embedded]:
        self.asked += [product.id for product in products]
        return self.inner.embed(products, image_root)

    def ask(self, words: str | None, image: Picture | None, image_root: Path = Path()) -> Embedded:
        return self.inner.ask(words, image, image_root)


@pytest.fixture
def embedder(tiny_products_bundle: Path) -> Counting:
    return Counting(open_embedder(tiny_products_bundle))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return draw_catalog(tmp_path / "shop", 12, size=24)


def change(table: Path, edit: Any) -> None:
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rows = edit(rows)
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["id", "title", "category", "colour", "image"])
        writer.writeheader()
        writer.writerows(rows)


def test_only_what_changed_is_embedded_again(table: Path, tmp_path: Path, embedder: Counting) -> None:
    config, out = CatalogConfig(source=str(table), columns=COLUMNS), tmp_path / "index"
    counts, facts = index_catalog(embedder, config, out)
    assert (counts.rows, counts.embedded, counts.failed) == (12, 12, 0)
    assert facts.products == 12
    embedder.asked.clear()
    counts, again = index_catalog(embedder, config, out)
    assert (counts.embedded, counts.unchanged, embedder.asked) == (0, 12, [])
    assert again == facts

    def edit(rows: list[dict[str, str]]) -> list[dict[str, str]]:
        rows[2]["title"] = "Changed red bag"
        rows[3]["colour"] = "violet"
        return [*rows[:-2], {**rows[0], "id": "new"}]

    change(table, edit)
    picture = table.parent / "images" / "p0004.png"
    picture.write_bytes((table.parent / "images" / "p0005.png").read_bytes())
    counts, facts = index_catalog(embedder, config, out)
    assert embedder.asked == ["p0002", "p0003", "p0004", "new"]
    assert (counts.embedded, counts.unchanged, counts.kept, counts.deleted) == (4, 7, 2, 0)
    assert facts.products == 13
    counts, facts = index_catalog(embedder, config, out, delete_missing=True)
    assert (counts.deleted, counts.kept, facts.products) == (2, 0, 11)
    (hit,) = OpenedIndex.open(out).search(SearchRequest(filter='colour = "violet"')).hits
    assert (hit.id, hit.fields["category"]) == ("p0003", "bag")


def test_the_pictures_are_where_the_last_whole_catalogue_has_them(
    table: Path, tmp_path: Path, embedder: Counting
) -> None:
    out, other = tmp_path / "index", tmp_path / "moved"
    index_catalog(embedder, CatalogConfig(source=str(table), columns=COLUMNS), out)
    table.parent.rename(other)
    moved = CatalogConfig(source=str(other / table.name), columns=COLUMNS)
    counts, facts = index_catalog(embedder, moved, out)
    assert (counts.unchanged, facts.image_root) == (12, str(other))
    assert OpenedIndex.open(out).picture_of("p0003") == other / "images" / "p0003.png"
    elsewhere = draw_catalog(tmp_path / "elsewhere", 3, size=24)
    _, facts = index_catalog(embedder, CatalogConfig(source=str(elsewhere), columns=COLUMNS), out)
    assert facts.image_root is None  # nine products are still of the other folder


def test_rows_that_fail_are_counted_and_leave_what_was_there(
    table: Path, tmp_path: Path, embedder: Counting
) -> None:
    config, out = CatalogConfig(source=str(table), columns=COLUMNS), tmp_path / "index"
    index_catalog(embedder, config, out)

    def edit(rows: list[dict[str, str]]) -> list[dict[str, str]]:
        rows[1] |= {"title": "", "image": "images/gone.png"}
        return [*rows[:-1], rows[0]]

    change(table, edit)
    counts, facts = index_catalog(embedder, config, out, delete_missing=True)
    assert counts.rows == 12
    assert counts.kinds == {"picture_missing": 1, "duplicate_id": 1}
    assert (counts.failed, counts.deleted, facts.products) == (2, 1, 11)
    assert OpenedIndex.open(out).view.row_of("p0001") is not None


def test_nothing_is_deleted_while_a_row_cannot_say_who_it_is(
    table: Path, tmp_path: Path, embedder: Counting, caplog: pytest.LogCaptureFixture
) -> None:
    config, out = CatalogConfig(source=str(table), columns=COLUMNS), tmp_path / "index"
    index_catalog(embedder, config, out)
    change(table, lambda rows: [*rows[:-2], {**rows[-1], "id": ""}])
    counts, facts = index_catalog(embedder, config, out, delete_missing=True)
    assert (counts.deleted, counts.kept, facts.products) == (0, 2, 12)
    assert "nothing was deleted: 1 rows could not be read" in caplog.text


def test_commits_are_bounded(
    table: Path, tmp_path: Path, embedder: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "CHUNK", 2)
    monkeypatch.setattr(room, "COMMIT", 4)
    config = CatalogConfig(source=str(table), columns=COLUMNS)
    seen: list[int] = []
    _, facts = index_catalog(embedder, config, tmp_path / "i", watch=lambda counts: seen.append(counts.rows))
    assert seen == [2, 4, 6, 8, 10, 12, 12]
    assert facts.products == 12


def test_a_bare_table_has_every_column_as_a_field(table: Path, embedder: Counting) -> None:
    text = table.read_text(encoding="utf-8").splitlines()
    lines = [f"{text[0]},price", *(f"{line},{n}.5" for n, line in enumerate(text[1:]))]
    table.write_text("\n".join(lines), encoding="utf-8")
    found = index_columns(embedder.bundle, CatalogConfig(source=str(table))).columns
    assert (found.id, found.images, found.title) == ("id", ("image",), "title")
    assert found.labels == {"category": "category", "colour": "colour"}
    assert found.fields == {"price": "price"}
    other = table.with_name("other.csv")
    other.write_text("sku,name\n1,shoe\n", encoding="utf-8")
    config = CatalogConfig(source=str(other))
    assert index_columns(embedder.bundle, config) is config


def test_a_late_line_may_be_the_first_with_a_column(table: Path, embedder: Counting) -> None:
    late = table.with_name("late.jsonl")
    lines = [json.dumps({"id": str(n), "title": "shoe"}) for n in range(300)]
    late.write_text("\n".join([*lines, json.dumps({"id": "last", "image": "a.png"})]), encoding="utf-8")
    found = index_columns(embedder.bundle, CatalogConfig(source=str(late))).columns
    assert (found.images, found.title) == (("image",), "title")


def test_duplicates_are_listed_with_their_first(table: Path, tmp_path: Path, embedder: Counting) -> None:
    change(table, lambda rows: [*rows, {**rows[3], "id": "twin"}])
    config, out = CatalogConfig(source=str(table), columns=COLUMNS), tmp_path / "index"
    index_catalog(embedder, config, out)
    exact, _ = list_duplicates(out, tmp_path / "lists" / "twice.csv", near=1.0)
    assert exact == 1
    with (tmp_path / "lists" / "twice.csv").open(encoding="utf-8") as file:
        first = next(csv.DictReader(file))
    assert (first["kind"], first["id"], first["first"], first["cosine"]) == (
        "exact",
        "twin",
        "p0003",
        "1.000000",
    )
    with pytest.raises(DataError, match=r"expected a \.csv file"):
        list_duplicates(out, tmp_path / "twice.txt")
