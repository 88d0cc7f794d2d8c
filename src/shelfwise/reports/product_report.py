"""The page that says how well a products bundle tells products, from which modalities, and where it errs.

`write_product_report(metrics, journal, folder)` writes `metrics.json`, `report.html` and the PNGs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from shelfwise.evaluate.products import fullest
from shelfwise.reports import plots, product_plots
from shelfwise.reports.page import (
    number,
    percent,
    points,
    render,
    themed_figure,
    write_report,
)
from shelfwise.reports.product_plots import spoken

WORST = 15
"""Weakest classes that are listed."""
FEWEST_ROWS = 5
"""Classes with fewer tested products are not called weak: chance decides over them."""
ALTS = {
    "accuracy": "accuracy of each target from each subset of the modalities",
    "reliability": "accuracy against stated probability",
    "rows": "accuracy of each class against its training products",
}
SEVERAL = {
    "micro_precision": "Precision",
    "micro_recall": "Recall",
    "micro_f1": "F1",
    "macro_f1": "Macro F1",
    "exact_match": "All values right",
    "ece": "ECE",
}
"""Figures of several values at once, as the page calls them; more are in metrics.json."""


def write_product_report(metrics: dict[str, Any], journal: Sequence[dict[str, Any]], folder: Path) -> Path:
    """Write metrics, page and plots into `folder`, each file whole or not at all; return the page's path."""
    html = product_report(metrics, journal)
    return write_report(folder, "metrics.json", metrics, figures(metrics, journal), html)


def product_report(metrics: dict[str, Any], journal: Sequence[dict[str, Any]]) -> str:
    """Return the page."""
    drawn = figures(metrics, journal)
    curves = plots.curve_panels(journal)
    main: str | None = metrics["main"]
    several = [name for name, about in metrics["about"].items() if about["several"]]
    single = [name for name in metrics["about"] if name not in several]
    return render(
        "product_report.html",
        kicker="Products report",
        title=metrics["bundle"]["name"],
        lead=_lead(metrics),
        sections=_sections(metrics, has_curves=bool(curves)),
        m=metrics,
        retrieval=metrics.get("retrieval") or {},
        main=main,
        full=fullest(metrics["targets"][main]) if main else None,
        single=single,
        several=several,
        unlearned=any(metrics["about"][name]["not_learned"] for name in single),
        several_names=SEVERAL,
        spoken=spoken,
        verdict=verdict(metrics),
        missing=missing(metrics),
        weakest=weakest(metrics),
        figures={name: themed_figure(drawn[name], alt=alt) for name, alt in ALTS.items() if name in drawn},
        curves=curves,
        config=json.dumps(metrics["provenance"]["config"], indent=2, ensure_ascii=False),
    )


def figures(metrics: dict[str, Any], journal: Sequence[dict[str, Any]]) -> dict[str, Callable[[], Figure]]:
    """Return what draws each plot, by the name of its PNG."""
    drawn: dict[str, Callable[[], Figure]] = {}
    if by_target := _main_figures(metrics):
        drawn["accuracy"] = partial(product_plots.accuracy_by_subset, by_target)
    if "reliability" in metrics:
        drawn["reliability"] = partial(product_plots.reliability_curves, metrics["reliability"])
    if "classes" in metrics:
        drawn["rows"] = partial(product_plots.accuracy_by_rows, metrics["classes"]["per_class"])
    if keys := plots.curve_keys(journal):
        drawn["learning_curves"] = partial(plots.learning_curves, journal, keys)
    return drawn


def verdict(metrics: dict[str, Any]) -> dict[str, str] | None:
    """Return whether all modalities are at least as good as the main target's best one, in sentences.

    None where no product has all of them and a label."""
    name = metrics["main"]
    if name not in metrics["fusion"]:
        return None
    row = metrics["fusion"][name]
    best, difference = row["best_single"], row["difference"]
    what = "accuracy" if row["figure"] == "accuracy" else "F1"
    by = f"{points(difference['value'])} points"
    if difference["ci95"]:
        by += f" (95% interval {' to '.join(points(bound) for bound in difference['ci95'])})"
    chance = "at least as good" if difference["value"] >= 0 else "not quite as good"
    end = {
        "better": f"so together they are better than {best} alone.",
        "alike": f"so together they are {chance} here, and chance may have made the difference.",
        "worse": f"so together they are not at least as good: {best} alone is better.",
    }[row["verdict"]]
    text = (
        f"Of {name}, {listed(metrics['modalities'])} together have an {what} of "
        f"{percent(row['together']['value'])}, {best} alone {percent(row['single']['value'])}. "
        f"The difference is {by}, {end}"
    )
    return {"kind": {"better": "", "alike": "even", "worse": "bad"}[row["verdict"]], "text": text}


