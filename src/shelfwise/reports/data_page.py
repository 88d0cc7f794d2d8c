"""The data report as one HTML page with its plots beside it as PNG; the numbers come from `data_facts`."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from shelfwise.reports import data_plots, page
from shelfwise.reports.data_facts import Analysis
from shelfwise.reports.duplicates import Groups, conflicting_first
from shelfwise.reports.survey import Survey

CLASSES_SHOWN = 24
"""Classes with samples and a mean picture on the page; the JSON has all of them."""
SAMPLES = 12
ISSUES_SHOWN = 24
GROUPS_SHOWN = 8

Plots = dict[str, tuple[data_plots.Draw, str]]
"""File name without ending to the figure and its alternative text."""


def write(out: Path, survey: Survey, analysis: Analysis, facts: dict[str, Any]) -> None:
    """Write `report.html` and one PNG for each plot into `out`."""
    slugs = file_names(facts["labels"])
    plots = _plots(survey, facts, slugs)
    with warnings.catch_warnings():
        # A class name in a script that matplotlib's font lacks shows as boxes in the PNG alone.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        for name, (draw, _) in plots.items():
            page.save_figure(draw, out / f"{name}.png")
        figures = {name: page.themed_figure(draw, alt=alt) for name, (draw, alt) in plots.items()}
    html = page.render(
        "data_report.html",
        title=_title(facts),
        kicker="Data report",
        lead=_lead(facts),
        sections=_sections(facts),
        facts=facts,
        figures=figures,
        classes=_class_rows(survey, facts),
        photo=survey.overall.pictures > 0 and not _tiny(facts),
        groups=_shown_groups(survey, analysis),
        issues={target: _shown_issues(survey, target, analysis) for target in analysis.issues},
        pixel_rows=_pixel_rows(facts),
        main=facts["labels"].get(facts["target"]),
        grey=set(facts["pictures"]["modes"]) <= {"1", "L"},
        inflation_reading=_inflation_reading(facts),
        slugs=slugs,
        small_labels=[
            t for t, label in facts["labels"].items() if t != facts["target"] and label["classes"] <= 8
        ],
    )
    page.write_page(out / "report.html", html)


def summary(facts: dict[str, Any]) -> str:
    """A few lines for the terminal; every number in them is in the facts."""
    rows, families, target = facts["rows"], facts["families"], facts["target"]
    doubles, leaks = facts["duplicates"], facts["split"]["leakage_of_a_row_split"]
    lines = [f"{rows['rows']:,} rows in = {rows['ok']:,} ok + {rows['failed']:,} failed"]
    for what in ("errors", "warnings"):
        if rows[what]:
            lines.append(f"{what}: " + ", ".join(f"{kind} {n:,}" for kind, n in rows[what].items()))
    lines.append(
        f"doubles: {doubles['same_file']['groups']:,} groups of one file, "
        f"{doubles['near_pictures']['groups']:,} of near-identical pictures, "
        f"{doubles['same_title']['groups']:,} of one title"
    )
    lines.append(f"families: {families['families']:,}, the largest of {families['largest']:,} rows")
    if target in facts["inflation"]:
        gain = facts["inflation"][target]
        points, low, high = (100 * gain[key] for key in ("difference", "low", "high"))
        lines.append(
            f"a naive row split would leave {leaks['any']:,} of {leaks['test']:,} test rows with a double in "
            f"training and add {points:.2f} points of {target} accuracy (95% {low:.2f} to {high:.2f})"
        )
    if target in facts["label_issues"]:
        found = facts["label_issues"][target]
        lines.append(f"labels of {target} to look at: {found['found']:,} of {found['judged']:,}")
    return "\n".join(lines)


def _title(facts: dict[str, Any]) -> str:
    if facts["source"] == "fashion-mnist":
        return "Fashion-MNIST"
    path = Path(facts["source"]).resolve()
    return path.name if path.is_dir() else f"{path.parent.name}/{path.name}"


def _lead(facts: dict[str, Any]) -> str:
    """One sentence: how much there is and what deserves a look."""
    rows, target = facts["rows"], facts["target"]
    text = f"{rows['ok']:,} usable rows of {rows['rows']:,}"
    if target in facts["labels"]:
        text += f", {facts['labels'][target]['classes']:,} classes ({target})"
    leaks = facts["split"]["leakage_of_a_row_split"]
    if facts["split"]["by"] == "family" and leaks["test"]:
        share = leaks["any"] / leaks["test"]
        text += f"; in a naive row split {share:.0%} of the test rows would have a double in training"
    found = facts["label_issues"].get(target)
    if found:
        text += f"; {found['found']:,} labels deserve a look"
    return text + "."


def _sections(facts: dict[str, Any]) -> list[tuple[str, str]]:
    sections = [("rows", "Rows"), ("classes", "Classes"), ("pictures", "Pictures"), ("texts", "Texts")]
    sections += [("duplicates", "Duplicates"), ("splits", "Splits"), ("labels", "Label errors")]
    absent = {"texts"} if not facts["texts"] else set()
    absent |= {"classes"} if not facts["labels"] else set()
    absent |= {"labels"} if not facts["label_issues"] else set()
    return [section for section in sections if section[0] not in absent]


def _plots(survey: Survey, facts: dict[str, Any], slugs: Mapping[str, str]) -> Plots:
    plots: Plots = {}
    for target, label in facts["labels"].items():
        counts = list(label["counts"].items())
        plots[f"balance-{slugs[target]}"] = (data_plots.class_balance(counts), f"Rows per class of {target}")
    main = facts["labels"].get(facts["target"])
    if main and main["classes"] > data_plots.MOST_BARS:
        draw = data_plots.long_tail(list(main["counts"].values()))
        plots["long-tail"] = (draw, "Rows per class by rank")
    if len(survey):
        plots["brightness"] = (data_plots.brightness(survey.brightness), "Share of pixels by brightness")
        if facts["pictures"]["distinct_sizes"] > 1:
            plots["sizes"] = (data_plots.picture_sizes(survey.sizes), "Widths and heights of the pictures")
    for column, lengths in survey.texts.items():
        if lengths.words:
            draw = data_plots.text_lengths(lengths.words, "words")
            plots[f"words-{column}"] = (draw, f"Words in the {column}")
            draw = data_plots.text_lengths(lengths.characters, "characters")
            plots[f"characters-{column}"] = (draw, f"Characters in the {column}")
    if facts["inflation"]:
        names = list(facts["inflation"])
        values = [[g["difference"], g["low"], g["high"]] for g in facts["inflation"].values()]
        draw = data_plots.inflation_bars(names, np.array(values))
        plots["inflation"] = (draw, "Points of accuracy that a naive row split adds")
    return plots


def _class_rows(survey: Survey, facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The most frequent classes of the main label with a mean picture and some samples."""
    main = facts["labels"].get(facts["target"])
    if main is None:
        return [_class_row(survey, "all rows", np.arange(len(survey)), survey.overall.mean_picture)]
    numbers, names = survey.labels(survey.target)
    shown = [name for name in list(main["counts"])[:CLASSES_SHOWN] if name in survey.classes]
    return [
        _class_row(
            survey, name, np.flatnonzero(numbers == names.index(name)), survey.classes[name].mean_picture
        )
        for name in shown
    ]


