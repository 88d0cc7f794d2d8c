"""A study's figures: every trial is somewhere on them, whatever became of it."""

from __future__ import annotations

import io
from collections.abc import Callable

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from shelfwise.reports import page
from shelfwise.reports.tuning_plots import Point, history, importance


def drawn(draw: Callable[[], Figure]) -> Figure:
    """The figure in the house's style, rendered once, so that errors of layout and text show."""
    with mpl.rc_context(page.figure_style("light")):
        figure = draw()
        figure.savefig(io.BytesIO(), format="png")
    return figure


POINTS = (
    Point(0, "complete", 0.8, own=True),
    Point(1, "pruned", 0.7),
    Point(2, "failed", None),
    Point(3, "complete", 0.9),
    Point(4, "complete", 0.85),
    Point(5, "pruned", 0.01),
)


def test_the_best_so_far_never_falls_and_reaches_the_last_trial() -> None:
    steps = drawn(lambda: history(POINTS, "accuracy")).axes[0].lines[0]
    assert list(steps.get_xdata()) == [0, 3, 4, 5]
    assert list(steps.get_ydata()) == [0.8, 0.9, 0.9, 0.9]


def test_every_trial_is_drawn_and_the_worst_ones_at_the_foot() -> None:
    axes = drawn(lambda: history(POINTS, "accuracy")).axes[0]
    marks = {str(dots.get_label()): dots.get_offsets().tolist() for dots in axes.collections}
    assert marks["finished"] == [[0, 0.8], [3, 0.9], [4, 0.85]]
    assert marks["pruned"] == [[1, 0.7]]
    foot = marks["failed"][0][1]
    assert marks["further down"] == [[5, foot]]
    assert 0.01 < foot < 0.7
    assert axes.get_ylim()[0] < foot


@pytest.mark.parametrize("point", [Point(0, "failed", None, own=True), Point(0, "complete", 0.5, own=True)])
def test_one_trial_is_a_study_too(point: Point) -> None:
    axes = drawn(lambda: history([point], "qwk")).axes[0]
    assert [tick for tick in axes.get_xticks() if tick == int(tick)] == list(axes.get_xticks())


def test_the_most_important_setting_is_on_top_and_names_are_plain_text() -> None:
    axes = drawn(lambda: importance({"train.lr": 0.2, "model.$x$": 0.8, "text.width": 0.0})).axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["text.width", "train.lr", "model.$x$"]
    assert [bar.get_width() for bar in axes.patches] == [0.0, 0.2, 0.8]  # type: ignore[attr-defined]
