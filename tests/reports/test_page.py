"""Pages are one file, safe from their data, and the same bytes each time."""

from __future__ import annotations

import base64
import io
import re
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import jinja2
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from shelfwise.reports import (
    ablation_plot,
    data_plots,
    explanation_page,
    page,
    plots,
    product_plots,
    review_data_plots,
    tuning_plots,
)
from shelfwise.schema.explanation import PictureMap


def _line() -> Figure:
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([0, 1], [0, 1])
    return figure


def _bytes(uri: str) -> bytes:
    return base64.b64decode(uri.partition(",")[2])


def test_the_base_page_escapes_what_it_is_given_and_asks_for_nothing() -> None:
    html = page.render("base.html", title="<script>alert(1)</script>", sections=[("a", "A & B")])
    assert "<script" not in html
    assert "A &amp; B" in html
    assert "http:" not in html
    assert "https:" not in html
    assert "prefers-color-scheme: dark" in html


def test_an_unset_name_in_a_template_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="title"):
        page.render("base.html")


def test_a_themed_figure_has_a_light_and_a_dark_version() -> None:
    html = str(page.themed_figure(_line, alt='a "line"'))
    light, dark = html.split('src="')[1], html.split('srcset="')[1]
    assert _bytes(light.split('"')[0]) != _bytes(dark.split('"')[0])
    assert page.SERIES_LIGHT[0].encode() in _bytes(light.split('"')[0])
    assert page.SERIES_DARK[0].encode() in _bytes(dark.split('"')[0])
    assert "a &#34;line&#34;" in html


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert page.figure_uri(_line()) == page.figure_uri(_line())
    assert page.figure_uri(_line(), kind="png").startswith("data:image/png;base64,")


MONEY = "Gift card $25 # $50"


def _titled(name: str = MONEY) -> Figure:
    """Text in every place that can have some."""
    figure = _line()
    axes = figure.axes[0]
    axes.set(title=name, xlabel=name, ylabel=name)
    axes.set_xticks([0, 1], [name, "b"], rotation=45, ha="right")
    axes.annotate(name, (0.5, 0.5))
    axes.plot([0, 1], [1, 0], label=name)
    figure.legend()
    return figure


_PICTURE = np.full((4, 4, 3), 200, np.uint8)
_MAP = PictureMap(
    method="grad_cam", asks="class", file="picture-0.png", unit="nats", low=0.0, high=1.0, grid=((1.0,),)
)
FIGURES = {
    "titled": _titled,
    "confusion": partial(plots.confusion_heat_map, [[1, 0], [0, 1]], [MONEY, "b"]),
    "balance": data_plots.class_balance([(MONEY, 3)]),
    "inflation": data_plots.inflation_bars([MONEY], np.array([[0.1, 0.0, 0.2]])),
    "ablation": partial(
        ablation_plot.ablation_figure,
        [{"title": MONEY, "rows": None, "labels": [MONEY], "series": {MONEY: [(0.1, 0.0, 0.2)]}}],
    ),
    "explanation": partial(explanation_page.map_figure, _PICTURE, np.eye(4), _MAP, f"for {MONEY}"),
    "subsets": partial(
        product_plots.accuracy_by_subset, {MONEY: {MONEY: {"value": 0.5, "ci95": [0.4, 0.6]}}}
    ),
    "importance": partial(tuning_plots.importance, {MONEY: 1.0}),
    "words": review_data_plots.typical_words([{"word": MONEY, "z": 2.0}], 0),
}


@pytest.mark.parametrize("name", FIGURES)
def test_money_signs_are_drawn_as_they_are(name: str, tmp_path: Path) -> None:
    html = str(page.themed_figure(FIGURES[name], alt=name))
    for uri in re.findall(r'data:image/svg[^"]*', html):
        svg = _bytes(uri).decode()
        ElementTree.fromstring(svg)
        assert MONEY[:17] in svg  # a long name is cut
    page.save_figure(FIGURES[name], tmp_path / "a.png")


@pytest.mark.parametrize("odd", ["\x0b", "\x00", "\x1b", "\ufffe", "\ud800"])
def test_characters_that_svg_cannot_hold_are_left_out(odd: str, tmp_path: Path) -> None:
    html = str(page.themed_figure(partial(_titled, f"trousers{odd} & tops"), alt=""))
    for uri in re.findall(r'data:image/svg[^"]*', html):
        texts = [part.text for part in ElementTree.fromstring(_bytes(uri)).iter() if part.text]
        assert texts.count("trousers & tops") == 6
    assert html == str(page.themed_figure(partial(_titled, "trousers & tops"), alt=""))
    page.save_figure(partial(_titled, f"trousers{odd} & tops"), tmp_path / "odd.png")
    page.save_figure(partial(_titled, "trousers & tops"), tmp_path / "plain.png")
    assert (tmp_path / "odd.png").read_bytes() == (tmp_path / "plain.png").read_bytes()


def test_the_series_colours_follow_the_style_of_the_drawing() -> None:
    seen = []

    def draw() -> Figure:
        seen.append(page.series_colours()[0])
        return _line()

    page.themed_figure(draw, alt="")
    assert seen == [page.SERIES_LIGHT[0], page.SERIES_DARK[0]]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_comes_back_with_its_pixels(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, channels)).astype(np.uint8)
    back = np.asarray(Image.open(io.BytesIO(_bytes(page.picture_uri(pixels, 3)))))
    assert np.array_equal(back.reshape(12, 15, channels)[1::3, 1::3], pixels)


def test_files_are_written_whole(tmp_path: Path) -> None:
    page.write_page(tmp_path / "deep" / "a.html", "<p>ä</p>")
    page.save_figure(_line, tmp_path / "a.png")
    assert (tmp_path / "deep" / "a.html").read_text(encoding="utf-8") == "<p>ä</p>"
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (432, 288)
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (8.7e-5, "87 µs"),
        (0.0032, "3.2 ms"),
        (41, "41 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (None, "–"),
    ],
)
def test_a_duration_reads_as_a_person_says_it(seconds: float | None, words: str) -> None:
    assert page.duration(seconds) == words


def test_numbers_are_written_for_reading() -> None:
    assert page.percent(0.93412) == "93.41%"
    assert page.percent(float("nan")) == "–"
    assert page.percent(0.5, 0) == "50%"
    assert page.number(60000) == "60\u202f000"
    assert page.number(None) == "–"
    assert page.number(123.456) == "123.5"
    assert page.number(0.28604) == "0.286"
    assert page.number(2.5, 1) == "2.5"
    assert page.points(-0.0015) == "−0.15"
    assert page.points(None) == "–"
