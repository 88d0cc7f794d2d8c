"""The model report: one HTML page that says how good a model is, where it errs and what it costs.

`write_model_report(evaluation, journal, folder)` writes `metrics.json`, `report.html` and the PNGs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from shelfwise.data.labelled import LabelledPictures
from shelfwise.evaluate.bundle import Evaluation
from shelfwise.reports import plots
from shelfwise.reports.page import (
    number,
    percent,
    picture_uri,
    render,
    themed_figure,
    write_report,
)

MOST_SHADED = 30
"""Up to so many classes the page has the confusion matrix as a table; beyond, as a plot only."""
MOST_QUERIES = 12


def write_model_report(evaluation: Evaluation, journal: Sequence[dict[str, Any]], folder: Path) -> Path:
    """Write metrics, page and plots into `folder`, each file whole or not at all; return the page's path."""
    metrics, html = evaluation.metrics, model_report(evaluation, journal)
    return write_report(folder, "metrics.json", metrics, figures(metrics, journal), html)


def model_report(evaluation: Evaluation, journal: Sequence[dict[str, Any]]) -> str:
    """Return the page."""
    metrics, heat = evaluation.metrics, None
    classes = [row["class"] for row in metrics["test"]["per_class"]]
    if len(classes) <= MOST_SHADED:
        heat = plots.heat_cells(metrics["test"]["confusion"], classes)
    shown = {
        name: themed_figure(draw, alt=name.replace("_", " "))
        for name, draw in figures(metrics, journal).items()
        if name == "reliability" or (name == "confusion" and heat is None)
    }
    curves = plots.curve_panels(journal)
    return render(
        "model_report.html",
        kicker="Model report",
        title=metrics["bundle"]["name"],
        lead=_lead(metrics),
        sections=_sections(metrics, has_curves=bool(curves)),
        m=metrics,
        figures=shown,
        curves=curves,
        heat=heat,
        errors=_errors(evaluation),
        pairs=_pairs(evaluation),
        found=_found(evaluation),
        photo=evaluation.test.images.shape[3] == 3,
        config=json.dumps(metrics["provenance"]["config"], indent=2),
    )


def figures(metrics: dict[str, Any], journal: Sequence[dict[str, Any]]) -> dict[str, Callable[[], Figure]]:
    """Return what draws each plot, by the name of its PNG."""
    test = metrics["test"]
    names = [row["class"] for row in test["per_class"]]
    bins = test["reliability"]
    drawn: dict[str, Callable[[], Figure]] = {
        "confusion": partial(plots.confusion_heat_map, test["confusion"], names),
        "reliability": partial(plots.reliability_diagram, bins["before_scaling"], bins["after_scaling"]),
    }
    if keys := plots.curve_keys(journal):
        drawn["learning_curves"] = partial(plots.learning_curves, journal, keys)
    return drawn


def _lead(metrics: dict[str, Any]) -> str:
    """Return one sentence that tells the most important thing."""
    test, data = metrics["test"], metrics["data"]
    low, high = test["accuracy"]["ci95"]
    return (
        f"Right on {percent(test['accuracy']['value'])} of {number(data['rows'])} {data['part']} pictures in "
        f"{len(test['per_class'])} classes (95% interval {percent(low)} to {percent(high)}). "
        f"A stated probability is off by {percent(test['ece']['value'])} on average."
    )


def _sections(metrics: dict[str, Any], *, has_curves: bool) -> list[tuple[str, str]]:
    found = [("headlines", "Headlines"), ("classes", "Classes"), ("confusion", "Confusions")]
    found.append(("calibration", "Calibration"))
    if metrics["cases"]["confident_errors"]:
        found.append(("errors", "Errors"))
    if "text_aligned" in metrics:
        found.append(("words", "Words"))
    if has_curves:
        found.append(("training", "Training"))
    return [*found, ("cost", "Cost"), ("provenance", "Provenance")]


def _uris(test: LabelledPictures, ids: Sequence[str]) -> list[str]:
    place = {name: row for row, name in enumerate(test.ids)}
    return [picture_uri(test.images[place[name]]) for name in ids]


def _errors(evaluation: Evaluation) -> list[dict[str, Any]]:
    cases = evaluation.metrics["cases"]["confident_errors"]
    uris = _uris(evaluation.test, [case["id"] for case in cases])
    return [{**case, "uri": uri} for case, uri in zip(cases, uris, strict=True)]


def _pairs(evaluation: Evaluation) -> list[dict[str, Any]]:
    pairs = evaluation.metrics["cases"]["confused_pairs"]
    return [{**pair, "uris": _uris(evaluation.test, pair["examples"])} for pair in pairs]


def _found(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return what words find in the pool, for the first few classes."""
    examples = evaluation.metrics.get("retrieval", {}).get("examples", [])[:MOST_QUERIES]
    return [
        {
            **example,
            "uris": _uris(evaluation.test, example["ids"]),
            "wrong": [label for label in example["labels"] if label != example["class"]],
        }
        for example in examples
    ]
