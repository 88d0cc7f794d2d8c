"""`shelfwise index` and `search` through the real command: what they print and refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from drawn import KINDS, draw_catalog, title_of

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Twenty drawn products with prices."""
    table = draw_catalog(tmp_path / "shop", 20, size=24)
    lines = table.read_text(encoding="utf-8").splitlines()
    table.write_text(
        "\n".join([f"{lines[0]},price", *(f"{line},{10 + n}.5" for n, line in enumerate(lines[1:]))]),
        encoding="utf-8",
    )
    return table


def test_a_table_is_indexed_and_searched(run: Run, table: Path, tiny_products_bundle: Path) -> None:
    code, out, err = run("index", tiny_products_bundle, table, "--out", "index")
    assert code == 0, err
    assert "20 rows = 20 ok (20 embedded, 0 unchanged) + 0 failed" in out
    assert "search is exact" in out
    code, out, _ = run("index", tiny_products_bundle, table, "--out", "index", "--duplicates", "twice.csv")
    assert "(0 embedded, 20 unchanged)" in out
    assert "near duplicates -> twice.csv" in out
    title = title_of(KINDS[3], 3)
    code, out, err = run(
        "search", "index", title, "--filter", "price < 20", "--facets", "colour,price", "--explain"
    )
    assert code == 0, err
    assert out.splitlines()[1].split()[:2] == ["1", "p0003"]
    assert "vector: rank 1" in out
    assert "10 products, by vector and words" in out
    assert "colour: " in out
    assert "price: " in out
    code, out, _ = run("search", "index", title, "--filter", "price < 20", "--json", "--limit", 2)
    page = json.loads(out)
    assert [len(page["hits"]), page["total"], page["next_offset"]] == [2, 10, 2]
    assert page["hits"][0]["id"] == "p0003"
    assert "".join(title[s["start"] : s["end"]] for s in page["hits"][0]["highlights"]) == title.replace(
        " ", ""
    )
    code, out, _ = run("search", "index", "--image", table.parent / "images" / "p0007.png", "--alpha", 1)
    assert code == 0
    code, out, _ = run("search", "index", "--like", "p0007", "--limit", 3)
    assert "19 products, by vector" in out
    assert "more: --offset 3" in out
    code, out, err = run("search", "index", "--like", "p0007", "--limit", 10, "--window", 6)
    assert (code, "more:" in out) == (0, False)
    assert "the ranking ends at 6 products; --window ranks more" in err


def test_a_bundle_that_learned_from_no_table_reads_one_as_it_is_guessed(
    run: Run, table: Path, tiny_bundle: Path
) -> None:
    code, out, err = run("index", tiny_bundle, table, "--out", "index")
    assert code == 0, err
    assert "20 rows = 20 ok (20 embedded, 0 unchanged) + 0 failed" in out
    code, out, _ = run("search", "index", title_of(KINDS[3], 3), "--alpha", 0, "--limit", 1, "--json")
    assert code == 0
    assert json.loads(out)["hits"][0]["image"].endswith("p0003.png")


def test_an_error_names_the_place_and_the_remedy(
    run: Run, table: Path, tiny_products_bundle: Path, tiny_bundle: Path
) -> None:
    assert run("index", tiny_products_bundle, table, "--out", "index")[0] == 0
    for arguments, why in (
        (
            ("index", "bag", "--filter", "prise < 5"),
            "filter, character 1: no field 'prise'; did you mean price?",
        ),
        (("index", "bag", "--filter", "price < 'a'"), "price holds numbers"),
        (("index", "--like", "nobody"), "no product 'nobody' in index 'index'"),
        (("index", "bag", "--offset", 500), "no page begins at offset 500: 200 products are ranked"),
        (("index", "bag", "--bundle", tiny_bundle), "do not compare"),
        (("nowhere", "bag"), "'nowhere' is no index"),
        (("index", "--image", "missing.png"), "the picture cannot be used"),
        (("index", "x" * 2_001), "at most 2,000"),
    ):
        code, _, err = run("search", *arguments)
        assert code == 2, arguments
        assert why in err
        assert len(err.splitlines()) == 1
    code, _, err = run("index", tiny_bundle, table, "--out", "index")
    assert code == 2
    assert "do not compare" in err


def test_a_field_that_is_nearly_all_numbers_is_told(
    run: Run, table: Path, tiny_products_bundle: Path
) -> None:
    text = table.read_text(encoding="utf-8")
    assert text.count(",15.5") == text.count(",18.5") == 1
    table.write_text(text.replace(",15.5", ",N/A").replace(",18.5", ",18 EUR"), encoding="utf-8")
    code, _, err = run("index", tiny_products_bundle, table, "--out", "index")
    assert code == 0
    said = "price is taken as text: 18 values are numbers, 1 not, the first '18 EUR' of product 'p0008'"
    assert said in err
    assert (
        said in run("index", tiny_products_bundle, table, "--out", "index")[2]
    )  # also where nothing changed
    table.write_text(text.replace(",15.5", ",N/A"), encoding="utf-8")
    assert "is taken as text" not in run("index", tiny_products_bundle, table, "--out", "index")[2]
    code, out, _ = run("search", "index", "--filter", "price < 20", "--json", "--limit", 20)
    assert (code, json.loads(out)["total"]) == (0, 9)


def test_a_picture_without_the_bundle_names_the_option(
    run: Run, table: Path, tiny_products_bundle: Path, tmp_path: Path
) -> None:
    assert run("index", tiny_products_bundle, table, "--out", "index")[0] == 0
    facts = tmp_path / "index" / "index.json"
    facts.write_text(facts.read_text().replace(str(tiny_products_bundle), "/nowhere/bundle"))
    code, _, err = run("search", "index", "--image", table.parent / "images" / "p0007.png")
    assert code == 2
    assert "is not at '/nowhere/bundle'; name it with --bundle" in err
    code, _, err = run("search", "index", "bag")
    assert (code, "words alone" in err) == (0, True)


def test_failed_rows_are_told_and_exceed_the_budget(
    run: Run, table: Path, tiny_products_bundle: Path
) -> None:
    with table.open("a", encoding="utf-8") as file:
        file.write("\np0001,again,,,,\nbad,,,,images/none.png,\n")
    code, out, err = run("index", tiny_products_bundle, table, "--out", "index")
    assert code == 1
    assert "22 rows = 20 ok (20 embedded, 0 unchanged) + 2 failed" in out
    assert "duplicate_id: 1" in out
    assert "picture_missing: 1" in out
    assert "2 failed, more than --max-errors 0" in err
    assert run("index", tiny_products_bundle, table, "--out", "index", "--max-errors", 2)[0] == 0
    code, out, _ = run("search", "index", "--limit", 1)
    assert "20 products" in out
