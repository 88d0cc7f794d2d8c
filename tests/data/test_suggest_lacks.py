"""Tables that no training could learn from: no config is written, and what comes near is named."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from drawn import KINDS, draw_garment
from odd_tables import ROWS, Cells, inspected, kind, product, table

from shelfwise.errors import DataError


def refused(path: Path, *more: str) -> str:
    """Why nothing is written of a table."""
    result = inspected(path, *more)
    assert isinstance(result.exception, DataError)
    assert not path.with_suffix(".toml").exists()
    assert "column" in result.stdout, "what was found is shown all the same"
    return str(result.exception)


def test_a_code_is_the_id_and_no_title(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", lambda i: kind(i) | {"reference": f"AB-2024-{i:05}"})
    assert "neither pictures nor titles to learn from" in refused(path)


def test_a_value_that_occurs_once_makes_no_label(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", lambda i: product(i) | {"gender": "men" if i else "women"})
    assert "'gender' has one value only that recurs, 'men'" in refused(path)


def test_titles_without_labels_and_pictures_are_refused_with_what_comes_near(tmp_path: Path) -> None:
    assert "has titles, but no column that looks like labels" in refused(table(tmp_path / "a.csv", product))

    def row(i: int) -> Cells:
        near = {"grp": i % 4, "brand": f"b{i * 7 // 10}", "photo": f"https://shop.example/{i}.jpg"}
        return product(i) | near | {"type": "Shoe", "img": f"no{i}"}

    told = refused(table(tmp_path / "b.csv", row))
    assert "; 'type' has one value only, 'Shoe'; 'grp' has 4 whole numbers that recur" in told
    assert "'brand' has 56 different values in 80 cells: too few recur" in told
    assert "'photo' has addresses" in told
    assert "'img' has no names of picture files (.jpg, .png ...), but 'no0'" in told


def test_what_else_cannot_be_learned_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", lambda i: {"id": i, "image": f"{i}.png"}, pictures=True)
    assert "has pictures, but no column that looks like labels to learn, and no titles" in refused(path)
    path = table(tmp_path / "b.csv", lambda i: product(i) | kind(i))
    assert "no column of pictures to learn from" in refused(path, "--task", "pictures")
    assert "--task products writes a config" in refused(path, "--task", "pictures")
    path = table(tmp_path / "c.csv", lambda i: {"id": i, "n": i % 7, "m": i % 3})
    assert "neither pictures nor titles to learn from, and no column that looks like" in refused(path)
    (tmp_path / "tree").mkdir()
    draw_garment("bag", 1, 24).save(tmp_path / "tree" / "a.png")
    assert "a folder of its own" in refused(tmp_path / "tree")


def test_labels_that_tell_no_rows_apart_are_no_ids(tmp_path: Path) -> None:
    draw_garment("bag", 1, 24).save(tmp_path / "x.png")
    data = (tmp_path / "x.png").read_bytes()
    cells = {"image": [data] * ROWS, "label": [KINDS[i % 4] for i in range(ROWS)]}
    pq.write_table(pa.table(cells), tmp_path / "t.parquet")
    assert "no column that tells its rows apart: the best, 'label', has 4 values" in refused(
        tmp_path / "t.parquet", "--task", "pictures"
    )
