"""The figures of the report on a reviews file; each returns a function for `page.themed_figure`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shelfwise.errors import MissingExtraError

try:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
except ImportError as missing:
    raise MissingExtraError("matplotlib", "report") from missing

from shelfwise.reports.data_plots import Draw
from shelfwise.reports.page import series_colours

MOST_TICKS = 8


def ratings(counts: Sequence[int]) -> Draw:
    """How many reviews have 1 to 5 stars, with their shares."""

    def draw() -> Figure:
        figure = Figure(figsize=(6.2, 3.1))
        axes = figure.subplots()
        bars = axes.bar(range(1, 6), counts, 0.74, color=series_colours()[0])
        total = max(sum(counts), 1)
        axes.bar_label(bars, [f"{count / total:.1%}" for count in counts], padding=3, fontsize=9)
        axes.set_xticks(range(1, 6), [f"{star} ★" for star in range(1, 6)])
        axes.set_ylabel("reviews")
        axes.margins(y=0.12)
        axes.grid(axis="y")
        axes.tick_params(length=0)
        return figure

    return draw


def lengths(histogram: Mapping[str, Sequence[int]], unit: str) -> Draw:
    """How many texts have which length; the last bar takes all that are longer."""
    edges, counts = np.array(histogram["edges"]), histogram["counts"]
    width = int(edges[1] - edges[0]) if len(edges) > 1 else 1

    def draw() -> Figure:
        figure = Figure(figsize=(6.2, 3.1))
        axes = figure.subplots()
        axes.bar(edges, counts, width * 0.94, align="edge", color=series_colours()[0])
        axes.set(xlabel=f"{unit} of the text", ylabel="reviews")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y")
        return figure

    return draw


def months(rows: Sequence[Mapping[str, Any]]) -> Draw:
    """Mean stars by month, over how many reviews there were."""

    def draw() -> Figure:
        figure = Figure(figsize=(9.6, 3.6))
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        places = np.arange(len(rows))
        top.plot(places, [np.nan if row["mean"] is None else row["mean"] for row in rows], marker="o", ms=4)
        top.set(ylabel="mean stars", ylim=(0.9, 5.1))
        top.grid(axis="y")
        below.bar(places, [sum(row["counts"]) + row["without"] for row in rows], color=series_colours()[4])
        below.set_ylabel("reviews")
        below.locator_params(axis="y", nbins=3)
        shown = list(range(0, len(rows), -(-len(rows) // MOST_TICKS)))
        below.set_xticks(shown, [rows[place]["month"] for place in shown])
        below.tick_params(axis="x", length=0)
        return figure

    return draw


def typical_words(words: Sequence[Mapping[str, Any]], colour: int) -> Draw:
    """z-scores of the words most typical of some stars, the surest on top."""

    def draw() -> Figure:
        figure = Figure(figsize=(6.2, 0.9 + 0.25 * len(words)))
        axes = figure.subplots()
        places = range(len(words))
        axes.barh(places, [abs(word["z"]) for word in words], 0.72, color=series_colours()[colour])
        axes.set_yticks(places, [word["word"] for word in words])
        axes.invert_yaxis()
        axes.set_xlabel("z-score")
        axes.margins(y=0.01)
        axes.grid(axis="x")
        axes.tick_params(length=0)
        return figure

    return draw


def products(by_reviews: Mapping[str, int]) -> Draw:
    """How many products have how many reviews."""

    def draw() -> Figure:
        figure = Figure(figsize=(6.2, 3.1))
        axes = figure.subplots()
        names = list(by_reviews)[::-1]
        bars = axes.barh(
            range(len(names)), [by_reviews[name] for name in names], 0.72, color=series_colours()[0]
        )
        axes.bar_label(bars, [f"{by_reviews[name]:,}" for name in names], padding=4, fontsize=8.5)
        axes.set_yticks(range(len(names)), names)
        axes.set(xlabel="products", ylabel="reviews of a product")
        axes.margins(x=0.1, y=0.01)
        axes.tick_params(length=0)
        return figure

    return draw
