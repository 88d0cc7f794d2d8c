"""`shelfwise evaluate` of reviews bundles: metrics.json, a page and a table with the baselines beside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shelfwise.cli import data_folders
from shelfwise.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from shelfwise.data.reviews import ReviewParts
    from shelfwise.data.splits import Part
    from shelfwise.predict.reviews import ReviewPredictor

Table = Callable[[str, list[tuple[str, ...]], tuple[str, ...]], None]


def evaluate_reviews_bundles(
    bundles: list[str],
    reviews: str,
    out: Path,
    *,
    part: Part,
    seed: int,
    threads: int | None,
    baselines: bool,
    watch: Callable[[str, float], None],
    table: Table,
) -> int:
    """Measure one bundle, or compare two; how many rows could not be read."""
    from shelfwise.data.suggest_reviews import resolve_reviews
    from shelfwise.evaluate.reviews import load_parts
    from shelfwise.predict.reviews import ReviewPredictor

    predictors = [ReviewPredictor.load(Path(path), threads=threads) for path in bundles]
    data = resolve_reviews(reviews, folders=data_folders())
    if data.columns.rating is None:
        raise ConfigError(
            f"'{reviews}': evaluating needs the stars; name their column in data.columns.rating"
        )
    watch("reading the reviews", 0.0)
    parts = load_parts(predictors[0].bundle, data)
    source = Path(data.source).name
    if len(predictors) == 2:
        _compare(predictors, parts, source, out, part, seed, watch, table)
    else:
        _measure(predictors[0], parts, source, out, part, seed, baselines, watch, table)
    return parts.count.failed


def _measure(
    predictor: ReviewPredictor,
    parts: ReviewParts,
    source: str,
    out: Path,
    part: Part,
    seed: int,
    baselines: bool,
    watch: Callable[[str, float], None],
    table: Table,
) -> None:
    from shelfwise.evaluate.reviews import evaluate_reviews
    from shelfwise.reports.review_report import NAMES, shown, write_review_report

    if baselines:
        try:
            import sklearn  # noqa: F401
        except ImportError:
            raise MissingExtraError("scikit-learn", "report") from None
    found = evaluate_reviews(
        predictor,
        parts,
        part=part,
        source=source,
        baselines=baselines,
        seed=seed,
        watch=lambda stage: watch(stage, 0.0),
    )
    page = write_review_report(found, predictor.bundle.journal(), out)
    lines: list[tuple[str, ...]] = []
    for name in NAMES:
        if name not in found["test"]:
            continue
        value = found["test"][name]
        line = [name, shown(name, value["value"]), _interval(name, value)]
        if baselines:
            beside = found["baselines"]
            difference = beside["model_minus_tfidf"][name]
            line += [shown(name, beside[who][name]["value"]) for who in ("majority", "tfidf")]
            line.append(_interval(name, difference, sign=True))  # alone: all fits a terminal of 80 columns
        lines.append(tuple(line))
    columns: tuple[str, ...] = ("metric", "value", "95% interval")
    columns += ("majority", "TF-IDF", "vs TF-IDF, 95%") if baselines else ()
    table(predictor.bundle.label, lines, columns)
    if made := found["data"]["constructed"]:
        print(f"{made:,} of the reviews are constructed: no figure says anything of a product")
    print(f"report:  {page}\nmetrics: {out / 'metrics.json'}")


def _compare(
    predictors: list[ReviewPredictor],
    parts: ReviewParts,
    source: str,
    out: Path,
    part: Part,
    seed: int,
    watch: Callable[[str, float], None],
    table: Table,
) -> None:
    from shelfwise.evaluate.reviews import compare_reviews, rated
    from shelfwise.reports.review_report import shown, write_review_comparison

    watch("comparing", 0.0)
    found = compare_reviews(
        predictors[0], predictors[1], rated(parts, part), source=source, part=part, seed=seed
    )
    page = write_review_comparison(found, out)
    lines: list[tuple[str, ...]] = [
        (
            name,
            shown(name, row["a"]["value"]),
            shown(name, row["b"]["value"]),
            _difference(name, row["difference"]),
            row["better"],
        )
        for name, row in found["metrics"].items()
    ]
    title = f"A {predictors[0].bundle.label}, B {predictors[1].bundle.label}"
    table(title, lines, ("metric", "A", "B", "B - A, 95% interval", "better"))
    print(f"report:  {page}\nmetrics: {out / 'comparison.json'}")


def _difference(name: str, metric: dict[str, Any]) -> str:
    """Return a difference with its interval, where it has one."""
    from shelfwise.reports.review_report import shown

    bounds = _interval(name, metric, sign=True)
    return shown(name, metric["value"], sign=True) + (f" ({bounds})" if bounds else "")


def _interval(name: str, metric: dict[str, Any], *, sign: bool = False) -> str:
    from shelfwise.reports.review_report import shown

    if not metric["ci95"]:
        return ""
    low, high = (shown(name, bound, sign=sign) for bound in metric["ci95"])
    return f"{low} to {high}"
