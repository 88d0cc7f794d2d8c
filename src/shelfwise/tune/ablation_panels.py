"""What the figure of an ablation shows, group by group, as plain values that `reports` can draw."""

from __future__ import annotations

from typing import Any

from shelfwise.tune.ablation_table import Found, row_counts, subset_words, whole_of
from shelfwise.tune.judged import key

Point = tuple[float, float, float] | None
"""Value and the ends of its interval; None where there is none."""


def panels(found: Found) -> list[dict[str, Any]]:
    """A panel for each group that has anything to show.

    `title`; `rows`: how many products were learned from, for a learning curve, else None; `labels`: the
    switches; `series`: by name, a `Point` for each label: differences from the baseline, of a learning curve
    the figures themselves. All are fractions, not points."""
    if found["questions"] is None:
        return []
    drawn = []
    for group, switches in found["groups"].items():
        counted = row_counts(found, switches)
        if counted is not None:
            rows, entries = [count for count, _ in counted], [entry for _, entry in counted]
            labels, what = [f"{count:,}" for count in rows], "figures"
        else:
            some = {name: one for name, one in switches.items() if not one["same_as_baseline"]}
            labels, entries, rows, what = list(some), list(some.values()), None, "differences"
        series = {
            text: [_point(entry[what].get(name)) for entry in entries] for name, text in _shown(found).items()
        }
        series = {text: points for text, points in series.items() if any(points)}
        if series:
            drawn.append({"title": group, "rows": rows, "labels": labels, "series": series})
    return drawn


def _shown(found: Found) -> dict[str, str]:
    """Figures to draw and their names: the main target from everything and each modality, and retrieval."""
    main, subsets = found["questions"]["main"], found["questions"]["subsets"]
    few = dict.fromkeys([whole_of(found), *(subset for subset in subsets if "+" not in subset)])
    shown = {key("accuracy", main, subset): f"{main} from {subset_words(subset)}" for subset in few}
    return shown | {"recall@10": "title finds picture, R@10"}


def _point(figure: dict[str, Any] | None) -> Point:
    if figure is None or figure["value"] is None:
        return None
    low, high = figure["ci95"] or (figure["value"],) * 2
    return figure["value"], low, high
