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
from shelfwise.reports.comparison_report import name_of
from shelfwise.reports.page import (
    number,
    percent,
    render,
    themed_figure,
    write_report,
)

NAMES = {
    "accuracy": "Right stars",
    "qwk": "Quadratic weighted kappa",
    "macro_f1": "Macro F1 of the stars",
    "mae_decided": "Decided stars, mean distance",
    "mae": "Expected stars, mean distance",
    "r2": "Expected stars, R²",
    "auroc": "Stars, AUROC one against rest",
    "sentiment_accuracy": "Three-way sentiment, right",
    "sentiment_macro_f1": "Three-way sentiment, macro F1",
    "recommended_auc": "Recommended, AUROC",
    "nll": "Negative log-likelihood, nats",
    "ece": "Calibration error (ECE)",
}
"""Headlines as the page calls them, in its order."""
CARDS = ("accuracy", "qwk", "mae", "macro_f1", "sentiment_macro_f1", "recommended_auc")
"""Those that stand out; the table has all."""
SHARES = ("accuracy", "macro_f1", "sentiment_accuracy", "sentiment_macro_f1", "ece")
"""Those that are shown as percentages."""
STAR_NAMES = [f"{k} star{'s' if k > 1 else ''}" for k in range(1, 6)]


def write_review_report(metrics: dict[str, Any], journal: Sequence[dict[str, Any]], folder: Path) -> Path:
    """Write metrics, page and plots into `folder`, each file whole or not at all; return the page's path."""
    html = review_report(metrics, journal)
    return write_report(folder, "metrics.json", metrics, figures(metrics, journal), html)


def review_report(metrics: dict[str, Any], journal: Sequence[dict[str, Any]]) -> str:
    """Return the page."""
    drawn = figures(metrics, journal)
    curves = plots.curve_panels(journal)
    sections = [("headlines", "Headlines"), ("stars", "Stars"), ("calibration", "Calibration")]
    sections += [("slices", "Slices"), ("errors", "Errors")]
    sections += [("training", "Training")] if curves else []
    return render(
        "review_report.html",
        kicker="Reviews report",
        title=metrics["bundle"]["name"],
        lead=_lead(metrics),
        sections=[*sections, ("provenance", "Provenance")],
        m=metrics,
        names=NAMES,
        cards=CARDS,
        said=shown,
        heat=plots.heat_cells(metrics["test"]["confusion"], STAR_NAMES),
        stars=STAR_NAMES,
        slices=_slices(metrics),
        reliability=themed_figure(drawn["reliability"], alt="reliability"),
        curves=curves,
        config=json.dumps(metrics["provenance"]["config"], indent=2),
    )


def write_review_comparison(comparison: dict[str, Any], folder: Path) -> Path:
    """Write `comparison.json`, `differences.png` and `report.html`; return the page's path."""
    drawn = {"differences": _differences(comparison)}
    return write_report(folder, "comparison.json", comparison, drawn, review_comparison(comparison))


def review_comparison(comparison: dict[str, Any]) -> str:
    """Return the page that compares two bundles."""
    return render(
        "review_comparison.html",
        kicker="Comparison of A and B",
        title=f"{name_of(comparison, 'a')} and {name_of(comparison, 'b')}",
        lead=_comparison_lead(comparison),
        sections=[("differences", "Differences"), ("agreement", "Agreement")],
        c=comparison,
        names=NAMES,
        said=shown,
        figure_of_differences=themed_figure(
            _differences(comparison), alt="difference of each share with its interval"
        ),
    )


def figures(metrics: dict[str, Any], journal: Sequence[dict[str, Any]]) -> dict[str, Callable[[], Figure]]:
    """Return what draws each plot, by the name of its PNG."""
    test, bins = metrics["test"], metrics["test"]["reliability"]
    drawn: dict[str, Callable[[], Figure]] = {
        "confusion": partial(plots.confusion_heat_map, test["confusion"], STAR_NAMES),
        "reliability": partial(plots.reliability_diagram, bins["before_scaling"], bins["after_scaling"]),
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


def _slices(metrics: dict[str, Any]) -> list[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """Return (what the reviews are divided by, [(name of a slice, its scores), ...]) for each table."""
    lengths = [
        (
            f"{'longer' if row['texts'] == 'windows' else row['texts']}, "
            f"{number(row['tokens'][0])} – {number(row['tokens'][1])}",
            row,
        )
        for row in metrics["by_length"]
    ]
    fields = [(field, [(row["value"], row) for row in rows]) for field, rows in metrics["by_field"].items()]
    return [("Length in tokens", lengths), *fields]


def _differences(comparison: dict[str, Any]) -> Callable[[], Figure]:
    """Return what draws the differences that percentage points are a measure of."""
    shares = {name: row for name, row in comparison["metrics"].items() if name in SHARES}
    return partial(plots.differences, shares)


def _comparison_lead(comparison: dict[str, Any]) -> str:
    row, data = comparison["metrics"]["qwk"], comparison["data"]
    words = f"Both read the same {number(comparison['rows'])} {data['part']} reviews."
    if not row["difference"]["ci95"]:
        return words
    low, high = (shown("qwk", bound, sign=True) for bound in row["difference"]["ci95"])
    verdict = (
        "which does not tell them apart" if row["better"] == "neither" else f"so {row['better']} is better"
    )
    ahead = shown("qwk", row["difference"]["value"], sign=True)
    return f"{words} B minus A in kappa: {ahead} (95% interval {low} to {high}), {verdict}."
