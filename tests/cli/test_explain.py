"""`shelfwise explain` through the real command: what it prints, writes and refuses."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from drawn import draw_garment
from named_alike import train_named_alike

from shelfwise import cli
from shelfwise.bundle import slim
from shelfwise.errors import MissingExtraError

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the command line in this process, in a folder with pictures; exit code, stdout and stderr."""
    draw_garment("shoe", 2, (120, 90)).save(tmp_path / "shoe.jpg")
    draw_garment("shoe", 6, 60).save(tmp_path / "side.png")
    (tmp_path / "page.jpg").write_text("<html>")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["shelfwise", "explain", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return call


def test_a_product_is_explained_on_the_terminal_and_in_files(
    run: Run, tiny_products_bundle: Path, tmp_path: Path
) -> None:
    code, out, err = run(
        tiny_products_bundle, "shoe.jpg", "side.png", "--title", "Elder Red wool shoe 2", "--out", "why"
    )
    assert (code, err) == (0, "")
    lines = [line.split(maxsplit=1) for line in out.splitlines()]
    assert lines[0][0] == "answer"
    assert lines[0][1].startswith("shoe ")
    names = [line[0] for line in lines]
    assert names[:4] == ["answer", "runner-up", "points", "words"]
    assert names.count("like") == 3
    assert "why/explanation.html" in out
    said = json.loads((tmp_path / "why" / "explanation.json").read_text(encoding="utf-8"))
    assert [picture["name"] for picture in said["pictures"]] == ["shoe.jpg", "side.png"]
    for picture in said["pictures"]:
        assert all((tmp_path / "why" / one["file"]).exists() for one in picture["maps"])
    code, out, _ = run(
        tiny_products_bundle, "shoe.jpg", "--out", "why", "--class", "bag", "--target", "category"
    )
    assert code == 0
    assert "explained  bag" in out


def test_a_picture_and_a_review_are_explained_too(
    run: Run, tiny_bundle: Path, tiny_reviews_bundle: Path, tmp_path: Path
) -> None:
    code, out, _ = run(tiny_bundle, "shoe.jpg", "--out", "picture")
    assert code == 0
    assert out.startswith("answer     shoe")
    assert (tmp_path / "picture" / "picture-1-class-gradients.png").exists()
    code, out, _ = run(tiny_reviews_bundle, "--text", "Lovely dress, great fabric.", "--out", "review")
    assert code == 0
    assert "words" in out
    assert sorted(path.name for path in (tmp_path / "review").iterdir()) == [
        "explanation.html",
        "explanation.json",
    ]


def test_a_folder_used_before_keeps_no_maps_of_another_explanation(
    run: Run, tiny_products_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "why").mkdir()
    (tmp_path / "why" / "picture-of-mine.png").touch()
    code, out, _ = run(tiny_products_bundle, "shoe.jpg", "side.png", "--out", "why")
    assert (code, "14 PNGs beside it" in out) == (0, True)
    code, out, _ = run(tiny_products_bundle, "--title", "Red wool shoe", "--out", "why")
    assert (code, "0 PNGs beside it" in out) == (0, True)
    assert [path.name for path in (tmp_path / "why").glob("*.png")] == ["picture-of-mine.png"]


def test_classes_that_share_a_name_are_told_apart(
    run: Run, once: Callable[..., Path], products_table: Path
) -> None:
    bundle = once("named-alike", lambda folder: train_named_alike(products_table, folder)) / "bundle"
    code, out, _ = run(bundle, "shoe.jpg", "--out", "why")
    assert code == 0
    said = dict(line.split(maxsplit=1) for line in out.splitlines())
    for part in ("answer", "runner-up"):
        assert re.match(r"(red|blue|green|black) > \w+ \d", said[part])
    assert "explained" not in said
    code, _, err = run(bundle, "shoe.jpg", "--out", "why", "--class", "Shoe")
    assert code == 2
    assert "'black > shoe', 'blue > shoe'" in err
    code, out, _ = run(bundle, "shoe.jpg", "--out", "why", "--class", "blue > shoe")
    assert (code, "blue > shoe" in out) == (0, True)


def test_a_copy_for_serving_explains_a_picture_from_its_answers_without_torch(
    run: Run, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise MissingExtraError("torch", "train")

    slim(tiny_bundle, tmp_path / "copy")
    monkeypatch.setattr("shelfwise.cli.explain._need_torch", refuse)
    code, out, err = run(tmp_path / "copy", "shoe.jpg", "--out", "why")
    assert (code, err) == (0, "")
    assert out.startswith("answer     shoe")
    assert "gradients: the bundle is a copy made for serving" in out
    assert sorted(path.name for path in (tmp_path / "why").iterdir()) == [
        *("explanation.html", "explanation.json"),
        *("picture-1-class-occlusion.png", "picture-1-contrast-occlusion.png"),
    ]
    code, out, _ = run(tmp_path / "copy", "shoe.jpg", "--out", "why", "--class", "bag")
    assert (code, "explained  bag" in out) == (0, True)
    code, _, err = run(tiny_bundle, "shoe.jpg", "--out", "why")
    assert (code, "train" in err) == (2, True)


@pytest.mark.parametrize(
    ("which", "arguments", "said"),
    [
        ("products", (), "name pictures, a --title, or both"),
        ("products", ("--text", "Good."), "--text is for reviews bundles; give --title"),
        ("products", ("shop.csv",), "'shop.csv' is a catalogue: predict its rows"),
        ("products", ("page.jpg",), "'page.jpg' is an HTML page, not a picture"),
        ("products", ("gone.jpg",), "'gone.jpg' not found"),
        ("products", ("shoe.jpg", "--class", "shoes"), "did you mean 'shoe'"),
        ("products", ("shoe.jpg", "--target", "size"), "none of the bundle's: category, colour"),
        ("pictures", ("shoe.jpg", "--title", "Shoe"), "it reads neither --title nor --text"),
        ("pictures", ("shoe.jpg", "side.png"), "name one picture, not 2"),
        ("pictures", ("page.jpg",), "'page.jpg' is an HTML page"),
        ("pictures", ("shoe.jpg", "--target", "size"), "none of the bundle's: kind"),
        ("reviews", (), "has no word: give --text"),
        ("reviews", ("shoe.jpg",), "is a reviews bundle: give --text"),
        ("reviews", ("--text", "Good.", "--class", "7"), "none of the 5 classes"),
    ],
)
def test_what_cannot_be_explained_is_one_line(
    run: Run,
    request: pytest.FixtureRequest,
    which: str,
    arguments: tuple[str, ...],
    said: str,
    tmp_path: Path,
) -> None:
    names = {"products": "tiny_products_bundle", "pictures": "tiny_bundle", "reviews": "tiny_reviews_bundle"}
    code, out, err = run(request.getfixturevalue(names[which]), *arguments, "--out", "why")
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "why").exists()


def test_a_folder_that_holds_a_file_is_refused(run: Run, tiny_bundle: Path) -> None:
    code, _, err = run(tiny_bundle, "shoe.jpg", "--out", "side.png")
    assert code == 2
    assert "is a file" in err
