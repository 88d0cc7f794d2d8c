"""The reviews report: one HTML page that says what buyers praise and blame, in their words.

`write_reviews_report(summary, folder)` writes `report.html`; the numbers are those of `summary.json`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from markupsafe import Markup
from matplotlib.figure import Figure

from shelfwise.enrich.summarize import Summary
from shelfwise.reports import reviews_plots as plots
from shelfwise.reports.page import number, percent, render, themed_figure, write_page
from shelfwise.schema import AspectSummary, Change, Contradiction, Opinion, ProductSummary

CONTRADICTIONS_SHOWN = 24
CHANGES_SHOWN = 15
ASPECTS_OF_A_PRODUCT = 6
BEFORE, AFTER = 200, 500
"""Characters of a contradicting text shown before its first evidence, and behind the beginning of that."""


@dataclass(frozen=True)
class ChangedThing:
    """Something that changed over time: a product's stars, or one of its aspects."""

    product: str | None
    what: str
    change: Change
    unit: Literal["stars", "points"]


def write_reviews_report(summary: Summary, folder: Path) -> Path:
    """Write the page into `folder`, whole or not at all; return its path."""
    write_page(folder / "report.html", reviews_report(summary))
    return folder / "report.html"


def reviews_report(summary: Summary) -> str:
    """Return the page; whatever users wrote is escaped."""
    whole = summary.catalogue
    changes = flagged_changes(summary.products)
    with warnings.catch_warnings():
        # An aspect in a script that matplotlib's font lacks: the SVG leaves its letters to the browser.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figures = {name: themed_figure(draw, alt=alt) for name, (draw, alt) in _figures(whole).items()}
    return render(
        "reviews_report.html",
        kicker="What buyers say",
        title=_title(summary.source),
        lead=_lead(summary),
        sections=_sections(whole),
        s=summary,
        whole=whole,
        figures=figures,
        told=[aspect for aspect in whole.aspects if not aspect.suppressed],
        suppressed=[aspect for aspect in whole.aspects if aspect.suppressed],
        suppressed_pairs=sum(a.suppressed for product in summary.products for a in product.aspects),
        pairs=sum(len(product.aspects) for product in summary.products),
        contradictions=[_shown(found) for found in whole.contradicting[:CONTRADICTIONS_SHOWN]],
        changes=changes[:CHANGES_SHOWN],
        changes_total=len(changes),
        comparisons=_comparisons(summary.products),
        best=best,
        worst=worst,
        most_aspects=ASPECTS_OF_A_PRODUCT,
        highlighted=highlighted,
    )


def highlighted(text: str, evidence: Sequence[Opinion]) -> Markup:
    """Return `text` escaped, with the evidence marked; of two that overlap the first one is."""
    pieces, end = [], 0
    for opinion in sorted(evidence, key=lambda opinion: (opinion.start, -opinion.end)):
        if opinion.start < end or opinion.end > len(text):
            continue
        pieces.append(Markup("{}").format(text[end : opinion.start]))
        pieces.append(
            Markup('<mark class="{}" title="{} {:.0%}">{}</mark>').format(
                opinion.polarity, opinion.aspect, opinion.probability, text[opinion.start : opinion.end]
            )
        )
        end = opinion.end
    return Markup("").join([*pieces, Markup("{}").format(text[end:])])


def best(product: ProductSummary) -> AspectSummary | None:
    """Return the aspect that is praised most surely (by the lower bound), if praise prevails."""
    told = [aspect for aspect in product.aspects if aspect.low is not None and aspect.low > 0.5]
    return max(told, key=lambda aspect: aspect.low or 0, default=None)


def worst(product: ProductSummary) -> AspectSummary | None:
    """Return the aspect that is blamed most surely (by the upper bound), if blame prevails."""
    told = [aspect for aspect in product.aspects if aspect.high is not None and aspect.high < 0.5]
    return min(told, key=lambda aspect: aspect.high or 0, default=None)


def flagged_changes(products: Sequence[ProductSummary]) -> list[ChangedThing]:
    """Return what changed in the later half of a product's reviews, the surest changes first."""
    found = [thing for thing in _changes(products) if thing.change.flagged]
    return sorted(found, key=_surety, reverse=True)


