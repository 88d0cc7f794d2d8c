"""The figure of an ablation: a panel a group, of differences with their intervals or of a learning curve."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from shelfwise.errors import MissingExtraError

try:
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter
except ImportError as missing:
    raise MissingExtraError("matplotlib", "report") from missing

from shelfwise.reports.page import save_figure, series_colours, short

Panel = dict[str, Any]
"""`title`, `rows`, `labels` and `series`, as `tune.ablation_panels.panels` makes them."""

COLUMNS = 2
MOST_LETTERS = 26
"""Of a switch beside its line."""
MARKERS = ("o", "s", "D", "^", "v")
WIDE = 8.0
"""Points from which on small differences would vanish on a linear axis."""
PLAIN = 1.0
"""Points up to which a wide axis is linear."""


def write_ablation_plot(panels: Sequence[Panel], path: Path) -> None:
    """Write the figure as PNG on white, atomically; ValueError without a panel."""
    if not panels:
        raise ValueError("an ablation without a finished group has no figure")
    save_figure(lambda: ablation_figure(panels), path)


def ablation_figure(panels: Sequence[Panel]) -> Figure:
    """All panels, two side by side; one legend, since a series has one colour and marker throughout."""
    names = list(dict.fromkeys(name for panel in panels for name in panel["series"]))
    colours = series_colours()
    looks = {name: (colours[i % len(colours)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(names)}
    columns = min(COLUMNS, len(panels))
    heights = [max(map(_height, panels[i : i + columns])) for i in range(0, len(panels), columns)]
    room = ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.08)
    figure = Figure(figsize=(5.8 * columns, sum(heights) + 0.5), layout=room)
    grid = figure.subplots(ceil(len(panels) / columns), columns, squeeze=False, height_ratios=heights)
    for axes, panel in zip(grid.flat, panels, strict=False):
        draw = _differences if panel["rows"] is None else _learning_curve
        draw(axes, panel, looks)
        axes.set_title(panel["title"].capitalize(), fontweight="bold")
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    handles = [Line2D([], [], color=colour, marker=marker, ls="", ms=6) for colour, marker in looks.values()]
    figure.legend(handles, names, loc="outside upper left", ncols=2 if columns == 1 else 4, fontsize=9.5)
    return figure


def _height(panel: Panel) -> float:
    """Inches."""
    if panel["rows"] is not None:
        return 3.4
    return 0.95 + len(panel["labels"]) * (0.2 + 0.13 * len(panel["series"]))


def _differences(axes: Axes, panel: Panel, looks: dict[str, tuple[str, str]]) -> None:
    """A line a switch, a dot with its interval for each figure, in points."""
    labels, series = panel["labels"], panel["series"]
    step = 0.7 / max(len(series), 1)
    ends = [abs(100 * end) for points in series.values() for point in points if point for end in point]
    for number, (name, points) in enumerate(series.items()):
        colour, marker = looks[name]
        offset = (number - (len(series) - 1) / 2) * step
        for place, point in enumerate(points):
            if point is not None:
                value, low, high = (100 * end for end in point)
                axes.hlines(place + offset, low, high, color=colour, lw=2, alpha=0.45)
                axes.plot(value, place + offset, color=colour, marker=marker, ms=5, ls="")
    for line in range(len(labels) - 1):
        axes.axhline(line + 0.5, color=mpl.rcParams["grid.color"], lw=0.5)
    axes.axvline(0, color=mpl.rcParams["axes.labelcolor"], lw=1, ls=(0, (4, 4)), alpha=0.7, zorder=0)
    if max(ends, default=0.0) > WIDE:
        axes.set_xscale("symlog", linthresh=PLAIN, linscale=0.7)
        bounds = [100 * end for points in series.values() for point in points if point for end in point]
        axes.set_xticks(_wide_ticks(min(bounds), max(bounds)))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.margins(x=0.06)
    axes.xaxis.set_major_formatter(FuncFormatter(_signed))
    axes.set_yticks(range(len(labels)), [short(name, MOST_LETTERS) for name in labels])
    axes.set(xlabel="difference from the baseline, points", ylim=(len(labels) - 0.5, -0.5))
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)


def _learning_curve(axes: Axes, panel: Panel, looks: dict[str, tuple[str, str]]) -> None:
    """Figures over how many products were learned from, on a logarithmic axis."""
    rows = np.array(panel["rows"], dtype=float)
    for name, points in panel["series"].items():
        colour, marker = looks[name]
        known = np.array([point is not None for point in points])
        values = 100 * np.array([point for point in points if point is not None], dtype=float)
        axes.plot(rows[known], values[:, 0], color=colour, marker=marker, ms=5)
        axes.fill_between(rows[known], values[:, 1], values[:, 2], color=colour, alpha=0.15, lw=0)
    axes.set_xscale("log")
    axes.set_xticks(rows, panel["labels"])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(PercentFormatter(100, decimals=0))
    axes.set(xlabel="products to learn from", ylim=(0, 102))
    axes.margins(x=0.05)
    axes.grid(axis="both")


def _wide_ticks(low: float, high: float) -> list[float]:
    """Powers of ten and their triples within the bounds, thinned to leave the labels room."""
    steps = (1.0, 10.0, 100.0)
    both = [-step for step in reversed(steps)] + [0.0, *steps]
    inside = [tick for tick in both if low * 1.3 - 0.5 <= tick <= high * 1.3 + 0.5]
    return inside or [0.0]


def _signed(value: float, _place: int | None = None) -> str:
    return "0" if abs(value) < 1e-9 else f"{value:+g}".replace("-", "−")
