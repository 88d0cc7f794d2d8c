"""The plots of the model report; each takes values and returns a figure in the current style.

Call them through `page.themed_figure` or `page.save_figure`, which set the style.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from shelfwise.reports.page import SERIES_LIGHT, series_colours, short, themed_figure

Bins = dict[str, Any]
"""`edges`, `count`, `confidence`, `accuracy` of a reliability diagram, as in metrics.json."""

FEWEST = 5
"""A bin with fewer rows than this is left out of the reliability diagram."""
MOST_LETTERS = 18
"""Of a class on an axis of the confusion matrix."""


def reliability_diagram(before: Bins, after: Bins) -> Figure:
    """Accuracy against confidence, before and after temperature scaling, over how many rows there are."""
    figure = Figure(figsize=(7.2, 6.2))
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    colours = series_colours()
    ink = mpl.rcParams["axes.labelcolor"]
    top.plot([0, 1], [0, 1], color=ink, lw=1, ls=(0, (4, 4)), alpha=0.7)
    for bins, name, colour, marker in (
        (before, "before scaling", colours[1], "s"),
        (after, "after scaling", colours[0], "o"),
    ):
        filled = np.array(bins["count"]) >= FEWEST
        confidence = np.array(bins["confidence"], dtype=float)[filled]
        accuracy = np.array(bins["accuracy"], dtype=float)[filled]
        sizes = 14 + 110 * np.sqrt(np.array(bins["count"])[filled] / max(bins["count"]))
        top.plot(confidence, accuracy, color=colour, lw=1.2, alpha=0.6)
        top.scatter(confidence, accuracy, s=sizes, color=colour, marker=marker, label=name, linewidths=0)
    top.grid()
    top.set(xlim=(0, 1.02), ylim=(0, 1.03), ylabel="accuracy")
    legend = top.legend(loc="lower right")
    for handle in legend.legend_handles:
        if handle is not None and hasattr(handle, "set_sizes"):
            handle.set_sizes([36])
    edges = np.array(after["edges"])
    below.bar(
        edges[:-1], after["count"], width=np.diff(edges) * 0.9, align="edge", color=colours[0], alpha=0.75
    )
    below.set(xlabel="stated probability of the answer", ylabel="rows")
    for axes in (top, below):
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    top.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    below.locator_params(axis="y", nbins=3)
    return figure


def confusion_heat_map(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> Figure:
    """Rows by label and answer, shaded by share of the label's rows; numbers are rows (up to 20 classes)."""
    counts = np.array(confusion, dtype=float)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(4.2 + 0.42 * len(classes), 14)
    figure = Figure(figsize=(side + 0.6, side))
    axes = figure.subplots()
    accent = series_colours()[0]
    shades = mpl.colors.LinearSegmentedColormap.from_list("shade", [f"{accent}00", accent])
    axes.imshow(np.sqrt(share), cmap=shades, vmin=0, vmax=1)
    if len(classes) <= 20:
        on_light, on_strong = mpl.rcParams["text.color"], "white" if accent in SERIES_LIGHT else "#10201e"
        for row, column in np.argwhere(counts > 0):
            ink = on_strong if share[row, column] > 0.4 else on_light
            axes.text(column, row, f"{counts[row, column]:.0f}", ha="center", va="center", size=9, color=ink)
    places = range(len(classes))
    axes.set_xticks(places, [short(name, MOST_LETTERS) for name in classes], rotation=45, ha="right")
    axes.set_yticks(places, [short(name, MOST_LETTERS) for name in classes])
    axes.set(xlabel="answer", ylabel="label")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def heat_cells(
    confusion: Sequence[Sequence[int]], classes: Sequence[str]
) -> list[tuple[str, list[tuple[str, float]]]]:
    """The same as cells of a page's table: each row's name, and its numbers with their shades.

    Shades are square roots of the shares, so that rare confusions show."""
    rows = []
    for name, counts in zip(classes, confusion, strict=True):
        total = max(sum(counts), 1)
        rows.append((name, [(str(n) if n else "·", (n / total) ** 0.5) for n in counts]))
    return rows


CURVES = {
    "loss": "training loss",
    "val_accuracy": "validation accuracy",
    "val_qwk": "validation kappa",
    "lr": "learning rate",
    "val_micro_f1": "validation micro-F1",
}
"""The journal's keys that are drawn, and their names."""


def curve_keys(journal: Sequence[dict[str, Any]]) -> list[str]:
    """The keys of CURVES that the journal has numbers for."""
    return [key for key in CURVES if _series(journal, key) is not None]


def curve_panels(journal: Sequence[dict[str, Any]]) -> list[Markup]:
    """A small figure for a page for each of `curve_keys(journal)`."""
    return [
        themed_figure(partial(learning_curves, journal, [key]), alt=CURVES[key])
        for key in curve_keys(journal)
    ]


def learning_curves(journal: Sequence[dict[str, Any]], keys: Sequence[str]) -> Figure:
    """One panel beside the other for each of `keys`, which are among `curve_keys(journal)`."""
    figure = Figure(figsize=(0.4 + 3.9 * len(keys), 3.1))
    for axes, key in zip(np.atleast_1d(figure.subplots(1, len(keys))), keys, strict=True):
        place, values = _series(journal, key) or ([], [])
        colour = series_colours()[list(CURVES).index(key)]
        axes.plot(place, values, marker="o" if len(values) < 12 else None, ms=4, color=colour)
        axes.grid(axis="y")
        axes.set(title=CURVES[key], xlabel=_axis(journal))
        axes.margins(x=0.02)
        if key == "val_accuracy":
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
    return figure


def differences(metrics: dict[str, Any]) -> Figure:
    """B - A of each headline in percentage points, with its 95% interval, for metrics between 0 and 1."""
    shown = [
        (name, row["difference"])
        for name, row in metrics.items()
        if row["difference"]["ci95"] and not name.startswith("nll")
    ][::-1]
    figure = Figure(figsize=(10.5, 1 + 0.36 * len(shown)))
    axes = figure.subplots()
    middle = np.array([100 * row["value"] for _, row in shown])
    bounds = 100 * np.array([row["ci95"] for _, row in shown])
    axes.axvline(0, color=mpl.rcParams["axes.labelcolor"], lw=1, ls=(0, (4, 4)), alpha=0.7)
    axes.hlines(range(len(shown)), bounds[:, 0], bounds[:, 1], color=series_colours()[0], lw=3, alpha=0.5)
    axes.scatter(middle, range(len(shown)), s=42, zorder=3)
    axes.set_yticks(range(len(shown)), [name.replace("_", " ") for name, _ in shown])
    axes.set(xlabel="B - A, percentage points")
    axes.grid(axis="x")
    axes.tick_params(length=0)
    return figure


def _series(journal: Sequence[dict[str, Any]], key: str, most: int = 400) -> tuple[Any, Any] | None:
    """Return the places and finite values of one key, thinned; None where there are none."""
    axis = _axis(journal)
    pairs = [
        (record[axis], record[key])
        for record in journal
        if isinstance(record.get(key), int | float) and isinstance(record.get(axis), int | float)
    ]
    pairs = [pair for pair in pairs if np.isfinite(pair).all()]
    if not pairs:
        return None
    thinned = np.array(pairs, dtype=float)[:: max(1, len(pairs) // most)]
    return thinned[:, 0], thinned[:, 1]


def _axis(journal: Sequence[dict[str, Any]]) -> str:
    return "epoch" if all("epoch" in record for record in journal) else "step"
