"""The exploratory and quality report of a catalogue: one pass over the rows, then JSON, PNG and one page."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from shelfwise.config import CatalogConfig, SplitConfig
from shelfwise.data.catalog import ReadCount
from shelfwise.errors import DataError
from shelfwise.files import write_json
from shelfwise.reports import data_facts, data_page
from shelfwise.reports.data_facts import Analysis
from shelfwise.reports.duplicates import find_duplicates, row_folds
from shelfwise.reports.evidence import features, sample_rows
from shelfwise.reports.inflation import Inflation, naive_inflation
from shelfwise.reports.label_errors import FOLDS, LabelIssues, find_issues
from shelfwise.reports.rows import PicturedRow, pictured_rows, target_of
from shelfwise.reports.survey import Survey, blocks
from shelfwise.schema import RowError, RowWarning

logger = logging.getLogger(__name__)

SAMPLE = 20_000
"""Rows, chosen by a hash of their id, that the quick models look at."""
NEIGHBOURS = 10_000
"""Rows, of these, that the nearest-neighbour comparison of splits looks at."""
_ERRORS_SHOWN = 50

Progress = Callable[[str, int], None]
"""Called with the stage's name and the rows done so far."""


@dataclass
class Reading:
    """What went wrong on the way in: all of it counted, the first errors kept."""

    count: ReadCount = field(default_factory=ReadCount)
    errors: list[RowError] = field(default_factory=list)

    def good(self, items: Iterable[PicturedRow | RowError | RowWarning]) -> Iterator[PicturedRow]:
        """The rows that can be used."""
        for item in self.count.watch(items):
            if isinstance(item, PicturedRow):
                yield item
            elif isinstance(item, RowError) and len(self.errors) < _ERRORS_SHOWN:
                self.errors.append(item)


def write_data_report(
    config: CatalogConfig,
    out: Path,
    *,
    split: SplitConfig | None = None,
    sample: int = SAMPLE,
    progress: Progress = lambda stage, rows: None,
) -> dict[str, Any]:
    """Write `report.html`, `report.json` and the plots as PNG into `out`; returns what is in the JSON.

    Rows that cannot be used are counted and shown. DataError where the source as a whole cannot be read, or
    has no rows.
    """
    started = time.perf_counter()
    split = split or SplitConfig()
    reading = Reading()
    with Survey(target_of(config)) as survey:
        for block in blocks(reading.good(pictured_rows(config))):
            survey.add(block)
            progress("reading", reading.count.rows)
        if not reading.count.rows:
            raise DataError(f"'{config.source}' has no rows to report on")
        analysis = analyse(survey, split, sample=sample, progress=progress)
        facts = data_facts.collect(config, split, survey, reading.count, reading.errors, analysis)
        facts["seconds"] = round(time.perf_counter() - started, 2)
        progress("writing", len(survey))
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "report.json", facts)
        data_page.write(out, survey, analysis, facts)
    return facts


def analyse(survey: Survey, split: SplitConfig, *, sample: int, progress: Progress) -> Analysis:
    """Duplicates, likely label errors and the inflation by a naive split, for every label."""
    progress("duplicates", len(survey))
    found = find_duplicates(survey, split)
    rows = sample_rows(survey, sample)
    issues: dict[str, LabelIssues] = {}
    inflation: dict[str, Inflation] = {}
    if len(survey) < 2 * FOLDS:
        return Analysis(found, rows, issues, inflation)
    progress("features", len(rows))
    evidence = features(survey, rows)
    families = [found.families[row] for row in rows]
    folds = row_folds(families, split, FOLDS)
    by_row = row_folds([survey.prints.ids[row] for row in rows], split, FOLDS)
    _, groups = np.unique(np.array(families, dtype=object), return_inverse=True)
    some = slice(None, NEIGHBOURS)
    for target in survey.values:
        progress(f"labels of {target}", len(rows))
        labels = survey.labels(target)[0][rows]
        judged = find_issues(evidence, labels, folds)
        if judged is not None:
            issues[target] = judged
        gain = naive_inflation(
            evidence[some],
            labels[some],
            families=groups[some].astype(np.int64),
            row_folds=by_row[some],
            family_folds=folds[some],
        )
        if gain is not None:
            inflation[target] = gain
    return Analysis(found, rows, issues, inflation)
