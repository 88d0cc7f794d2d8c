"""The figures of the data report; each returns a function that draws it, for `page.themed_figure`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray

from shelfwise.errors import MissingExtraError

try:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
except ImportError as missing:
    raise MissingExtraError("matplotlib", "report") from missing

from shelfwise.reports.page import plain_logarithm, series_colours, short

MOST_BARS = 30
MOST_LETTERS = 28
"""Of a name beside its bar."""
Draw = Callable[[], Figure]


def class_balance(counts: Sequence[tuple[str, int]]) -> Draw:
    """Horizontal bars, the most frequent class on top; beyond 30 classes the rest is one bar."""
    shown = list(counts[:MOST_BARS])
    if len(counts) > MOST_BARS:
        rest = counts[MOST_BARS:]
        shown.append((f"{len(rest)} further classes", sum(n for _, n in rest)))

    def draw() -> Figure:
        figure = Figure(figsize=(7, 0.7 + 0.24 * len(shown)))
        axes = figure.subplots()
        colours = [series_colours()[0]] * len(shown)
        if len(counts) > MOST_BARS:
            colours[-1] = series_colours()[4]
        names = [short(name, MOST_LETTERS) for name, _ in shown]
        bars = axes.barh(range(len(shown)), [n for _, n in shown], color=colours, height=0.72)
        axes.bar_label(bars, [f"{n:,}" for _, n in shown], padding=4, fontsize=8.5)
        axes.set_yticks(range(len(shown)), names)
        axes.invert_yaxis()
        axes.margins(x=0.1, y=0.01)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(length=0)
        return figure

    return draw


def long_tail(counts: Sequence[int]) -> Draw:
    """Rows per class by rank, on logarithmic axes."""

    def draw() -> Figure:
        figure = Figure(figsize=(7, 2.9))
        axes = figure.subplots()
        ranks = np.arange(1, len(counts) + 1)
        axes.fill_between(ranks, counts, 0.8, step="mid", alpha=0.25)
        axes.step(ranks, counts, where="mid")
        plain_logarithm(axes.yaxis)
        axes.set(xlabel="class, by rank", ylabel="rows", xlim=(0.5, len(counts) + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y")
        return figure

    return draw


def brightness(counts: Int64[ndarray, "256"]) -> Draw:
    """The share of pixels at each grey level."""

    def draw() -> Figure:
        figure = Figure(figsize=(7, 2.6))
        axes = figure.subplots()
        share = counts / max(counts.sum(), 1)
        axes.fill_between(np.arange(256), share, 0, step="mid", alpha=0.85, linewidth=0)
        positive = share[share > 0]
        if len(positive) and positive.max() > 50 * np.median(positive):
            plain_logarithm(axes.yaxis)
        axes.set(xlabel="brightness, 0 black to 255 white", ylabel="share of pixels", xlim=(0, 255))
        axes.grid(axis="y")
        return figure

    return draw


def picture_sizes(sizes: Counter[tuple[int, int]]) -> Draw:
    """Width against height, a dot for each size, its area by the number of pictures."""

    def draw() -> Figure:
        figure = Figure(figsize=(7, 3.1))
        axes = figure.subplots()
        known = [(w, h, n) for (w, h), n in sizes.most_common(2_000) if w]
        width, height, count = (np.array(column, dtype=float) for column in zip(*known, strict=True))
        axes.scatter(width, height, 12 + 300 * count / count.max(), alpha=0.55, linewidth=0)
        edge = 1.08 * max(width.max(), height.max())
        axes.plot([0, edge], [0, edge], color=series_colours()[4], linewidth=0.8, linestyle=":")
        axes.set(xlabel="width, pixels", ylabel="height, pixels", xlim=(0, edge), ylim=(0, edge))
        axes.grid()
        return figure

    return draw


def text_lengths(words: Counter[int], unit: str) -> Draw:
    """How many texts have how many words or characters."""

    def draw() -> Figure:
        figure = Figure(figsize=(7, 2.6))
        axes = figure.subplots()
        lengths, weights = np.array(sorted(words.items())).T
        bins = min(60, int(lengths.max() - lengths.min()) + 1)
        edges = np.linspace(lengths.min() - 0.5, lengths.max() + 0.5, bins + 1)
        axes.hist(lengths, bins=list(edges), weights=weights, rwidth=0.88)
        axes.set(xlabel=f"{unit} in a text", ylabel="texts")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y")
        return figure

    return draw


def inflation_bars(names: Sequence[str], values: Float[ndarray, "T 3"]) -> Draw:
    """For each label the points that a row split adds, with the interval (value, low, high)."""

    def draw() -> Figure:
        figure = Figure(figsize=(7, 0.9 + 0.34 * len(names)))
        axes = figure.subplots()
        points = 100 * values
        spread = np.abs(points[:, 1:].T - points[:, 0])
        axes.axvline(0, color=series_colours()[4], linewidth=0.8)
        axes.errorbar(points[:, 0], range(len(names)), xerr=spread, fmt="o", capsize=3, markersize=6)
        axes.set_yticks(range(len(names)), [short(name, MOST_LETTERS) for name in names])
        axes.invert_yaxis()
        axes.margins(y=0.12)
        axes.set_xlabel("points of accuracy that a naive row split adds")
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        return figure

    return draw
