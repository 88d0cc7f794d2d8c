"""The figure of an ablation: every panel drawn, wide and narrow, with gaps, and nothing cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from shelfwise.reports.ablation_plot import ablation_figure, write_ablation_plot
from shelfwise.reports.page import figure_style

NARROW = {
    "title": "losses",
    "rows": None,
    "labels": ["no contrast", "a name that is far too long to be shown whole"],
    "series": {
        "category from picture": [(0.01, -0.01, 0.03), (0.0, -0.01, 0.01)],
        "R@10": [None, (0.02, 0.0, 0.04)],
    },
}
WIDE: dict[str, Any] = {
    **NARROW,
    "title": "fusion",
    "series": {"R@10": [(-0.8, -0.9, -0.7), (0.01, 0.0, 0.02)]},
}
CURVE = {
    "title": "learning curve",
    "rows": [200, 1000],
    "labels": ["200", "1,000"],
    "series": {"category from picture": [(0.5, 0.4, 0.6), (0.7, 0.6, 0.8)], "R@10": [None, (0.2, 0.1, 0.3)]},
}


def test_differences_and_curves_have_their_axes() -> None:
    style: Any = figure_style("light")
    with mpl.rc_context(style):
        figure = ablation_figure([NARROW, WIDE, CURVE])
    losses, fusion, curve = (axes for axes in figure.axes if axes.get_title(loc="left"))
    assert losses.get_xscale() == "linear"
    assert fusion.get_xscale() == "symlog"
    assert curve.get_xscale() == "log"
    assert losses.get_yticklabels()[0].get_text() == "no contrast"
    assert losses.get_yticklabels()[1].get_text().endswith("…")
    assert [text.get_text() for text in curve.get_xticklabels()] == ["200", "1,000"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["category from picture", "R@10"]


def test_the_picture_is_light_and_nothing_touches_its_edge(tmp_path: Path) -> None:
    write_ablation_plot([NARROW, WIDE, CURVE], tmp_path / "ablation.png")
    pixels = np.asarray(Image.open(tmp_path / "ablation.png").convert("RGB"))
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 255).all()
    with pytest.raises(ValueError, match="no figure"):
        write_ablation_plot([], tmp_path / "none.png")
