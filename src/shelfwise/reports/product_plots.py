"""The plots of a products bundle's page; each takes values and returns a figure in the current style.

Call them through `page.themed_figure` or `page.save_figure`, which set the style.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy import ndarray

from shelfwise.reports.page import plain_logarithm, series_colours
from shelfwise.reports.plots import FEWEST, Bins

MARKERS = "osD^vPX"
WINDOW = 0.25
"""Width of the running mean's kernel, in decades of training rows."""
RAREST = 1
"""Where classes without a training row are drawn."""


def accuracy_by_subset(figures: Mapping[str, Mapping[str, dict[str, Any]]]) -> Figure:
    """A dot with its 95% interval for each target (from top to bottom) and subset of the modalities.

    `figures` holds `value` and `ci95` by target and subset; subsets that were not measured are left out."""
    subsets = list(dict.fromkeys(subset for row in figures.values() for subset in row))
    figure = Figure(figsize=(6.6, 1.2 + len(figures) * (0.28 + 0.15 * len(subsets))))
    axes = figure.subplots()
    for i, subset in enumerate(subsets):
        places, found = [], []
        for row, by_subset in enumerate(figures.values()):
            if subset in by_subset:
                places.append(row + (i - (len(subsets) - 1) / 2) * 0.7 / len(subsets))
                found.append(by_subset[subset])
        bounds = np.array([one["ci95"] or [one["value"]] * 2 for one in found], dtype=float)
        colour = _colour(i)
        axes.hlines(places, bounds[:, 0], bounds[:, 1], color=colour, lw=3, alpha=0.45)
        axes.scatter(
            [one["value"] for one in found],
            places,
            s=34,
            color=colour,
            marker=MARKERS[i % len(MARKERS)],
            label=spoken(subset),
            linewidths=0,
            zorder=3,
        )
    axes.set_yticks(range(len(figures)), list(figures))
    axes.set_ylim(len(figures) - 0.45, -0.55)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper left", ncols=min(len(subsets), 4), handletextpad=0.2)
    return figure


def reliability_curves(bins: Mapping[str, Bins]) -> Figure:
    """Accuracy against stated probability, a curve for each subset, over how many products state which."""
    figure = Figure(figsize=(6.6, 5.8))
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    top.plot([0, 1], [0, 1], color=mpl.rcParams["axes.labelcolor"], lw=1, ls=(0, (4, 4)), alpha=0.7)
    for i, (subset, some) in enumerate(bins.items()):
        filled = np.array(some["count"]) >= FEWEST
        confidence = np.array(some["confidence"], dtype=float)[filled]
        accuracy = np.array(some["accuracy"], dtype=float)[filled]
        colour, marker = _colour(i), MARKERS[i % len(MARKERS)]
        top.plot(confidence, accuracy, color=colour, lw=1.4, marker=marker, ms=5, label=spoken(subset))
        below.stairs(some["count"], some["edges"], color=colour, lw=1.4)
    top.grid()
    top.set(xlim=(0, 1.02), ylim=(0, 1.03), ylabel="accuracy")
    top.legend(loc="upper left")
    below.set(xlabel="stated probability of the answer", ylabel="products")
    below.locator_params(axis="y", nbins=3)
    for axes in (top, below):
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    top.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


def accuracy_by_rows(per_class: Sequence[dict[str, Any]]) -> Figure:
    """Each tested class's accuracy against its training rows, a larger dot for more tested products.

    The line is a running mean over products: what a class of so many training rows can expect."""
    tested = [row for row in per_class if row["support"]]
    rows = np.array([max(row["train_rows"], RAREST) for row in tested], dtype=float)
    accuracy = np.array([row["recall"] for row in tested])
    support = np.array([row["support"] for row in tested], dtype=float)
    figure = Figure(figsize=(6.6, 4.4))
    axes = figure.subplots()
    colours = series_colours()
    axes.scatter(rows, accuracy, s=10 + 60 * np.sqrt(support / support.max()), alpha=0.5, linewidths=0)
    grid = np.geomspace(rows.min(), max(rows.max(), rows.min() * 1.01), 80)
    axes.plot(grid, running_mean(rows, accuracy, support, grid), color=colours[1], label="running mean")
    plain_logarithm(axes.xaxis)
    axes.set(xlabel="training products of the class", ylabel="accuracy", ylim=(-0.04, 1.04))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid()
    axes.legend(loc="lower right")
    return figure


def running_mean(
    rows: Float[ndarray, "K"],
    accuracy: Float[ndarray, "K"],
    support: Float[ndarray, "K"],
    grid: Float[ndarray, "G"],
) -> Float[ndarray, "G"]:
    """Mean accuracy around each place, classes weighted by tested products and nearness in log rows."""
    apart = (np.log10(grid)[:, None] - np.log10(rows)) / WINDOW
    # The nearest class keeps its weight however far it is, so that no place is without a mean.
    nearness = np.exp(-0.5 * (apart**2 - (apart**2).min(axis=1, keepdims=True)))
    weights = nearness * support
    return np.asarray((weights * accuracy).sum(axis=1) / weights.sum(axis=1))


def spoken(subset: str) -> str:
    """A subset such as `picture+text` as it is said."""
    return subset.replace("+", " + ")


def _colour(place: int) -> str:
    colours = series_colours()
    return colours[place % len(colours)]
