"""`shelfwise reviews embed` through the real command: vectors, their rows, bad rows, and running it twice."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_checkpoints import save_small_checkpoint

from shelfwise import cli
from shelfwise.store import ArtifactStore

pytest.importorskip("transformers", reason="needs the extra 'text' (transformers)")

Run = Callable[..., tuple[int, str, str]]

ROWS = [
    ("d1", "Lovely", "The dress fits well and the fabric feels soft.", "5"),
    ("d1", "", "Too small in the shoulders, I sent it back.", "2"),
    ("d2", "Schön", "Größer als erwartet, aber schöne Farbe.", "4"),
    ("d3", "Faded", "The colour faded after one wash. " * 10, "1"),
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [text for _, _, text, _ in ROWS]
    return save_small_checkpoint(tmp_path_factory.mktemp("checkpoint") / "bert", "bert", texts)


@pytest.fixture
def reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write(tmp_path / "reviews.csv", ROWS)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process; exit code, stdout and stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["shelfwise", "reviews", "embed", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return call


def write(path: Path, rows: list[tuple[str, str, str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["product", "title", "text", "rating"])
        writer.writerows(rows)
    return path


def test_every_review_becomes_a_row(run: Run, reviews: Path, checkpoint: Path) -> None:
    code, out, err = run(reviews, "--encoder", checkpoint, "--out", "store", "--max-tokens", 32)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "4 reviews = 4 ok + 0 failed"
    assert "embeddings: 4 x 32 float32 in store" in out
    assert "1 reviews (25.0%) are longer than 32 tokens and were cut" in out
    store = ArtifactStore(Path("store"))
    assert store.names() == ["embeddings", "embeddings_recipe", "embeddings_rows", "embeddings_source"]
    assert store.read_array("embeddings").shape == (4, 32)
    table = store.read_table("embeddings_rows").to_pydict()
    assert table["product"] == ["d1", "d1", "d2", "d3"]
    assert len(set(table["id"])) == 4
    assert store.read_json("embeddings_recipe")["max_tokens"] == 32
    assert store.read_json("embeddings_source")["reviews"] == 4


def test_a_vector_is_that_of_headline_and_text(run: Run, reviews: Path, checkpoint: Path) -> None:
    from shelfwise.enrich.embed import embed_texts

    run(reviews, "--encoder", checkpoint, "--out", "store", "--normalize", "--pooling", "first")
    store = ArtifactStore(Path("store"))
    texts = [f"{title} . {' '.join(text.split())}" if title else text for _, title, text, _ in ROWS]
    embed_texts(texts, encoder=str(checkpoint), store=store, name="own", pooling="first", normalize=True)
    assert np.abs(store.read_array("embeddings") - store.read_array("own")).max() < 1e-5


def test_int8_goes_through_the_same_door(run: Run, reviews: Path, checkpoint: Path) -> None:
    common = (reviews, "--encoder", checkpoint, "--out", "store", "--threads", 1)
    assert run(*common)[0] == 0
    assert run(*common, "--precision", "int8", "--name", "small")[0] == 0
    store = ArtifactStore(Path("store"))
    one, other = store.read_array("embeddings"), store.read_array("small")
    cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert cosine.min() > 0.97
    assert store.read_json("small_recipe")["precision"] == "int8"


def test_a_row_that_cannot_be_read_is_counted_and_left_out(
    run: Run, tmp_path: Path, reviews: Path, checkpoint: Path
) -> None:
    columns = {"product": "product", "title": "title", "rating": "rating"}
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({"task": "reviews", "data": {"source": "broken.csv", "columns": columns}}))
    write(tmp_path / "broken.csv", [*ROWS[:2], ("d9", "?", "Seven stars.", "seven"), *ROWS[2:]])
    code, out, err = run(broken, "--encoder", checkpoint, "--out", "store")
    assert code == 1
    assert err == "1 failed, more than --max-errors 0\n"
    assert out.splitlines()[0] == "5 reviews = 4 ok + 1 failed"
    assert "the first: row 4: rating 'seven'" in out
    store = ArtifactStore(Path("store"))
    assert store.read_array("embeddings").shape == (4, 32)
    assert store.read_table("embeddings_rows")["product"].to_pylist() == ["d1", "d1", "d2", "d3"]
    source = store.read_json("embeddings_source")
    assert (source["reviews"], source["failed"], sum(source["kinds"].values())) == (5, 1, 1)
    again = (broken, "--encoder", checkpoint, "--out", "store", "--overwrite", "--max-errors", 1)
    assert run(*again)[0] == 0


def test_vectors_that_exist_are_replaced_only_when_it_is_said(
    run: Run, tmp_path: Path, reviews: Path, checkpoint: Path
) -> None:
    run(reviews, "--encoder", checkpoint, "--out", "store")
    fewer = write(tmp_path / "fewer.csv", ROWS[:2])
    code, out, err = run(fewer, "--encoder", checkpoint, "--out", "store")
    assert (code, out) == (2, "")
    assert "has an array 'embeddings' already" in err
    assert "--overwrite" in err
    store = ArtifactStore(Path("store"))
    assert store.read_table("embeddings_rows").num_rows == 4
    assert run(fewer, "--encoder", checkpoint, "--out", "store", "--overwrite")[0] == 0
    assert store.read_table("embeddings_rows").num_rows == 2
    assert store.read_array("embeddings").shape == (2, 32)


def test_a_file_without_reviews_gives_no_rows(
    run: Run, tmp_path: Path, reviews: Path, checkpoint: Path
) -> None:
    config = {"task": "reviews", "data": {"source": "none.csv", "columns": {"rating": "rating"}}}
    (tmp_path / "none.json").write_text(json.dumps(config))
    write(tmp_path / "none.csv", [])
    code, out, _ = run("none.json", "--encoder", checkpoint, "--out", "store")
    assert (code, out.splitlines()[0]) == (0, "0 reviews = 0 ok + 0 failed")
    assert ArtifactStore(Path("store")).read_table("embeddings_rows").num_rows == 0


def test_what_a_user_can_mend_is_one_line_and_exit_code_2(
    run: Run, tmp_path: Path, reviews: Path, checkpoint: Path
) -> None:
    small = ("--encoder", checkpoint)
    for arguments, words in (
        (("nowhere.csv", *small, "--out", "store"), "nowhere.csv"),
        ((reviews, "--encoder", "./nowhere", "--out", "store"), "'./nowhere' is not a folder"),
        ((reviews, *small, "--out", "store", "--name", "../up"), "artifact name '../up'"),
        ((reviews, *small, "--out", "store", "--max-tokens", 65), "this encoder reads 8 to 64 tokens"),
        ((reviews, *small, "--out", "reviews.csv/store"), "Not a directory"),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (2, ""), err
        assert words in err
        assert err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "store") == ["reviews.csv"]


@pytest.mark.skipif(
    "SHELFWISE_DATA" not in os.environ, reason="needs the shared review data (SHELFWISE_DATA)"
)
def test_real_reviews_become_vectors(run: Run, tmp_path: Path, checkpoint: Path) -> None:
    source = Path(os.environ["SHELFWISE_DATA"]) / "reviews" / "womens-clothing.csv"
    with source.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))[:201]
    with (tmp_path / "some.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    code, out, err = run(tmp_path / "some.csv", "--encoder", checkpoint, "--out", tmp_path / "store")
    assert code == 0, err + out
    store = ArtifactStore(tmp_path / "store")
    assert store.read_array("embeddings").shape == (200, 32)
    assert store.read_table("embeddings_rows")["product"].null_count == 0