def missing(metrics: dict[str, Any]) -> list[str]:
    """Return a sentence on everything that the page cannot show, and why."""
    data, found = metrics["data"], []
    kind = metrics["provenance"]["config"]["fusion"]["kind"]
    if kind in ("picture", "text"):
        found.append(
            f"This bundle's fusion is “{kind}”: it looks at the {kind} alone and guesses where there is none."
        )
    for what in ("picture", "title"):
        count = data[f"without_{what}"]
        if count == data["rows"]:
            found.append(f"No product has a {what}: nothing could be measured that needs one.")
        elif count:
            found.append(f"{products(count)} without a {what} count only where the {what} is not asked for.")
    if not metrics["about"]:
        found.append("The bundle has learned no targets: only search is measured.")
    for name, about in metrics["about"].items():
        if not about["labelled"]:
            found.append(f"No product has a label of {name}: it is not measured.")
        elif about["not_learned"]:
            found.append(_not_learned(metrics, name))
    if "retrieval" not in metrics:
        found.append("The bundle has no space that titles and pictures share: nothing is searched.")
    elif not metrics["retrieval"]:
        found.append("No product has both a title and a picture: nothing is searched.")
    return found


def weakest(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the classes with the lowest F1, of those with enough tested products."""
    rows = [row for row in metrics.get("classes", {}).get("per_class", []) if row["support"] >= FEWEST_ROWS]
    return sorted(rows, key=lambda row: (row["f1"], -row["support"]))[:WORST]


def _lead(metrics: dict[str, Any]) -> str:
    """Return one sentence that tells the most important thing."""
    main, data = metrics["main"], metrics["data"]
    if main is None:
        return _search_lead(metrics)
    by_subset, about = metrics["targets"][main], metrics["about"][main]
    subset = fullest(by_subset)
    if subset is None:
        return f"None of {number(data['rows'])} {data['part']} products has a label of {main} to measure by."
    found = by_subset[subset]
    figure = found["micro_f1" if about["several"] else "accuracy"]
    what = f"F1 of {main} is" if about["several"] else f"The {main} is right on"
    bounds = figure["ci95"]
    within = f" (95% interval {percent(bounds[0], 1)} to {percent(bounds[1], 1)})" if bounds else ""
    return (
        f"{what} {percent(figure['value'], 1)}{within} of {number(found['rows'])} {data['part']} products in "
        f"{about['classes']} classes, from {listed(subset.split('+'))}."
    )


def _not_learned(metrics: dict[str, Any], name: str) -> str:
    """Return how many products are of a class that was not learned, and how the others are told."""
    about, by_subset = metrics["about"][name], metrics["targets"][name]
    count, subset = products(about["not_learned"]), fullest(by_subset)
    words = (
        f"{name}: the bundle has not learned a value of {count}, which counts as missed"
        if about["several"]
        else f"{name}: the bundle has not learned the class of {count}, which counts as wrong"
    )
    key = "micro_f1_known" if about["several"] else "accuracy_known"
    if subset is None or by_subset[subset][key]["value"] is None:
        return f"{words}."
    what = "over the values learned F1 is" if about["several"] else "of the classes learned it tells right"
    return f"{words}; {what} {percent(by_subset[subset][key]['value'], 1)}, from {listed(subset.split('+'))}."


def _search_lead(metrics: dict[str, Any]) -> str:
    """Return the same of a bundle without targets."""
    titles, data = metrics.get("retrieval", {}).get("title_to_picture"), metrics["data"]
    if not titles:
        count = number(data["rows"])
        return f"None of {count} {data['part']} products has both a title and a picture to search by."
    found = percent(titles["recall@10"]["value"], 1)
    return (
        f"Of {number(titles['queries'])} {data['part']} titles {found} find their picture among the first "
        f"ten of {number(titles['pool'])}."
    )


def _sections(metrics: dict[str, Any], *, has_curves: bool) -> list[tuple[str, str]]:
    detailed, main = "classes" in metrics, metrics["main"]
    asked = [
        ("headlines", "Headlines", True),
        ("targets", "Targets", main is not None),
        ("fusion", "Fusion", bool(_main_figures(metrics))),
        ("hierarchy", "Levels", detailed and len(metrics["about"][main]["levels"]) > 1),
        ("tail", "Long tail", detailed),
        ("search", "Search", bool(metrics.get("retrieval"))),
        ("calibration", "Calibration", detailed),
        ("classes", "Classes", detailed),
        ("errors", "Errors", bool(metrics.get("cases", {}).get("confident_errors"))),
        ("training", "Training", has_curves),
        ("data", "Data", True),
        ("reading", "How to read this", True),
        ("cost", "Cost", True),
        ("provenance", "Provenance", True),
    ]
    return [(anchor, name) for anchor, name, shown in asked if shown]


def _main_figures(metrics: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return each target's accuracy, or F1 of several values, by subset; without what was not measured."""
    found = {}
    for name, by_subset in metrics["targets"].items():
        several = metrics["about"][name]["several"]
        figure, label = ("micro_f1", f"{name} (F1)") if several else ("accuracy", name)
        measured = {subset: row[figure] for subset, row in by_subset.items() if row["rows"]}
        if measured:
            found[label] = measured
    return found


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def products(count: int) -> str:
    """Return so many products in words."""
    return f"{number(count)} product{'s' if count != 1 else ''}"
