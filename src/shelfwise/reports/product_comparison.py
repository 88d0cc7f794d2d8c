"""The page that compares two products bundles: every target from all that each reads, and from less."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from shelfwise.evaluate.product_scores import ALL
from shelfwise.reports import plots
from shelfwise.reports.comparison_report import name_of
from shelfwise.reports.page import (
    number,
    percent,
    points,
    render,
    themed_figure,
    write_report,
)
from shelfwise.reports.product_plots import spoken
from shelfwise.reports.product_report import listed, products

NAMES = {
    "accuracy": "Accuracy",
    "micro_f1": "F1",
    "macro_f1": "Macro F1",
    "exact_match": "All values right",
    "ece": "ECE",
    "nll": "NLL, nats",
    "recall@1": "R@1",
    "recall@10": "R@10",
    "mrr": "Mean reciprocal rank",
}
"""Figures as the page calls them."""
PLAIN = ("nll", "mrr")
"""Those that are no percentages."""
MAIN = ("accuracy", "micro_f1")
"""Those that a target is judged by, and that are drawn."""


def write_product_comparison(comparison: dict[str, Any], folder: Path) -> Path:
    """Write `comparison.json`, `differences.png` and `report.html`; return the page's path."""
    draw = _differences(comparison)
    drawn = {} if draw is None else {"differences": draw}
    return write_report(folder, "comparison.json", comparison, drawn, product_comparison(comparison))


def product_comparison(comparison: dict[str, Any]) -> str:
    """Return the page."""
    draw = _differences(comparison)
    sections = [("differences", "Differences"), ("figures", "Every figure"), ("agreement", "Agreement")]
    sections += [("search", "Search")] if comparison.get("retrieval") else []
    return render(
        "product_comparison.html",
        kicker="Comparison of A and B",
        title=f"{name_of(comparison, 'a')} and {name_of(comparison, 'b')}",
        lead=_lead(comparison),
        sections=sections,
        c=comparison,
        retrieval=comparison.get("retrieval") or {},
        measured=measured(comparison),
        missing=_missing(comparison),
        names=NAMES,
        said=shown,
        spoken=asked_from,
        figure_of_differences=themed_figure(
            draw, alt="difference of each target from each subset with its interval"
        )
        if draw
        else None,
    )


def measured(comparison: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return target, subset and what was found, of all that could be measured.

    A subset is left out where it is all that both read, and so says the same once more."""
    return [
        (target, subset, row)
        for target, by_subset in comparison["targets"].items()
        for subset, row in by_subset.items()
        if row["rows"] and (subset == ALL or row != by_subset[ALL])
    ]


def asked_from(subset: str) -> str:
    """Return what both were asked from, in words."""
    return "all that each reads" if subset == ALL else spoken(subset)


def reads(comparison: dict[str, Any], which: str) -> str:
    """Return what bundle `a` or `b` answers from: `B reads picture and text`."""
    return f"{which.upper()} reads {listed(comparison[which]['reads'])}"


def shown(name: str, value: float | None, *, sign: bool = False) -> str:
    """Return a figure's number as the page and the terminal say it; differences of shares are in points."""
    if value is None:
        return "–"
    if name in PLAIN:
        return (f"{value:+.3f}" if sign else f"{value:.3f}").replace("-", "−")
    return points(value) if sign else percent(value)


def _differences(comparison: dict[str, Any]) -> Callable[[], Figure] | None:
    """Return what draws the differences; None where no row could be measured."""
    rows = {
        f"{target}, {asked_from(subset)}": row["metrics"][figure]
        for target, subset, row in measured(comparison)
        for figure in MAIN
        if figure in row["metrics"]
    }
    if not any(row["difference"]["ci95"] for row in rows.values()):
        return None
    return partial(plots.differences, rows)


def _lead(comparison: dict[str, Any]) -> str:
    """Return who is better at the main target, from all that each reads."""
    main, data = comparison["main"], comparison["data"]
    found = comparison["targets"][main][ALL]
    if not found["rows"]:
        return f"None of {number(data['rows'])} {data['part']} products has a label of {main} to measure by."
    figure = next(name for name in MAIN if name in found["metrics"])
    row = found["metrics"][figure]
    what = f"the {'F1' if figure == 'micro_f1' else 'accuracy'} of {main} from {asked_from(ALL)}"
    words = f"B minus A in {what}: {points(row['difference']['value'])} points"
    if bounds := row["difference"]["ci95"]:
        words += f" (95% interval {points(bounds[0])} to {points(bounds[1])})"
    verdict = {
        "A": "so A is better.",
        "B": "so B is better.",
        "neither": "which does not tell them apart.",
    }[row["better"]]
    return (
        f"{words} on the same {number(found['rows'])} {data['part']} products, {verdict} "
        f"A has {percent(row['a']['value'])}, B {percent(row['b']['value'])}."
    )


def _missing(comparison: dict[str, Any]) -> list[str]:
    """Return a sentence on everything that is not compared, or that the reader should mind."""
    found = []
    if not comparison["data"]["same_split"]:
        found.append(
            "B was trained on another split than A's, which deals the products here: B may have learned some."
        )
    for which in "ab":
        if names := comparison[f"only_{which}"]:
            found.append(f"Only {which.upper()} answers {', '.join(names)}: not compared.")
    if comparison["a"]["reads"] != comparison["b"]["reads"]:
        said = ", ".join(reads(comparison, which) for which in "ab")
        found.append(f"{said}: from less than all, both are asked the same.")
    for target, by_subset in comparison["targets"].items():
        lost = [asked_from(subset) for subset, row in by_subset.items() if not row["rows"]]
        if not by_subset[ALL]["rows"]:
            found.append(f"{target} is not compared: no product has a label of it.")
        elif lost:
            found.append(f"{target} is not compared from {', '.join(lost)}: no product has it and a label.")
        if count := by_subset[ALL].get("not_learned"):
            several = "micro_f1" in by_subset[ALL]["metrics"]
            what, so = ("a value", "missed") if several else ("the class", "told wrong")
            found.append(f"{target}: neither has learned {what} of {products(count)}: {so} by both.")
    if not comparison.get("retrieval"):
        found.append("Search is not compared: not both can look for pictures by titles of these products.")
    return found
