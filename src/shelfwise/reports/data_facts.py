"""Every number of the data report, as plain JSON values with stable keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from shelfwise.config import CatalogConfig, SplitConfig
from shelfwise.data.catalog import ReadCount
from shelfwise.reports.duplicates import Duplicates, Groups, conflicting, family_facts, leakage
from shelfwise.reports.inflation import Inflation
from shelfwise.reports.label_errors import LabelIssues
from shelfwise.reports.survey import Lengths, PixelSums, Survey
from shelfwise.schema import RowError

_TOP_ISSUES = 200
_TOP_SIZES = 50


@dataclass(frozen=True)
class Analysis:
    """What was found after the pass: doubles, likely label errors, and what a naive split would add."""

    duplicates: Duplicates
    rows: Int64[ndarray, "M"]
    """The sampled rows that `issues` count in."""
    issues: dict[str, LabelIssues]
    inflation: dict[str, Inflation]


def collect(
    config: CatalogConfig,
    split: SplitConfig,
    survey: Survey,
    count: ReadCount,
    errors: Sequence[RowError],
    analysis: Analysis,
) -> dict[str, Any]:
    """The content of `report.json`."""
    found = analysis.duplicates
    return {
        "source": config.source,
        "target": survey.target or None,
        "rows": count.as_dict(),
        "row_errors": [error.model_dump() for error in errors],
        "labels": {target: label_facts(survey, target) for target in survey.values},
        "pictures": _picture_facts(survey),
        "pixels": {
            "overall": _pixel_facts(survey.overall),
            "parts": {name: _pixel_facts(sums) for name, sums in survey.parts.items()},
            "classes": {name: _pixel_facts(survey.classes[name]) for name in sorted(survey.classes)},
        },
        "texts": {column: _text_facts(lengths) for column, lengths in survey.texts.items() if lengths.words},
        "duplicates": _duplicate_facts(found, survey),
        "families": family_facts(found.families),
        "split": _split_facts(found, survey, split),
        "inflation": {
            target: {**asdict(gain), "difference": gain.difference}
            for target, gain in analysis.inflation.items()
        },
        "label_issues": {target: _issue_facts(survey, target, analysis) for target in analysis.issues},
        "sampled_rows": len(analysis.rows),
    }


def label_facts(survey: Survey, target: str) -> dict[str, Any]:
    """Rows per class, the largest first, and how uneven they are."""
    numbers, names = survey.labels(target)
    counts = np.bincount(numbers[numbers >= 0], minlength=len(names))
    order = sorted(range(len(names)), key=lambda k: (-counts[k], names[k]))
    return {
        "classes": len(names),
        "missing": int((numbers < 0).sum()),
        "largest_share": float(counts.max() / max(counts.sum(), 1)) if len(names) else 0.0,
        "classes_under_20_rows": int((counts < 20).sum()),
        "counts": {names[k]: int(counts[k]) for k in order},
    }


def _picture_facts(survey: Survey) -> dict[str, Any]:
    known = [size for size in survey.sizes if size != (0, 0)]
    return {
        "distinct_sizes": len(known),
        "sizes": [
            {"width": w, "height": h, "pictures": n}
            for (w, h), n in survey.sizes.most_common(_TOP_SIZES)
            if w
        ],
        "width": _range([w for w, _ in known]),
        "height": _range([h for _, h in known]),
        "modes": dict(survey.modes.most_common()),
    }


def _range(values: list[int]) -> dict[str, int] | None:
    return {"min": min(values), "max": max(values)} if values else None


def _pixel_facts(sums: PixelSums) -> dict[str, Any]:
    return {
        "pictures": sums.pictures,
        "pixels": sums.pixels,
        "mean": sums.mean.tolist(),
        "std": sums.deviation.tolist(),
    }


def _text_facts(lengths: Lengths) -> dict[str, Any]:
    return {
        "texts": lengths.words.total(),
        "characters": _length_facts(lengths.characters),
        "words": _length_facts(lengths.words),
    }


def _length_facts(counts: Counter[int]) -> dict[str, float | int]:
    values, weights = np.array(sorted(counts.items())).T
    reached = np.cumsum(weights) / weights.sum()
    median, late = (int(values[np.searchsorted(reached, q)]) for q in (0.5, 0.95))
    mean = float((values * weights).sum() / weights.sum())
    return {"min": int(values[0]), "mean": mean, "median": median, "p95": late, "max": int(values[-1])}


def _duplicate_facts(found: Duplicates, survey: Survey) -> dict[str, Any]:
    kinds = {"same_file": found.same_file, "near_pictures": found.near, "same_title": found.same_title}
    return {kind: _group_facts(groups, survey) for kind, groups in kinds.items()}


def _group_facts(groups: Groups, survey: Survey) -> dict[str, Any]:
    ids = survey.prints.ids
    return {
        "groups": len(groups),
        "rows": sum(len(group) for group in groups),
        "largest": max((len(group) for group in groups), default=0),
        "disagreeing": {
            target: len(conflicting(groups, survey.labels(target)[0])) for target in survey.values
        },
        "examples": [[ids[row] for row in group[:20]] for group in groups[:20]],
    }


def _split_facts(found: Duplicates, survey: Survey, split: SplitConfig) -> dict[str, Any]:
    numbers = survey.labels(survey.target)[0] if survey.target in survey.values else None
    parts = {}
    for part, rows in found.parts.items():
        families = len({found.families[row] for row in rows})
        present = None if numbers is None else len(set(numbers[rows].tolist()) - {-1})
        parts[part] = {"rows": len(rows), "families": families, "classes": present}
    return {
        "by": "published" if any(survey.published) else "family",
        "max_distance": split.max_distance,
        "max_pixel_difference": split.max_pixel_difference,
        "parts": parts,
        "leakage": leakage(found, survey, found.parts),
        "leakage_of_a_row_split": leakage(found, survey, found.naive),
    }


def _issue_facts(survey: Survey, target: str, analysis: Analysis) -> dict[str, Any]:
    issues = analysis.issues[target]
    numbers, names = survey.labels(target)
    rows = analysis.rows[issues.rows[:_TOP_ISSUES]]
    return {
        "judged": issues.judged,
        "out_of_fold_accuracy": issues.accuracy,
        "found": len(issues.rows),
        "top": [
            {
                "id": survey.prints.ids[row],
                "title": survey.title(int(row)),
                "label": names[numbers[row]],
                "suggested": names[suggested],
                "probability_of_label": float(quality),
            }
            for row, suggested, quality in zip(rows, issues.suggested, issues.quality, strict=False)
        ],
    }
