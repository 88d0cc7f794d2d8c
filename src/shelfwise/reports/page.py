"""Self-contained HTML pages: templates, pictures and figures that suit light and dark, all in one file.

A report extends `templates/base.html` and imports `templates/macros.html`; nothing is fetched from anywhere.
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from shelfwise.errors import MissingExtraError
from shelfwise.files import replacing, write_json

try:
    import matplotlib as mpl
    from cycler import cycler
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.ticker import LogFormatter
except ImportError as missing:
    raise MissingExtraError("matplotlib", "report") from missing
try:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup
except ImportError as missing:
    raise MissingExtraError("jinja2", "report") from missing

SERIES_LIGHT = ("#0f766e", "#b45309", "#4f5fb0", "#9d3a5d", "#6b7280")
SERIES_DARK = ("#5cc8bb", "#f0a860", "#9ba9f0", "#ea8fb0", "#a3a9b5")
_INK = {"light": "#3d424c", "dark": "#c4c8d0", "neutral": "#7b818c"}
_UNDRAWN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML, and so SVG, cannot hold."""
_LINE = {"light": "#d9d7d0", "dark": "#3a404b", "neutral": "#9a9fa9"}


def figure_style(theme: str = "neutral") -> dict[str, Any]:
    """Return matplotlib settings for `theme` (light, dark, or neutral, which is legible on both).

    Text is set as it is: nothing is mathematics. A logarithmic axis wants `plain_logarithm`."""
    ink, line = _INK[theme], _LINE[theme]
    series = SERIES_DARK if theme == "dark" else SERIES_LIGHT
    return {
        "figure.facecolor": "none",
        "savefig.facecolor": "none",
        "axes.facecolor": "none",
        "figure.constrained_layout.use": True,
        "font.family": "sans-serif",
        "font.size": 10.5,
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.titlecolor": ink,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "axes.edgecolor": line,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.prop_cycle": cycler(color=series),
        "grid.color": line,
        "grid.linewidth": 0.6,
        "xtick.color": line,
        "ytick.color": line,
        "xtick.labelcolor": ink,
        "ytick.labelcolor": ink,
        "legend.frameon": False,
        "lines.linewidth": 1.8,
        "text.parse_math": False,  # names of classes and settings may have `$`
        "svg.fonttype": "none",
        "svg.hashsalt": "shelfwise",
    }


def themed_figure(draw: Callable[[], Figure], *, alt: str) -> Markup:
    """Draw a figure once for light and once for dark, as a `<picture>` that follows the reader's setting.

    `draw` builds a `matplotlib.figure.Figure` (not pyplot: no global state) and takes its colours from the
    current style, so `axes.plot` and friends need no colour arguments; `series_colours()` has the palette."""
    light, dark = (figure_uri(_drawn(draw, theme)) for theme in ("light", "dark"))
    return Markup(
        '<picture><source media="(prefers-color-scheme: dark)" srcset="{}"><img src="{}" alt="{}"></picture>'
    ).format(dark, light, alt)


def series_colours() -> list[str]:
    """Return the current style's series colours, for use inside `draw`."""
    return [str(entry["color"]) for entry in mpl.rcParams["axes.prop_cycle"]]


def short(name: str, most: int) -> str:
    """Return a name that fits where `most` characters do."""
    return name if len(name) <= most else name[: most - 1] + "…"


