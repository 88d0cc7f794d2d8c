"""The exploratory and quality report of a reviews file: one pass over the rows, then JSON, PNG and one page.

The rows are read as they are in the file and cleaned here, so that before and after can be compared.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shelfwise.config import CleanConfig, ReviewData
from shelfwise.data.catalog import ReadCount
from shelfwise.data.cleaning_impact import CleaningImpact
from shelfwise.data.review_flags import COMMON, FLAGS, Flags
from shelfwise.data.review_statistics import TOKEN_LIMITS, ReviewStatistics
from shelfwise.data.reviews import read_reviews
from shelfwise.errors import DataError
from shelfwise.files import write_json
from shelfwise.reports import page
from shelfwise.reports import review_data_plots as plots
from shelfwise.reports.data_plots import Draw
from shelfwise.reports.data_report import Progress
from shelfwise.schema import Review, RowError, RowWarning

_EVERY = 500
_TELLING = 40
MEANING = {
    "empty_text": "Neither headline nor text.",
    "cut_text": "Stops in the middle of a sentence at a length that files are cut at.",
    "not_english": "Few of its words are among the commonest English ones.",
    "duplicate_text": "The same text was seen before of the same product.",
    "contradictory": "Few stars and recommended, or many stars and not recommended.",
}
"""What each flag says of a review."""


@dataclass
class _Pass:
    """One pass over a file: what was counted on the way."""

    data: ReviewData
    count: ReadCount = field(default_factory=ReadCount)
    statistics: ReviewStatistics = field(default_factory=ReviewStatistics)
    texts: CleaningImpact = field(init=False)
    titles: CleaningImpact = field(init=False)

    def __post_init__(self) -> None:
        self.texts, self.titles = CleaningImpact(self.data.clean), CleaningImpact(self.data.clean)

    def run(self, progress: Progress) -> None:
        """Read the file to its end."""
        flags = Flags()
        for item in self.count.watch(self._raw()):
            if isinstance(item, RowError):
                self.statistics.add_error(item)
            elif isinstance(item, Review):
                review = self._cleaned(item)
                odd = flags.of(review)
                self.count.warnings.update(odd)
                self.statistics.add(review, odd)
            if self.count.rows % _EVERY == 1:
                progress("reading", self.count.rows)

    def _raw(self) -> Iterator[Review | RowError | RowWarning]:
        """The rows with nothing cleaned, and without their flags: those are of the cleaned texts."""
        off = CleanConfig.model_validate(dict.fromkeys(CleanConfig.model_fields, False))
        for item in read_reviews(self.data.model_copy(update={"clean": off})):
            if not (isinstance(item, RowWarning) and item.kind in FLAGS):
                yield item

    def _cleaned(self, raw: Review) -> Review:
        text = self.texts.add(raw.text)
        title = self.titles.add(raw.title) if raw.title else ""
        return raw.model_copy(update={"title": title, "text": text})


def write_review_data_report(
    data: ReviewData, out: Path, *, progress: Progress = lambda stage, rows: None
) -> dict[str, Any]:
    """Write `report.html`, `report.json` and the plots as PNG into `out`; returns what is in the JSON.

    Rows that cannot be used are counted and shown. DataError where the file as a whole cannot be read, or
    has no rows."""
    started = time.perf_counter()
    done = _Pass(data)
    done.run(progress)
    if not done.count.rows:
        raise DataError(f"'{data.source}' has no rows to report on")
    facts = {
        "task": "reviews",
        "source": data.source,
        "columns": data.columns.model_dump(mode="json"),
        "rows": done.count.as_dict(),
        **done.statistics.as_dict(),
        "cleaning": {
            "settings": data.clean.model_dump(mode="json"),
            "text": done.texts.as_dict(),
            "title": done.titles.as_dict(),
        },
        "seconds": round(time.perf_counter() - started, 2),
    }
    progress("writing", done.count.rows)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "report.json", facts)
    _write_page(out, facts)
    return facts


def summary(facts: dict[str, Any]) -> str:
    """A few lines for the terminal; every number in them is in the facts."""
    rows, stars, tokens = facts["rows"], facts["ratings"], facts["tokens"]
    lines = [f"{rows['rows']:,} rows in = {rows['ok']:,} ok + {rows['failed']:,} failed"]
    for what in ("errors", "warnings"):
        if rows[what]:
            lines.append(f"{what}: " + ", ".join(f"{kind} {n:,}" for kind, n in rows[what].items()))
    if facts["constructed"]:
        lines.append(f"constructed: {facts['constructed']:,}, which no buyer wrote")
    if stars["mean"] is not None:
        shares = ", ".join(f"{star}: {count:,}" for star, count in enumerate(stars["counts"], 1))
        lines.append(f"stars: {stars['mean']:.2f} on average ({shares}; without: {stars['without']:,})")
    products = facts["products"]
    if products["products"]:
        lines.append(f"products: {products['products']:,}, the most reviewed with {products['most']:,}")
    lines.append(
        f"words of our tokenizer: {tokens['mean']:.0f} on average, 95% have at most {tokens['p95']:,}; "
        + ", ".join(f"{share:.1%} longer than {limit}" for limit, share in tokens["longer_than"].items())
    )
    overall = facts["cleaning"]["text"]["overall"]
    lines.append(f"cleaning changes {overall['changed']:,} of {overall['texts']:,} texts")
    return "\n".join(lines)


def _write_page(out: Path, facts: dict[str, Any]) -> None:
    shown = _plots(facts)
    with warnings.catch_warnings():
        # A word in a script that matplotlib's font lacks shows as boxes in the PNG alone.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        for name, (draw, _) in shown.items():
            page.save_figure(draw, out / f"{name}.png")
        figures = {name: page.themed_figure(draw, alt=alt) for name, (draw, alt) in shown.items()}
    common = facts["vocabulary"]["commonest"].items()
    html = page.render(
        "review_data_report.html",
        title=Path(facts["source"]).name,
        kicker="Reviews data report",
        lead=_lead(facts),
        sections=_sections(facts),
        facts=facts,
        figures=figures,
        meaning=MEANING,
        limits=[str(limit) for limit in TOKEN_LIMITS],
        telling=[pair for pair in common if pair[0] not in COMMON][:_TELLING],
    )
    page.write_page(out / "report.html", html)


def _plots(facts: dict[str, Any]) -> dict[str, tuple[Draw, str]]:
    """File name without ending to the figure and its alternative text; only those with something to show."""
    found: dict[str, tuple[Draw, str]] = {}
    if sum(facts["ratings"]["counts"]):
        found["ratings"] = plots.ratings(facts["ratings"]["counts"]), "Reviews with 1 to 5 stars"
    if facts["reviews"]:
        for unit in ("characters", "words"):
            found[unit] = plots.lengths(facts[unit]["histogram"], unit), f"Lengths of the texts in {unit}"
    if len(facts["months"]) > 1:
        found["months"] = plots.months(facts["months"]), "Mean stars and reviews by month"
    for name, stars, colour in (("low", "1_and_2", 1), ("high", "4_and_5", 0)):
        if words := facts["vocabulary"][f"typical_of_{stars}_stars"]:
            alt = f"Words typical of {stars.replace('_', ' ')} stars"
            found[f"words_{name}"] = plots.typical_words(words, colour), alt
    if facts["products"]["products"]:
        found["products"] = plots.products(facts["products"]["by_reviews"]), "Products by number of reviews"
    return found


def _lead(facts: dict[str, Any]) -> str:
    products = facts["products"]["products"]
    of = f" of {products:,} product{'' if products == 1 else 's'}" if products else ""
    failed = facts["rows"]["failed"]
    rest = f"; {failed:,} rows cannot be read" if failed else ""
    return f"{facts['reviews']:,} reviews{of}{rest}."


def _sections(facts: dict[str, Any]) -> list[tuple[str, str]]:
    always = [("overview", "Overview"), ("stars", "Stars"), ("lengths", "Lengths")]
    some = [("words", "Words")] if facts["vocabulary"]["words"] else []
    some += [("products", "Products")] if facts["products"]["products"] else []
    return [*always, *some, ("flags", "Flags"), ("cleaning", "Cleaning"), ("rows", "Rows")]