def _changes(products: Sequence[ProductSummary]) -> list[ChangedThing]:
    found = [
        ChangedThing(product.product, "stars", product.change, "stars")
        for product in products
        if product.change is not None
    ]
    found += [
        ChangedThing(product.product, aspect.aspect, aspect.change, "points")
        for product in products
        for aspect in product.aspects
        if aspect.change is not None
    ]
    return found


def _comparisons(products: Sequence[ProductSummary]) -> int:
    return len(_changes(products))


def _surety(thing: ChangedThing) -> float:
    """How many half-widths of its interval a change is away from none."""
    change = thing.change
    return abs(change.difference) / max(change.high - change.low, 1e-9)


def _title(source: str) -> str:
    path = Path(source).resolve()
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name


def _lead(summary: Summary) -> str:
    """Return the most important things in a few sentences."""
    whole = summary.catalogue
    if not whole.reviews:
        return "There is no review that could be read."
    text = f"{number(whole.reviews)} review{'s' if whole.reviews != 1 else ''}"
    if summary.products_total:
        text += f" of {number(summary.products_total)} product{'s' if summary.products_total != 1 else ''}"
    if whole.stars is not None:
        text += f" read like {whole.stars:.2f} stars on average"
        text += f"; buyers gave {whole.given_mean:.2f}" if whole.given_mean is not None else ""
    text += "."
    told = sorted((a for a in whole.aspects if a.share_positive is not None), key=_share)
    if len(told) > 1:
        low, high = told[0], told[-1]
        text += f" Most liked is {high.aspect} ({percent(_share(high), 0)} of its mentions praise it), "
        text += f"least liked {low.aspect} ({percent(_share(low), 0)})."
    return text


def _share(aspect: AspectSummary) -> float:
    return aspect.share_positive or 0.0


def _sections(whole: ProductSummary) -> list[tuple[str, str]]:
    found = [("overview", "Overview")]
    found += [("aspects", "Aspects"), ("quotes", "In their words")] if whole.aspects else []
    found += [("products", "Products")]
    found += [("contradictions", "Contradictions")] if whole.contradicting else []
    found += [("change", "Change")] if len(whole.periods) > 1 else []
    return [*found, ("notes", "Notes")]


def _figures(whole: ProductSummary) -> dict[str, tuple[Callable[[], Figure], str]]:
    """Return what draws each plot, and what it says to those who cannot see it."""
    found: dict[str, tuple[Callable[[], Figure], str]] = {}
    if sum(whole.decided):
        found["stars"] = (partial(plots.star_shares, whole), "Shares of 1 to 5 stars, given and by the text")
    told = [aspect for aspect in whole.aspects if not aspect.suppressed]
    if told:
        alt = "; ".join(f"{a.aspect} {percent(a.share_positive, 0)}" for a in told)
        found["aspects"] = (partial(plots.aspect_shares, told), f"Share of praise: {alt}")
    if len(whole.periods) > 1:
        found["time"] = (partial(plots.stars_over_time, whole.periods), "Expected stars by time")
        names = [aspect.aspect for aspect in told if _drawable(whole, aspect.aspect)][:6]
        if names:
            draw = partial(plots.aspects_over_time, whole.periods, names)
            found["aspects_time"] = (draw, "Share of praise by time, for " + ", ".join(names))
    return found


def _drawable(whole: ProductSummary, aspect: str) -> bool:
    """Whether at least two periods have a share of the aspect."""
    return sum(period.share_positive.get(aspect) is not None for period in whole.periods) > 1


def _shown(found: Contradiction) -> dict[str, Any]:
    """Return a contradiction with its texts marked, a long one cut around the first evidence."""
    inside = [opinion for opinion in found.evidence if opinion.part == "text"]
    first = inside[0].start if inside else 0
    start = max(0, first - BEFORE) if first > BEFORE else 0
    end = min(len(found.text), first + AFTER)
    moved = [
        opinion.model_copy(update={"start": opinion.start - start, "end": opinion.end - start})
        for opinion in inside
        if opinion.start >= start and opinion.end <= end
    ]
    text = highlighted(found.text[start:end], moved)
    title = highlighted(found.title, [opinion for opinion in found.evidence if opinion.part == "title"])
    before, after = "… " if start else "", " …" if end < len(found.text) else ""
    return {"found": found, "title": title, "text": Markup("{}{}{}").format(before, text, after)}
