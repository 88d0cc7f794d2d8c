"""The plots of the reviews report; each takes summaries and returns a figure in the current style.

Call them through `page.themed_figure`, which sets the style.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from shelfwise.reports.page import number, series_colours
from shelfwise.schema import AspectSummary, PeriodSummary, ProductSummary

MOST_TICKS = 8


def star_shares(summary: ProductSummary) -> Figure:
    """Shares of 1 to 5 stars, as buyers gave them and as their texts read."""
    figure = Figure(figsize=(6.2, 3.3))
    axes = figure.subplots()
    shown = [("given", summary.given, 1), ("by the text", summary.decided, 0)]
    shown = [(name, counts, colour) for name, counts, colour in shown if sum(counts)]
    width = 0.8 / max(len(shown), 1)
    for place, (name, counts, colour) in enumerate(shown):
        shares = np.array(counts) / sum(counts)
        left = np.arange(1, 6) + (place - (len(shown) - 1) / 2) * width
        axes.bar(left, shares, width * 0.92, label=name, color=series_colours()[colour])
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xticks(range(1, 6), [f"{star} ★" for star in range(1, 6)])
    axes.tick_params(length=0)
    axes.grid(axis="y")
    axes.set_ylabel("reviews")
    if shown:
        axes.legend(loc="upper left")
    return figure


def aspect_shares(aspects: Sequence[AspectSummary]) -> Figure:
    """The share of praise of each aspect with its interval, most mentioned on top; `aspects` have one."""
    shown = list(aspects)[::-1]
    figure = Figure(figsize=(5.8, 0.9 + 0.5 * len(shown)))
    axes = figure.subplots()
    places = range(len(shown))
    ink, colour = mpl.rcParams["axes.labelcolor"], series_colours()[0]
    axes.axvline(0.5, color=ink, lw=1, ls=(0, (4, 4)), alpha=0.6)
    axes.hlines(places, [a.low or 0 for a in shown], [a.high or 0 for a in shown], colour, lw=5, alpha=0.35)
    axes.scatter([a.share_positive or 0 for a in shown], places, s=62, color=colour, zorder=3)
    for place, aspect in zip(places, shown, strict=True):
        axes.annotate(
            f"{aspect.share_positive or 0:.0%}",
            (aspect.share_positive or 0, place),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )
    axes.set_yticks(places, [f"{aspect.aspect}  ({number(aspect.mentions)})" for aspect in shown])
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.6, len(shown) - 0.3), xlabel="share of mentions that praise")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(length=0)
    return figure


def stars_over_time(periods: Sequence[PeriodSummary]) -> Figure:
    """Mean expected stars by period, over how many reviews there were."""
    figure = Figure(figsize=(9.6, 3.6))
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    places = np.arange(len(periods))
    stars = [np.nan if period.stars is None else period.stars for period in periods]
    top.plot(places, stars, marker="o", ms=4)
    top.set(ylabel="expected stars", ylim=_star_limits(stars))
    top.grid(axis="y")
    below.bar(places, [period.reviews for period in periods], color=series_colours()[0], alpha=0.6)
    below.set_ylabel("reviews")
    below.locator_params(axis="y", nbins=3)
    _name_periods(below, periods)
    return figure


def aspects_over_time(periods: Sequence[PeriodSummary], aspects: Sequence[str]) -> Figure:
    """One small panel for each aspect: the share of praise by period, with gaps where mentions are few."""
    columns = min(len(aspects), 3)
    rows = -(-len(aspects) // columns)
    figure = Figure(figsize=(3.2 * columns + 0.6, 2.1 * rows + 0.3))
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten()
    for axes, aspect in zip(grid, aspects, strict=False):
        shares = [period.share_positive.get(aspect) for period in periods]
        axes.plot(range(len(periods)), [np.nan if s is None else s for s in shares], marker="o", ms=3, lw=1.4)
        axes.set(title=aspect, ylim=(-0.03, 1.03))
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.grid(axis="y")
        _name_periods(axes, periods, most=3)
    for axes in grid[len(aspects) :]:
        axes.set_visible(False)
    return figure


def _star_limits(stars: Sequence[float]) -> tuple[float, float]:
    """At least one star high, so that nothing looks like a cliff that is none."""
    known = [value for value in stars if not np.isnan(value)] or [3.0]
    middle, half = (min(known) + max(known)) / 2, max(0.5, (max(known) - min(known)) / 2 * 1.15)
    return max(0.9, middle - half), min(5.1, middle + half)


def _name_periods(axes: mpl.axes.Axes, periods: Sequence[PeriodSummary], most: int = MOST_TICKS) -> None:
    """A few evenly spread names; all of many would run into each other."""
    places = range(0, len(periods), -(-len(periods) // most))
    axes.set_xticks(list(places), [periods[place].period for place in places])
    axes.tick_params(axis="x", length=0)