def _class_row(
    survey: Survey, name: str, rows: Int64[ndarray, "M"], mean: UInt8[ndarray, "S S 3"]
) -> dict[str, Any]:
    step = max(1, len(rows) // SAMPLES)
    return {
        "name": name,
        "rows": len(rows),
        "mean": page.picture_uri(mean),
        "samples": [_uri(survey, int(row)) for row in rows[::step][:SAMPLES]],
    }


def _shown_groups(survey: Survey, analysis: Analysis) -> dict[str, list[dict[str, Any]]]:
    """Examples of doubles, those that disagree about the main label first."""
    found = analysis.duplicates
    return {
        "same_file": _examples(survey, found.same_file),
        "near_pictures": _examples(survey, found.near),
    }


def _examples(survey: Survey, groups: Groups) -> list[dict[str, Any]]:
    if survey.target in survey.values:
        numbers, names = survey.labels(survey.target)
    else:
        numbers, names = np.full(len(survey), -1, dtype=np.int64), []
    chosen = conflicting_first(groups, numbers)[:GROUPS_SHOWN]
    return [
        {
            "size": len(group),
            "pictures": [_uri(survey, row) for row in group[:5]],
            "ids": [survey.prints.ids[row] for row in group[:5]],
            "labels": sorted({names[numbers[row]] for row in group if numbers[row] >= 0}),
        }
        for group in chosen
    ]


def _shown_issues(survey: Survey, target: str, analysis: Analysis) -> list[dict[str, Any]]:
    issues = analysis.issues[target]
    numbers, names = survey.labels(target)
    most = ISSUES_SHOWN if target == survey.target else ISSUES_SHOWN // 2
    rows = analysis.rows[issues.rows[:most]].tolist()
    return [
        {
            "picture": _uri(survey, row),
            "id": survey.prints.ids[row],
            "title": survey.title(row),
            "label": names[numbers[row]],
            "suggested": names[suggested],
            "probability": float(quality),
        }
        for row, suggested, quality in zip(rows, issues.suggested, issues.quality, strict=False)
    ]


def _pixel_rows(facts: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Overall first, then published parts, then the classes by their number of pictures."""
    classes = facts["pixels"]["classes"]
    ranked = sorted(classes, key=lambda name: (-classes[name]["pictures"], name))
    shown = [(name, classes[name]) for name in ranked[:CLASSES_SHOWN]]
    parts = facts["pixels"]["parts"].items()
    return [("all pictures", facts["pixels"]["overall"]), *parts, *shown]


def _inflation_reading(facts: dict[str, Any]) -> str:
    """One sentence on the label that a row split flatters most."""
    gains = facts["inflation"]
    if not gains:
        return ""
    worst = max(gains, key=lambda target: gains[target]["difference"])
    points = 100 * gains[worst]["difference"]
    if gains[worst]["low"] <= 0:
        return "No label gains more than chance explains."
    return f"A row split flatters {worst} most, by {points:.1f} points."


def _uri(survey: Survey, row: int) -> str:
    """A thumbnail as a data URI, as JPEG where it is kept as one."""
    data = survey.thumbnails[row]
    if data.startswith(b"\xff\xd8"):
        return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
    return page.picture_uri(survey.thumbnail(row))


def _tiny(facts: dict[str, Any]) -> bool:
    """Whether the pictures are so small that their pixels should stay crisp."""
    width = facts["pictures"]["width"]
    return width is not None and width["max"] <= 48


def file_names(labels: Iterable[str]) -> dict[str, str]:
    """Part of a file's name for each label: its letters and digits, numbered where two would be the same."""
    found: dict[str, str] = {}
    for label in labels:
        plain = "".join(letter if letter.isalnum() else "-" for letter in label.lower())
        names = (f"{plain}-{number}" if number > 1 else plain for number in count(1))
        found[label] = next(name for name in names if name not in found.values())
    return found
