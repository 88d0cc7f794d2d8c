"""`shelfwise predict` with a reviews bundle through the real command: a review, a file, and exit codes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from small_reviews import small_bundle, untrained_reviews_bundle

Run = Callable[..., tuple[int, str, str]]
TEXT = "The fit is great, but the fabric is thin & scratchy. I sent it back!"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.getbasetemp())


@pytest.fixture(autouse=True)
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder to run in has a reviews file: two good rows and an empty one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    path = tmp_path / "reviews.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Title", "Review Text", "Rating"])
        writer.writerows(
            [["Lovely", TEXT, 5], ["Größe", "It came late, and the zipper broke.", 2], ["", "", 4]]
        )
    return path


def test_a_review_gets_its_stars_and_a_table_of_opinions(run: Run, bundle: Path) -> None:
    code, out, err = run("predict", bundle, "--title", "Lovely [b]", "--text", TEXT, "--threads", 1)
    assert (code, err) == (0, "")
    lines = [line for line in out.splitlines() if line]
    assert [line.split()[0] for line in lines[:4]] == ["stars", "sentiment", "recommended", "aspect"]
    assert lines[3].split() == ["aspect", "opinion", "probability", "in", "the", "words"]
    assert all(line.split()[1] in ("positive", "negative") for line in lines[4:])
    assert any('"Lovely [b]"' in line for line in lines[4:]) or any("fabric" in line for line in lines[4:])


def test_a_review_gets_a_json_object(run: Run, bundle: Path) -> None:
    code, out, _ = run("predict", bundle, "--text", TEXT, "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer["status"] == "ok"
    assert len(answer["star_probabilities"]) == 5
    assert all(TEXT[o["start"] : o["end"]] == o["quote"] for o in answer["opinions"])
    assert json.loads(run("predict", bundle, "--text", TEXT, "--json", "--int8")[1])["id"] == answer["id"]


def test_a_text_is_cleaned_as_the_training_texts_were(run: Run, bundle: Path) -> None:
    dirty = TEXT.replace("&", "&amp;").replace("great", "<b>great</b>")
    cleaned, plain = (
        json.loads(run("predict", bundle, "--text", text, "--json")[1]) for text in (dirty, TEXT)
    )
    assert (cleaned.pop("read_text"), plain.pop("read_text")) == (TEXT, None)
    assert cleaned == plain


def test_a_bundle_without_aspects_tells_the_rest(run: Run, tmp_path: Path) -> None:
    bundle = untrained_reviews_bundle(tmp_path, aspects=False, recommends=False)
    code, out, _ = run("predict", bundle, "--text", "很好")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["stars", "sentiment", "warning"]


@pytest.mark.parametrize("out", ["answers.csv", "answers.parquet"])
def test_a_file_goes_to_a_file(run: Run, bundle: Path, tmp_path: Path, out: str) -> None:
    code, said, err = run("predict", bundle, "reviews.csv", "--out", out)
    assert (code, err) == (0, "")  # nothing to read is told, but no failure
    assert said.splitlines()[0] == f"3 rows = 2 ok + 1 failed -> {out}"
    assert "  empty_text: 1" in said
    assert (tmp_path / out).exists()


def test_a_row_that_cannot_be_read_costs_the_budget(run: Run, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("text,rating\nIt fits me very well and I love it.,five\n")
    (tmp_path / "bad.json").write_text(
        json.dumps({"task": "reviews", "data": {"source": "bad.csv", "columns": {"rating": "rating"}}})
    )
    code, _, err = run("predict", bundle, "bad.json", "--out", "a.csv")
    assert code == 1
    assert err.endswith("1 failed, more than --max-errors 0\n")
    assert run("predict", bundle, "bad.json", "--out", "a.csv", "--max-errors", 1)[0] == 0


def test_a_config_names_the_columns(run: Run, bundle: Path, tmp_path: Path) -> None:
    data = {"source": "reviews.csv", "columns": {"text": "Title", "rating": "Rating"}}
    (tmp_path / "shop.json").write_text(json.dumps({"task": "reviews", "data": data}))
    assert run("predict", bundle, "shop.json", "--out", "a.csv", "--max-errors", 1)[0] == 0
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["ok", "ok", "failed"]


def test_what_a_user_can_mend_is_one_line_and_exit_code_2(
    run: Run, bundle: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    for arguments, words in (
        ((bundle,), "is a reviews bundle: give --text, or a reviews file and --out"),
        ((bundle, "--text", ""), "--text is empty"),
        ((bundle, "--text", " \n", "--json"), "--text is empty"),
        ((bundle, "--title", ""), "--text is empty"),
        ((bundle, "--text", "<br>", "--title", ""), "--text is empty"),
        ((bundle, "shoe.jpg"), "is a reviews bundle: 'shoe.jpg' is a picture"),
        ((bundle, "shoe.jpg", "--out", "a.csv"), "is a reviews bundle: 'shoe.jpg' is a picture"),
        ((bundle, "reviews.csv"), "'reviews.csv' is a reviews file: add --out"),
        ((bundle, "reviews.csv", "--text", "good"), "give either"),
        ((bundle, "--text", "good", "--out", "a.csv"), "--out goes with exactly one"),
        ((bundle, "reviews.csv", "other.csv", "--out", "a.csv"), "--out goes with exactly one"),
        ((bundle, "reviews.csv", "--out", "a.xlsx"), "expected a .parquet or .csv file"),
        ((bundle, "reviews.csv", "--out", "reviews.csv"), "is the reviews file itself"),
        ((bundle, "nowhere.csv", "--out", "a.csv"), "nowhere.csv"),
        ((tiny_bundle, "--text", "good"), "is a pictures bundle: --text is for reviews bundles"),
        ((tiny_bundle, "--title", "good"), "--title is for products and reviews bundles"),
        ((tiny_bundle,), "is a pictures bundle: name pictures"),
    ):
        code, out, err = run("predict", *arguments)
        assert (code, out) == (2, ""), arguments
        assert words in err
        assert err.splitlines()[-1].startswith("shelfwise: ")
    assert not (tmp_path / "a.csv").exists()