def plain_logarithm(axis: Axis) -> None:
    """Make an axis logarithmic with plain numbers; matplotlib's own powers are mathematics."""
    axes = axis.axes
    (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log")
    axis.set_major_formatter(_PlainNumbers())
    axis.set_minor_formatter(_PlainNumbers())


class _PlainNumbers(LogFormatter):
    """The ticks that matplotlib would name, as `1,000` and `0.01`."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        if not super().__call__(x, pos):
            return ""
        return f"{x:,.0f}" if x >= 1 else np.format_float_positional(x, 6, fractional=False, trim="-")


def figure_uri(figure: Figure, *, kind: str = "svg", dpi: int = 144) -> str:
    """Return a data URI (`svg` or `png`) of a figure, with no date in it: the same figure, the same bytes.

    A figure drawn outside `themed_figure` is best drawn under `rc_context(figure_style())`."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "shelfwise", "text.parse_math": False}):
        figure.savefig(buffer, format=kind, dpi=dpi, metadata={"Date": None} if kind == "svg" else None)
    return _uri(buffer.getvalue(), "image/svg+xml" if kind == "svg" else f"image/{kind}")


def save_figure(draw: Callable[[], Figure], path: Path, *, dpi: int = 144) -> None:
    """Write the light version of a figure as PNG on white, atomically."""
    figure = _drawn(draw, "light")
    with replacing(path) as partial, mpl.rc_context({"text.parse_math": False}):
        figure.savefig(partial, format="png", dpi=dpi, facecolor="white")


def picture_uri(pixels: UInt8[ndarray, "H W C"], scale: int = 1) -> str:
    """Return a PNG data URI of a grey (C = 1) or colour picture, each pixel repeated `scale` times."""
    grid = np.repeat(np.repeat(pixels, scale, axis=0), scale, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(grid[..., 0] if grid.shape[2] == 1 else grid).save(buffer, format="PNG", optimize=True)
    return _uri(buffer.getvalue(), "image/png")


def render(template: str, **context: Any) -> str:
    """Return the HTML of `templates/<template>`; text is escaped, and an unset name is an error."""
    return _environment().get_template(template).render(**context)


def write_page(path: Path, html: str) -> None:
    """Write a page, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_text(html, encoding="utf-8")


def write_report(
    folder: Path, name: str, numbers: dict[str, Any], drawn: Mapping[str, Callable[[], Figure]], html: str
) -> Path:
    """Write numbers, plots (by the PNG's name) and `report.html` into `folder`; return the page's path.

    Each file is whole or not there at all."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / name, numbers)
    for stem, draw in drawn.items():
        save_figure(draw, folder / f"{stem}.png")
    write_page(folder / "report.html", html)
    return folder / "report.html"


def percent(value: float | int | None, digits: int = 2) -> str:
    """Return a fraction as a percentage, `93.41%`; a dash for None and NaN."""
    return "–" if value is None or math.isnan(value) else f"{100 * value:.{digits}f}%"


def points(value: float | int | None, digits: int = 2) -> str:
    """Return a difference of fractions in percentage points with its sign, `+0.31` or `−0.15`."""
    if value is None or math.isnan(value):
        return "–"
    return f"{100 * value:+.{digits}f}".replace("-", "−")


def number(value: float | int | None, digits: int | None = None) -> str:
    """Return a number with thousands separated by no-break spaces; four significant digits unless told."""
    if value is None or math.isnan(value):
        return "–"
    if digits is None:
        digits = 0 if value == int(value) or abs(value) >= 1000 else (1 if abs(value) >= 100 else 3)
    return f"{value:,.{digits}f}".replace(",", "\u202f")


def duration(seconds: float | int | None) -> str:
    """Return a time as a person says it: `870 µs`, `3.2 ms`, `41 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None or math.isnan(seconds):
        return "–"
    for limit, factor, unit in ((1e-3, 1e6, "µs"), (1, 1e3, "ms")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _drawn(draw: Callable[[], Figure], theme: str) -> Figure:
    style: Any = figure_style(theme)
    with mpl.rc_context(style):
        figure = draw()
        _strip_controls(figure)
        return figure


def _strip_controls(figure: Figure) -> None:
    """Take out of all text what no SVG may hold and no font can draw, such as vertical tabs."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            names = [label.get_text() for label in axis.get_majorticklabels()]
            if any(map(_UNDRAWN.search, names)):  # else its formatter would write them anew
                axis.set_ticks(axis.get_majorticklocs(), [_UNDRAWN.sub("", name) for name in names])
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_text(_UNDRAWN.sub("", text.get_text()))


def _uri(data: bytes, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, number=number, points=points, duration=duration)
    return environment
