"""The page that says how well a reviews bundle reads, and the page that compares two.

`write_review_report(metrics, journal, folder)` writes `metrics.json`, `report.html` and the PNGs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from shelfwise.reports import plots
from shelfwise.reports.page import (
    number,
    percent,
    render,
    save_figure,
    themed_figure,
    write_json,
    write_page,
)

NAMES = {
    "accuracy": "Right stars",
    "qwk": "Quadratic weighted kappa",
    "macro_f1": "Macro F1 of the stars",
    "mae": "Expected stars, mean distance",
    "r2": "Expected stars, R²",
    "sentiment_macro_f1": "Three-way sentiment, macro F1",
    "recommended_auc": "Recommended, AUROC",
}
"""Headlines as the page calls them, in its order."""
SHARES = ("accuracy", "macro_f1", "sentiment_macro_f1")
"""Those that are shown as percentages."""
STAR_NAMES = [f"{k} star{'s' if k > 1 else ''}" for k in range(1, 6)]


def write_review_report(metrics: dict[str, Any], journal: Sequence[dict[str, Any]], folder: Path) -> Path:
    """Write metrics, page and plots into `folder`, each file whole or not at all; return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "metrics.json", metrics)
    for name, draw in figures(metrics, journal).items():
        save_figure(draw, folder / f"{name}.png")
    write_page(folder / "report.html", review_report(metrics, journal))
    return folder / "report.html"


def review_report(metrics: dict[str, Any], journal: Sequence[dict[str, Any]]) -> str:
    """Return the page."""
    drawn = figures(metrics, journal)
    curves = [
        themed_figure(partial(plots.learning_curves, journal, [key]), alt=plots.CURVES[key])
        for key in plots.curve_keys(journal)
    ]
    sections = [("headlines", "Headlines"), ("stars", "Stars"), ("calibration", "Calibration")]
    sections += [("lengths", "Lengths"), ("errors", "Errors")]
    sections += [("training", "Training")] if curves else []
    return render(
        "review_report.html",
        kicker="Reviews report",
        title=metrics["bundle"]["name"],
        lead=_lead(metrics),
        sections=[*sections, ("provenance", "Provenance")],
        m=metrics,
        names=NAMES,
        said=shown,
        heat=_heat(metrics["test"]["confusion"]),
        stars=STAR_NAMES,
        reliability=themed_figure(drawn["reliability"], alt="reliability"),
        curves=curves,
        config=json.dumps(metrics["provenance"]["config"], indent=2),
    )


def write_review_comparison(comparison: dict[str, Any], folder: Path) -> Path:
    """Write `comparison.json` and `report.html`; return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "comparison.json", comparison)
    a, b = comparison["a"]["name"], comparison["b"]["name"]
    page = render(
        "review_comparison.html",
        kicker="Comparison of A and B",
        title=f"{a} and {b}",
        lead=f"Both read the same {number(comparison['rows'])} reviews; differences are paired.",
        sections=[("differences", "Differences")],
        c=comparison,
        names=NAMES,
        said=shown,
    )
    write_page(folder / "report.html", page)
    return folder / "report.html"


def figures(metrics: dict[str, Any], journal: Sequence[dict[str, Any]]) -> dict[str, Callable[[], Figure]]:
    """Return what draws each plot, by the name of its PNG."""
    test = metrics["test"]
    drawn: dict[str, Callable[[], Figure]] = {
        "confusion": partial(plots.confusion_heat_map, test["confusion"], STAR_NAMES),
        "reliability": partial(plots.reliability_diagram, test["reliability"], test["reliability"]),
    }
    if keys := plots.curve_keys(journal):
        drawn["learning_curves"] = partial(plots.learning_curves, journal, keys)
    return drawn


def shown(name: str, value: float | None, *, sign: bool = False) -> str:
    """Return a headline's number as the page and the terminal say it."""
    if value is None:
        return "–"
    if name in SHARES:
        text = f"{100 * value:+.1f}" if sign else percent(value, 1)
    else:
        text = f"{value:+.3f}" if sign else f"{value:.3f}"
    return text.replace("-", "−")


def _lead(metrics: dict[str, Any]) -> str:
    """Return one sentence that tells the most important thing."""
    test, data = metrics["test"], metrics["data"]
    words = (
        f"The very stars of {percent(test['accuracy']['value'], 1)} of {number(data['rows'])} {data['part']} "
        f"reviews of {number(data['products'])} products; expected stars are off by "
        f"{test['mae']['value']:.2f} on average."
    )
    ahead = metrics.get("baselines", {}).get("model_minus_tfidf", {}).get("qwk")
    if ahead is None or ahead["value"] is None:
        return words
    return f"{words} Kappa is {shown('qwk', ahead['value'], sign=True)} against TF-IDF's."


def _heat(confusion: Sequence[Sequence[int]]) -> list[tuple[str, list[tuple[str, float]]]]:
    """Return the confusion matrix as cells shaded by the share of their row."""
    rows = []
    for name, counts in zip(STAR_NAMES, confusion, strict=True):
        total = max(sum(counts), 1)
        rows.append((name, [(str(n) if n else "·", (n / total) ** 0.5) for n in counts]))
    return rows
