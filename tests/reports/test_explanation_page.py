"""The explanation's page: one file, safe from its data, with every map beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shelfwise.explain.result import Explained, MapCollector
from shelfwise.reports.explanation_page import (
    explanation_page,
    marked_text,
    overlay,
    write_explanation,
)
from shelfwise.schema import LabelScore
from shelfwise.schema.explanation import (
    ExplainedPicture,
    Explanation,
    Neighbour,
    WordGaze,
    WordWeight,
)

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def explained() -> Explained:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 18, 3)).astype(np.uint8)
    maps = MapCollector(0)
    values = np.linspace(-1, 1, 24 * 18).reshape(24, 18)
    for asks in ("class", "contrast"):
        maps.add("integrated gradients", asks, values, "nats a pixel", change=0.04)
        maps.add("Grad-CAM", asks, values.clip(0), "no unit")
    maps.add("edges", "edges", np.zeros((24, 18)), "grey levels")
    text = f"Größe {EVIL}"
    grid = ((0.1, 0.2), (0.3, 0.0))
    said = Explanation(
        bundle="tiny@1",
        id=EVIL,
        target="category",
        label="shoe",
        path=("Footwear", "shoe"),
        probability=0.9,
        answer=LabelScore(label="shoe", probability=0.9),
        rival=LabelScore(label="bag", probability=0.05),
        known=("picture", "text"),
        prior=0.25,
        modalities={"picture": 0.75, "text": -0.1},
        subsets={"picture": 0.95, "text": 0.1, "picture+text": 0.9},
        text=text,
        words=(
            WordWeight(text="Größe", start=0, end=5, weight=1.5, contrast=0.2, probability=0.5),
            WordWeight(text="script", start=7, end=13, weight=-0.5, contrast=0.2, probability=0.95),
        ),
        pictures=(ExplainedPicture(name=EVIL, maps=tuple(maps.said)),),
        gaze=(WordGaze(text="Größe", start=0, end=5, pictures=(grid,)),),
        neighbours=(Neighbour(id="7", title=EVIL, label=None, similarity=0.9),),
        missing={"contrast": EVIL},
        warnings=("picture_skipped",),
    )
    return Explained(said, (pixels,), maps.drawn)


def test_page_json_and_pngs_are_written_side_by_side(explained: Explained, tmp_path: Path) -> None:
    written = write_explanation(explained, tmp_path / "out")
    assert written[0].name == "explanation.html"
    assert {path.name for path in written} == {path.name for path in (tmp_path / "out").iterdir()}
    assert {path.name for path in written if path.suffix == ".png"} == set(explained.maps)
    text = (tmp_path / "out" / "explanation.json").read_text(encoding="utf-8")
    assert Explanation.model_validate_json(text) == explained.explanation
    assert "Größe" in text
    with Image.open(written[2]) as picture:
        assert picture.width > 600


def test_pngs_of_an_earlier_explanation_do_not_stay(explained: Explained, tmp_path: Path) -> None:
    write_explanation(explained, tmp_path)
    ours = {"picture-2-class-gradients.png", "picture-12-edges.png", "picture-1-contrast-occlusion.png"}
    others = {"picture-1.png", "picture-1-class-front.png", "picture-shoe-edges.png", "picture-01-edges.png"}
    for name in ours | others:
        (tmp_path / name).touch()
    written = write_explanation(explained, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in written} | others
    bare = Explained(explained.explanation.model_copy(update={"pictures": (), "gaze": ()}))
    assert len(write_explanation(bare, tmp_path)) == 2
    assert {path.name for path in tmp_path.glob("*.png")} == others


def test_a_map_that_does_not_add_up_is_said_to_be_off(explained: Explained) -> None:
    (picture,) = explained.explanation.pictures
    about = [one.model_copy(update={"total": 4.0, "residual": 0.19}) for one in picture.maps]
    off = [*about[:-1], about[-1].model_copy(update={"asks": "class", "total": 5.68, "residual": 1.94})]
    pages = [
        explanation_page(
            Explained(
                explained.explanation.model_copy(
                    update={"pictures": (picture.model_copy(update={"maps": tuple(maps)}),)}
                ),
                explained.pixels,
                explained.maps,
            )
        )
        for maps in (about, off)
    ]
    assert "in all +4.00 nats" in pages[0]
    assert "the picture adds" not in pages[0]
    assert "in all +5.68 nats; the picture adds +3.74" in pages[1]
    assert "trust such a map less" in pages[1]


def test_the_page_holds_everything_and_asks_for_nothing(explained: Explained) -> None:
    html = explanation_page(explained)
    for words in (
        "Footwear &gt; shoe",
        "90.0% from picture and text",
        "shoe rather than bag",
        "+75.0",
        "−10.0",
    ):
        assert words in html
    for words in ("Where the words look", "60% to this picture", "What it is like", "picture skipped"):
        assert words in html
    assert "<script" not in html
    assert "http:" not in html
    assert "https:" not in html


def test_what_is_missing_is_left_out(explained: Explained) -> None:
    bare = explained.explanation.model_copy(
        update={"modalities": {}, "prior": None, "pictures": (), "words": (), "gaze": (), "neighbours": ()}
    )
    html = explanation_page(Explained(bare))
    for words in ("Which words", "Where in the picture", "How much each modality", "What it is like"):
        assert words not in html
    other = bare.model_copy(update={"label": "bag", "path": ("bag",), "probability": 0.05})
    assert "not the answer, which is shoe with 90.0%" in explanation_page(Explained(other))


def test_words_are_shaded_where_they_stand(explained: Explained) -> None:
    html = str(marked_text(explained.explanation))
    assert html.startswith('<mark class="for" style="--a:1.00"')
    assert '<mark class="against" style="--a:0.33"' in html
    assert "&lt;<mark" in html


def test_an_overlay_is_teal_where_the_map_is_high_and_brown_where_it_is_low(explained: Explained) -> None:
    pixels, said = explained.pixels[0], explained.explanation.pictures[0].maps[0]
    drawn = overlay(np.full_like(pixels, 128), explained.maps[said.file], said).astype(int)
    assert drawn[-1, -1, 1] > drawn[-1, -1, 0]
    assert drawn[0, 0, 0] > drawn[0, 0, 2]
    flat = overlay(pixels[..., :1], np.zeros((24, 18)), said)
    assert (flat[..., 0] == flat[..., 2]).all()
