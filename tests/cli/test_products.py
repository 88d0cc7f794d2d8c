"""`train`, `evaluate` and `predict` of products through the real command: what they print and refuse."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import parquet
from small_products import products_config

from shelfwise.cli.answer_line import answer_line
from shelfwise.predict.product_stream import _cells
from shelfwise.schema import LabelScore, TargetAnswer

Run = Callable[..., tuple[int, str, str]]
PARTS = ("train", "validation", "test")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def config(products_table: Path, tmp_path: Path) -> Path:
    path = tmp_path / "shop.json"
    path.write_text(products_config(products_table).model_dump_json())
    return path


def test_a_catalogue_is_learned_and_the_next_command_is_named(run: Run, config: Path) -> None:
    code, out, _ = run(
        "train", config, "--set", "train.epochs=1", "--set", "fusion.kind=late", "--out", "run"
    )
    assert code == 0
    assert "validation category 0." in out
    assert "next:   shelfwise evaluate run/bundle" in out
    code, _, err = run("train", config, "--set", "fusion.kind=early", "--out", "other")
    assert code == 2
    assert "fusion.kind" in err


def test_every_target_is_measured_from_every_subset(
    run: Run, config: Path, tiny_products_bundle: Path, tmp_path: Path
) -> None:
    code, out, err = run("evaluate", tiny_products_bundle, config, "--out", "found", "--part", "train")
    assert code == 0, err
    assert "picture + text" in out
    assert "a title finds its picture among" in out
    found = json.loads((tmp_path / "found" / "metrics.json").read_text())
    for target in ("category", "colour"):
        assert set(found["targets"][target]) == {"picture", "text", "picture+text"}
        for figures in found["targets"][target].values():
            low, high = figures["accuracy"]["ci95"]
            assert low <= figures["accuracy"]["value"] <= high
            assert figures["ece"]["value"] >= 0
    assert found["fusion"]["category"]["best_single"] in ("picture", "text")
    assert found["retrieval"]["name_to_picture"]["classes"] == 4
    assert found["retrieval"]["title_to_picture"]["recall@10"]["value"] > 0.2
    assert found["data"]["rows"] == found["data"]["pictures"]
    assert "report:  found/report.html\nmetrics: found/metrics.json\n" in out
    assert sorted(path.name for path in (tmp_path / "found").iterdir()) == [
        "accuracy.png", "learning_curves.png", "metrics.json", "reliability.png", "report.html", "rows.png",
    ]  # fmt: skip


def test_a_pipe_gets_every_figure_whole(
    run: Run, config: Path, tiny_products_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    code, out, err = run("evaluate", tiny_products_bundle, config, "--out", "found", "--part", "validation")
    assert code == 0, err
    for target in ("category", "colour"):
        for subset in ("picture", "text", r"picture \+ text"):
            assert re.search(rf"^{target} +{subset} +\d+\.\d% +\d+\.\d%-\d+\.\d% *$", out, re.MULTILINE)


def test_a_product_is_told_by_picture_title_or_both(
    run: Run, tiny_products_bundle: Path, products_table: Path
) -> None:
    picture = products_table.parent / "images" / "p0002.png"
    code, out, err = run("predict", tiny_products_bundle, picture, "--title", "Elder Red wool shoe 2")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("category  shoe ")
    assert "from picture and text, by tiny@" in out
    code, out, _ = run("predict", tiny_products_bundle, "--title", "Fir Blue wool bag 7", "--json")
    answer = json.loads(out)
    assert answer["known"] == ["text"]
    assert answer["targets"]["category"]["labels"] == ["bag"]
    Path("broken.png").write_bytes(b"no picture")
    code, out, _ = run("predict", tiny_products_bundle, "broken.png")
    assert (code, out.startswith("failed: ")) == (1, True)
    code, out, _ = run("predict", tiny_products_bundle, "broken.png", "--title", "Fir Blue wool bag 7")
    assert code == 0
    assert "warning: picture_skipped: is not a picture in a known format" in out


def test_a_catalogue_is_answered_row_by_row(
    run: Run, tiny_products_bundle: Path, config: Path, tmp_path: Path
) -> None:
    code, out, _ = run("predict", tiny_products_bundle, config, "--out", "answers.parquet")
    assert code == 0
    assert "240 rows = 240 ok + 0 failed" in out
    table = parquet.read_table(tmp_path / "answers.parquet").to_pylist()
    assert table[2]["category"] == ["shoe"]
    assert table[2]["known"] == ["picture", "text"]
    run("predict", tiny_products_bundle, config, "--out", "answers.csv")
    with (tmp_path / "answers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 240
    assert rows[2]["category"] == "shoe"
    assert rows[2]["known"] == "picture|text"


def test_a_bare_table_is_read_as_the_bundle_read_its_own(
    run: Run, tiny_products_bundle: Path, products_table: Path
) -> None:
    with products_table.open(encoding="utf-8", newline="") as file:
        first, *others = csv.DictReader(file)
    picture = products_table.parent / first["image"]
    lines = [{"id": row["id"], "title": row["title"]} for row in others]
    late = {"id": first["id"], "title": first["title"], "image": str(picture)}
    Path("late.jsonl").write_text("\n".join(map(json.dumps, [*lines, late])), encoding="utf-8")
    code, _, err = run("predict", tiny_products_bundle, "late.jsonl", "--out", "answers.parquet")
    assert code == 0, err
    known = [row["known"] for row in parquet.read_table("answers.parquet").to_pylist()]
    assert known == [*(["text"] for _ in lines), ["picture", "text"]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name pictures, a --title, or both"),
        (("--text", "Good."), "--text is for reviews bundles"),
        (("shop.csv",), "is a catalogue: add --out"),
        (("none.png",), "picture 'none.png' not found"),
        (("none.png", "--title", "Red shoe"), "picture 'none.png' not found"),
        (("shop.csv", "--title", "Shoe", "--out", "a.csv"), "--title is of one product"),
        (("shop.csv", "--out", "a.txt"), "expected a .parquet or .csv file"),
    ],
)
def test_what_cannot_be_asked_is_one_line(
    run: Run, tiny_products_bundle: Path, arguments: tuple[str, ...], said: str
) -> None:
    code, _, err = run("predict", tiny_products_bundle, *arguments)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


def test_names_that_were_never_learned_are_compared(
    run: Run, tiny_products_bundle: Path, products_table: Path, config: Path, tmp_path: Path
) -> None:
    picture = products_table.parent / "images" / "p0003.png"
    code, out, err = run("predict", tiny_products_bundle, picture, "--labels", "bag, red shoe,bag, größe")
    assert (code, err) == (0, "")
    line = next(line for line in out.splitlines() if line.startswith("asked"))
    assert line.startswith("asked     bag ")
    assert "; else " in line
    code, _, _ = run("predict", tiny_products_bundle, config, "--out", "a.csv", "--labels", "bag,shoe")
    with (tmp_path / "a.csv").open() as file:
        assert {row["asked"] for row in csv.DictReader(file)} == {"bag", "shoe"}
    assert code == 0
    code, _, err = run("predict", tiny_products_bundle, picture, "--labels", "bag")
    assert (code, "name two or more, joined by commas" in err) == (2, True)


def test_names_are_for_products_bundles(run: Run, tiny_bundle: Path) -> None:
    code, _, err = run("predict", tiny_bundle, "a.png", "--labels", "bag,shoe")
    assert (code, "--labels is for products bundles" in err) == (2, True)


def test_two_bundles_get_their_paired_differences(
    run: Run, config: Path, tiny_products_bundle: Path, tmp_path: Path
) -> None:
    both = (tiny_products_bundle, tiny_products_bundle)
    code, out, err = run("evaluate", *both, config, "--out", "both", "--part", "validation")
    assert (code, err) == (0, "")
    assert "B - A, 95% interval" in out
    assert "+0.00 (+0.00 to +0.00)  neither" in out
    assert re.search(r"^category +all that each reads ", out, re.MULTILINE)
    assert "A reads picture and text; B reads picture and text\n" in out
    assert out.endswith("report:  both/report.html\nmetrics: both/comparison.json\n")
    found = json.loads((tmp_path / "both" / "comparison.json").read_text())
    assert found["targets"]["colour"]["text"]["metrics"]["ece"]["better"] == "neither"


def test_a_class_that_was_not_learned_is_told_beside_the_accuracy(
    run: Run, products_table: Path, tiny_products_bundle: Path, tmp_path: Path
) -> None:
    table = tmp_path / "shop.csv"
    table.write_text(products_table.read_text(encoding="utf-8").replace(",red,", ",teal,"), encoding="utf-8")
    code, out, err = run("evaluate", tiny_products_bundle, table, "--out", "found", "--part", "train")
    assert code == 0, err
    found = json.loads((tmp_path / "found" / "metrics.json").read_text())
    count, figures = found["about"]["colour"]["not_learned"], found["targets"]["colour"]["text"]
    assert count == figures["not_learned"] > 0
    assert figures["accuracy"]["value"] <= 1 - count / figures["rows"]
    known = f"{figures['accuracy_known']['value']:.1%}"
    line = next(line for line in out.splitlines() if line.startswith("colour: "))
    assert line == (
        f"colour: the bundle has not learned the class of {count} products, which counts as wrong; "
        f"of the classes learned it tells right {known}, from text."
    )


def test_what_cannot_be_compared_is_one_line(
    run: Run, config: Path, tiny_products_bundle: Path, several_bundle: Path, tiny_bundle: Path
) -> None:
    for other, why in (
        (tiny_bundle, "compare bundles of one task"),
        (several_bundle, "have no target in common: A answers category, colour, B tags"),
        (Path("none"), "bundle 'none' not found"),
    ):
        code, _, err = run("evaluate", tiny_products_bundle, other, config, "--out", "both")
        assert code == 2
        assert why in err
        assert err.count("\n") == 1


def test_a_catalogue_whose_pictures_are_lost_is_measured_by_titles(
    run: Run, products_table: Path, tiny_products_bundle: Path, tmp_path: Path
) -> None:
    table = tmp_path / "titles.csv"
    table.write_text(products_table.read_text(encoding="utf-8"), encoding="utf-8")
    code, out, err = run("evaluate", tiny_products_bundle, table, "--out", "found", "--part", "train")
    assert code == 0, err
    assert "No product has a picture" in out
    found = json.loads((tmp_path / "found" / "metrics.json").read_text())
    assert found["targets"]["category"]["picture"] == {"rows": 0}
    assert found["targets"]["category"]["text"]["rows"] > 100
    assert found["data"]["read"]["warnings"]["picture_skipped"] == 240


def test_a_part_without_products_and_several_values_are_told(
    run: Run, several_bundle: Path, tmp_path: Path
) -> None:
    config = several_bundle / "config.json"
    code, out, err = run("evaluate", several_bundle, config, "--out", "tags", "--part", "validation")
    assert code == 0, err
    assert "F1 of several values at once" in " ".join(out.split())
    assert "The bundle has no space that titles and pictures share" in out
    table = tmp_path / "one.csv"
    table.write_text("id,title,image,tags\n1,Fir Red wool bag 7,,bag|red\n", encoding="utf-8")
    found = [run("evaluate", several_bundle, table, "--out", "one", "--part", part) for part in PARTS]
    assert sorted(code for code, _, _ in found) == [0, 2, 2]
    assert sum("part; try another --part" in err for _, _, err in found) == 2


def test_pictures_and_titles_alone_go_from_a_table_to_a_search(
    run: Run, products_table: Path, tmp_path: Path
) -> None:
    with products_table.open(newline="", encoding="utf-8") as file:
        rows = [
            {"id": row["id"], "title": row["title"], "image": row["image"]} for row in csv.DictReader(file)
        ]
    (tmp_path / "images").symlink_to(products_table.parent / "images")
    with Path("shop.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    code, out, err = run("data", "inspect", "shop.csv")
    assert code == 0, err
    assert "task:  products" in out
    small = ("picture.stem=8", "picture.widths=[16]", "picture.depths=[1]", 'picture.downsample=["pool"]')
    small += ("fusion.width=32", "title.width=16", "title.buckets=256", "train.epochs=2", "train.device=cpu")
    settings = [word for setting in small for word in ("--set", setting)]
    code, out, err = run("train", "shop.toml", *settings, "--out", "run")
    assert code == 0, err
    assert "validation mrr 0." in out
    code, out, err = run("evaluate", "run/bundle", "shop.toml", "--out", "found")
    assert code == 0, err
    assert "a title finds its picture among" in out
    assert "The bundle has learned no targets: only search is measured." in out
    picture = products_table.parent / "images" / "p0002.png"
    code, out, err = run("predict", "run/bundle", picture)
    assert (code, err) == (0, "")
    assert out.startswith("from picture, by shop@")
    assert "it has learned no targets; its vectors of 128 numbers are for search" in out
    assert out.count("\nlike  p") == 5
    code, out, _ = run("predict", "run/bundle", picture, "--labels", "shoe, bag")
    assert out.startswith("asked  ")
    code, _, err = run("predict", "run/bundle", "shop.csv", "--out", "answers.csv")
    assert code == 2
    assert "has learned no targets to answer: compare names with --labels" in err
    code, _, err = run("predict", "run/bundle", "shop.csv", "--out", "answers.csv", "--labels", "shoe,bag")
    assert code == 0, err
    code, out, err = run("index", "run/bundle", "shop.toml", "--out", "index")
    assert code == 0, err
    code, out, err = run("search", "index", rows[3]["title"], "--alpha", 1)
    assert code == 0, err
    code, _, err = run("train", "shop.toml", "--set", "shared.loss=none", "--out", "none")
    assert code == 2
    assert "there is nothing to learn: name labels in data.columns.labels" in err


def test_several_values_are_told_as_such_and_a_path_as_a_path() -> None:
    top = tuple(LabelScore(label=name, probability=0.5) for name in ("wool", "leather", "silk"))
    several = TargetAnswer(labels=("wool", "leather"), probabilities=(0.6, 0.5), top=top, several=True)
    assert answer_line(several) == "wool 60.0%, leather 50.0%; else silk 50.0%"
    path = TargetAnswer(labels=("Clothes", "Coat"), probabilities=(0.9, 0.5))
    assert answer_line(path) == "Clothes 90.0% > Coat 50.0%"
    assert answer_line(TargetAnswer(labels=(), probabilities=(), several=True)) == "none likely"


def test_the_next_command_is_of_the_catalogue_that_was_learned(
    run: Run, config: Path, products_table: Path, tmp_path: Path
) -> None:
    (tmp_path / "other.csv").write_text(products_table.read_text())
    (tmp_path / "images").symlink_to(products_table.parent / "images")
    short = ("--set", "train.epochs=0.2", "--out", "run")
    code, out, err = run("train", config, "--set", "data.source=other.csv", *short)
    assert code == 0, err
    assert re.search(r"next:   shelfwise evaluate run/bundle \S*other.csv --out run", out)
    code, again, err = run("train", config, "--set", "data.source=other.csv", *short, "--resume")
    assert code == 0
    assert again
    assert out.endswith(again)
    assert err.startswith("nothing to train: 'run' holds this configuration's finished run")


def test_values_that_hold_what_joins_them_stay_apart_in_a_csv_file() -> None:
    answers = {"path": ["Home > Garden"], "tags": ["a|b", "c"], "plain": ["Home", "Garden"]}
    assert _cells(answers, {"path", "plain"}) == {
        "path": '["Home > Garden"]',
        "tags": '["a|b", "c"]',
        "plain": "Home > Garden",
    }


def test_the_other_class_of_the_same_name_is_said() -> None:
    answer = TargetAnswer(
        labels=("Men", "Other"),
        probabilities=(0.5, 0.47),
        top=(
            LabelScore(label="Men > Other", probability=0.47),
            LabelScore(label="Women > Other", probability=0.46),
        ),
    )
    assert answer_line(answer) == "Men 50.0% > Other 47.0%; else Women > Other 46.0%"
