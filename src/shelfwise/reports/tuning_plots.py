"""The plots of a study; each takes plain values and returns a figure in the current style.

Call them through `page.save_figure`, which sets the style.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from shelfwise.reports.page import series_colours


class Point(NamedTuple):
    """One trial as it is drawn."""

    number: int
    state: Literal["complete", "pruned", "failed"]
    score: float | None
    """None of a failed one."""
    own: bool = False
    """Whether it is of the configuration as it is."""


def history(points: Sequence[Point], metric: str) -> Figure:
    """Scores by trial, pruned ones hollow, failed ones at the foot, and the best one so far as steps.

    Scores far below the others become arrows at the foot, lest they press the rest together."""
    figure = Figure(figsize=(8.4, 4.2))
    axes = figure.subplots()
    colours, last = series_colours(), max(point.number for point in points)
    finished = [(p.number, p.score) for p in points if p.state == "complete" and p.score is not None]
    own = next((p.score for p in points if p.own and p.state == "complete"), None)
    low, high = _limits([point.score for point in points if point.score is not None], own)
    if finished:
        numbers = [number for number, _ in finished] + [last]
        best = np.maximum.accumulate(np.array([score for _, score in finished]))
        axes.step(numbers, [*best, best[-1]], where="post", alpha=0.7, label="best so far", zorder=2)
    _scatter(axes, points, "complete", low, marker="o", color=colours[0], label="finished")
    _scatter(axes, points, "pruned", low, marker="o", facecolors="white", edgecolors=colours[4])
    _scatter(axes, points, "failed", low, marker="x", color=colours[3])
    if own is not None:
        ink = mpl.rcParams["axes.labelcolor"]
        axes.axhline(own, color=ink, lw=1, ls=(0, (4, 4)), alpha=0.6, label="the config as it is", zorder=1)
    margin = (high - low) * 0.07
    axes.set(xlabel="trial", ylabel=f"validation {metric}", ylim=(low - margin, high + margin))
    axes.set_xlim(-0.5 - 0.01 * last, last + 0.5 + 0.01 * last)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(axis="y")
    figure.legend(loc="outside upper left", ncols=6, handletextpad=0.5, columnspacing=1.1)
    return figure


def _scatter(axes: Axes, points: Sequence[Point], state: str, foot: float, **style: Any) -> None:
    """All trials of one state; at the foot stand those without a score and, as arrows, those below it."""
    some = [point for point in points if point.state == state]
    style = {"s": 38, "zorder": 3, "label": state, **style}
    for below in (False, True):
        shown = [point for point in some if below == (point.score is not None and point.score < foot)]
        if shown:
            heights = [foot if below or point.score is None else point.score for point in shown]
            axes.scatter([point.number for point in shown], heights, **style)
        told = "further down" in axes.get_legend_handles_labels()[1]
        style |= {"marker": "v", "label": "_" if told else "further down"}


def importance(shares: Mapping[str, float]) -> Figure:
    """A bar for each setting, the most important one on top; shares add up to 1."""
    shown = sorted(shares.items(), key=lambda pair: pair[1])
    figure = Figure(figsize=(7.2, 1.1 + 0.42 * len(shown)))
    axes = figure.subplots()
    places = range(len(shown))
    axes.barh(places, [share for _, share in shown], height=0.6, color=series_colours()[0])
    for place, (_, share) in enumerate(shown):
        axes.annotate(
            f"{share:.0%}",
            (share, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=9.5,
        )
    axes.set_yticks(places, [name for name, _ in shown])
    axes.set(xlim=(0, max([share for _, share in shown], default=1) * 1.15 or 1), xticks=[])
    axes.set_xlabel("share in what sets the best trials apart", loc="left")
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)
    return figure


def _limits(scores: Sequence[float], shown: float | None) -> tuple[float, float]:
    """Where the scores begin and end, without a few that are far below `shown` and most others."""
    if not scores:
        return 0.0, 1.0
    high = max(scores)
    middle = float(np.median(scores))
    low = max(min(scores), middle - 3 * max(high - middle, 1e-3))
    low = low if shown is None else min(low, shown)
    return (low, high) if high > low else (low - 0.01, high + 0.01)
