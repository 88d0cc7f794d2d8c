"""The data report's figures: what they show, and that odd names and long tails do not break them."""

from __future__ import annotations

import io
from collections import Counter

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from shelfwise.reports import data_plots, page, product_plots


def drawn(draw: data_plots.Draw) -> Figure:
    """The figure in the report's style, rendered once, so that errors of layout and text show."""
    with mpl.rc_context(page.figure_style("light")):
        figure = draw()
        figure.savefig(io.BytesIO(), format="png")
    return figure


def test_a_long_list_of_classes_ends_in_one_bar_for_the_rest() -> None:
    counts = [(f"class {i}", 100 - i) for i in range(40)]
    axes = drawn(data_plots.class_balance(counts)).axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert len(names) == 31
    assert names[-1] == "10 further classes"
    assert axes.patches[-1].get_width() == sum(n for _, n in counts[30:])  # type: ignore[attr-defined]


def test_money_signs_and_long_names_are_plain_text() -> None:
    axes = drawn(data_plots.class_balance([("under $5 to $9", 3), ("x" * 80, 2)])).axes[0]
    assert [len(label.get_text()) for label in axes.get_yticklabels()] == [14, 28]


def test_logarithmic_axes_have_plain_numbers() -> None:
    axes = drawn(data_plots.long_tail([20_000, 9, 3, 1])).axes[0]
    names = {label.get_text() for label in axes.get_yticklabels()}
    assert {"1", "100", "10,000"} <= names
    few = [{"train_rows": rows, "recall": 0.5, "support": 5} for rows in (20, 70)]
    narrow = drawn(lambda: product_plots.accuracy_by_rows(few)).axes[0]
    assert {label.get_text() for label in narrow.get_xticklabels(minor=True)} >= {"20", "40", "60"}
    spiked = np.full(256, 10)
    spiked[255] = 100_000
    names = {label.get_text() for label in drawn(data_plots.brightness(spiked)).axes[0].get_yticklabels()}
    assert "0.001" in names
    assert not any("$" in name for name in names)


def test_the_long_tail_has_a_step_for_each_class() -> None:
    axes = drawn(data_plots.long_tail([50, 9, 3, 1])).axes[0]
    assert list(axes.lines[0].get_ydata()) == [50, 9, 3, 1]


def test_sizes_are_dots_whose_area_follows_their_number() -> None:
    sizes = Counter({(100, 200): 90, (300, 150): 10, (0, 0): 5})
    dots = drawn(data_plots.picture_sizes(sizes)).axes[0].collections[0]
    assert dots.get_offsets().tolist() == [[100, 200], [300, 150]]
    first, second = dots.get_sizes()
    assert first > second


def test_brightness_is_logarithmic_where_background_towers() -> None:
    flat, spiked = np.full(256, 10), np.full(256, 10)
    spiked[255] = 100_000
    assert drawn(data_plots.brightness(flat)).axes[0].get_yscale() == "linear"
    assert drawn(data_plots.brightness(spiked)).axes[0].get_yscale() == "log"


def test_texts_of_one_length_make_one_bar() -> None:
    axes = drawn(data_plots.text_lengths(Counter({7: 30}), "words")).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [30]  # type: ignore[attr-defined]
