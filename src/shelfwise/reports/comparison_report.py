"""The page that compares two bundles: every headline of both, and their paired difference."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from shelfwise.reports import plots
from shelfwise.reports.page import (
    number,
    percent,
    points,
    render,
    themed_figure,
    write_report,
)


def write_comparison_report(comparison: dict[str, Any], folder: Path) -> Path:
    """Write `comparison.json`, `differences.png` and `report.html`; return the page's path."""
    drawn = {"differences": partial(plots.differences, comparison["metrics"])}
    return write_report(folder, "comparison.json", comparison, drawn, comparison_report(comparison))


def comparison_report(comparison: dict[str, Any]) -> str:
    """Return the page."""
    return render(
        "comparison_report.html",
        kicker="Comparison of A and B",
        title=f"{name_of(comparison, 'a')} and {name_of(comparison, 'b')}",
        lead=_lead(comparison),
        sections=[("differences", "Differences"), ("agreement", "Agreement")],
        c=comparison,
        figure_of_differences=themed_figure(
            partial(plots.differences, comparison["metrics"]),
            alt="difference of each metric with its interval",
        ),
    )


def name_of(comparison: dict[str, Any], which: str) -> str:
    """Return a bundle's name, with its version where both are named alike."""
    bundle = comparison[which]
    alike = comparison["a"]["name"] == comparison["b"]["name"]
    return f"{bundle['name']}@{bundle['version'][:6]}" if alike else str(bundle["name"])


def _lead(comparison: dict[str, Any]) -> str:
    row = comparison["metrics"]["accuracy"]
    low, high = row["difference"]["ci95"]
    words = f"B minus A in accuracy: {points(row['difference']['value'])} points"
    tail = f" (95% interval {points(low)} to {points(high)}) on the same {number(comparison['rows'])} rows, "
    verdict = {
        "A": "so A is better.",
        "B": "so B is better.",
        "neither": "which does not tell them apart.",
    }[row["better"]]
    both = f" A has {percent(row['a']['value'])}, B {percent(row['b']['value'])}."
    return words + tail + verdict + both
