"""`shelfwise predict` through the real command: tables, JSON lines, catalogues, and exit codes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from drawn import draw_catalog, draw_garment

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder to run in: two pictures, and one that is none."""
    draw_garment("shoe", 1, (120, 90)).save(tmp_path / "shoe.jpg")
    draw_garment("bag", 2, 60).convert("P").save(tmp_path / "bag[b].png")
    (tmp_path / "page.jpg").write_text("<html>")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def test_pictures_get_a_table(run: Run, tiny_bundle: Path) -> None:
    code, out, _ = run("predict", tiny_bundle, "shoe.jpg", "bag[b].png", "--top", 2, "--threads", 1)
    assert code == 0
    heading, *rows = out.splitlines()
    assert heading.split() == ["file", "answer", "probability", "then", "remarks"]
    assert rows[0].split()[:2] == ["shoe.jpg", "shoe"]
    assert rows[1].split()[:2] == ["bag[b].png", "bag"]
    assert "palette" in rows[1]
    assert all(row.count("%") == 2 for row in rows)


def test_pictures_get_json_lines(run: Run, tiny_bundle: Path) -> None:
    code, out, _ = run("predict", tiny_bundle, "shoe.jpg", "shoe.jpg", "--json", "--top", 1)
    assert code == 0
    first, second = map(json.loads, out.splitlines())
    assert first == second
    assert (first["id"], first["status"], first["label"]) == ("shoe.jpg", "ok", "shoe")
    assert first["top"] == [{"label": "shoe", "probability": first["probability"]}]


def test_a_picture_that_fails_is_in_the_table_and_in_the_exit_code(run: Run, tiny_bundle: Path) -> None:
    code, out, err = run("predict", tiny_bundle, "page.jpg", "shoe.jpg", "gone.jpg")
    assert code == 1
    assert err == "2 failed, more than --max-errors 0\n"
    rows = [row.split()[:2] for row in out.splitlines()[1:4]]
    assert rows == [["page.jpg", "failed"], ["shoe.jpg", "shoe"], ["gone.jpg", "failed"]]
    assert "an HTML page" in out
    assert run("predict", tiny_bundle, "page.jpg", "shoe.jpg", "gone.jpg", "--max-errors", 2)[0] == 0
    assert run("predict", tiny_bundle, "page.jpg", "gone.jpg", "--json", "--max-errors", 1)[0] == 1


@pytest.mark.parametrize("out", ["answers.csv", "answers.parquet"])
def test_a_catalogue_goes_to_a_file(run: Run, tiny_bundle: Path, pictures: Path, out: str) -> None:
    table = draw_catalog(pictures / "shop", 10)
    with table.open("a", encoding="utf-8") as file:
        file.write("p9999,Lost shirt,shirt,red,images/lost.png\n")
    code, said, _ = run("predict", tiny_bundle, table, "--out", out)
    assert code == 1
    assert said.splitlines()[0] == f"11 rows = 10 ok + 1 failed -> {out}"
    assert (pictures / out).exists()
    assert run("predict", tiny_bundle, table, "--out", out, "--max-errors", 1)[0] == 0


def test_a_folder_and_a_config_are_catalogues_too(run: Run, tiny_bundle: Path, pictures: Path) -> None:
    for kind in ("shoe", "bag"):
        (pictures / "tree" / kind).mkdir(parents=True)
        draw_garment(kind, 5, 40).save(pictures / "tree" / kind / "1.png")
    assert run("predict", tiny_bundle, "tree", "--out", "tree.csv")[0] == 0
    with (pictures / "tree.csv").open(newline="") as file:
        found = [(row["id"], row["status"]) for row in csv.DictReader(file)]
    assert found == [("bag/1.png", "ok"), ("shoe/1.png", "ok")]
    (pictures / "shop.json").write_text('{"data": {"source": "tree"}}')
    assert run("predict", tiny_bundle, "shop.json", "--out", "shop.csv")[0] == 0
    assert (pictures / "shop.csv").read_text() == (pictures / "tree.csv").read_text()


def test_what_a_user_can_mend_is_one_line_and_exit_code_2(
    run: Run, tiny_bundle: Path, pictures: Path
) -> None:
    draw_catalog(pictures, 4)
    for arguments, words in (
        (("nowhere", "shoe.jpg"), "bundle 'nowhere' not found"),
        ((tiny_bundle.parent, "shoe.jpg"), "did you mean"),
        ((tiny_bundle, "products.csv"), "'products.csv' is a catalogue: add --out"),
        ((tiny_bundle, "shoe.jpg", "page.jpg", "--out", "a.csv"), "--out goes with exactly one catalogue"),
        ((tiny_bundle, "products.csv", "--out", "a.xlsx"), "expected a .parquet or .csv file"),
        ((tiny_bundle, "nowhere.csv", "--out", "a.csv"), "nowhere.csv"),
        ((tiny_bundle, "products.csv", "--out", "products.csv"), "is the catalogue itself"),
    ):
        code, out, err = run("predict", *arguments)
        assert (code, out) == (2, "")
        assert words in err
        assert err.splitlines()[-1].startswith("shelfwise: ")
    assert not (pictures / "a.csv").exists()
