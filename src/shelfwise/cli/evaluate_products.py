"""`shelfwise evaluate` of products bundles: how good one is, or how two differ, as JSON, page and table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shelfwise.cli import data_folders
from shelfwise.errors import ConfigError

if TYPE_CHECKING:
    from shelfwise.config import CatalogConfig, SplitConfig
    from shelfwise.data.product_rows import ProductParts
    from shelfwise.data.splits import Part
    from shelfwise.predict.products import ProductPredictor

Table = Callable[[str, list[tuple[str, ...]], tuple[str, ...]], None]
Watched = Callable[[str, float], None]


def evaluate_products_bundles(
    bundles: list[str],
    catalog: str,
    out: Path,
    *,
    part: Part,
    seed: int,
    threads: int | None,
    watch: Watched,
    table: Table,
) -> int:
    """Measure one bundle, or compare two; how many rows could not be read."""
    from shelfwise.data.catalog import resolve
    from shelfwise.evaluate.product_pairs import shared_targets
    from shelfwise.predict.products import ProductPredictor

    predictors = [ProductPredictor.load(Path(path), threads=threads) for path in bundles]
    if len(predictors) == 2:  # refuse now, and not after reading
        shared_targets(*(predictor.bundle for predictor in predictors))
    # Columns of a bare table are not guessed: the bundle's own map says which is which.
    data = resolve(catalog, folders=data_folders(), known=lambda config: config)
    out.mkdir(parents=True, exist_ok=True)  # or fail now, and not after the work
    watch("reading the catalogue", 0.0)
    parts = _load(predictors[0], data)
    if not len(parts.parts[part]):
        raise ConfigError(f"'{data.source}' has no product in the {part} part; try another --part")
    if len(predictors) == 2:
        _compare(predictors, parts, data, out, part, seed, watch, table)
    else:
        _measure(predictors[0], parts, Path(data.source).name, out, part, seed, watch, table)
    return parts.count.failed


def _load(predictor: ProductPredictor, data: CatalogConfig, split: SplitConfig | None = None) -> ProductParts:
    """The catalogue as the bundle reads it; `split` overrides the bundle's."""
    from shelfwise.data.product_rows import load_products

    config = predictor.bundle.config
    # The bundle's own map of the columns: it says which label is which target.
    data = data.model_copy(update={"columns": config.data.columns})
    return load_products(config.model_copy(update={"data": data, "split": split or config.split}))


def _measure(
    predictor: ProductPredictor,
    parts: ProductParts,
    source: str,
    out: Path,
    part: Part,
    seed: int,
    watch: Watched,
    table: Table,
) -> None:
    from shelfwise.evaluate.products import evaluate_products
    from shelfwise.reports.product_report import missing, write_product_report

    found = evaluate_products(predictor, parts.parts[part], part=part, source=source, seed=seed, watch=watch)
    found["data"]["read"] = parts.count.as_dict()
    watch("drawing the report", 0.0)
    page = write_product_report(found, predictor.bundle.journal(), out)
    label = predictor.bundle.label
    for several, title in ((False, "accuracy"), (True, "F1 of several values at once")):
        if lines := _lines(found, several=several):
            table(f"{label}: {title}", lines, ("target", "from", "value", "95% interval"))
    for line in [*_found(found.get("retrieval", {})), *missing(found)]:
        print(line)
    print(f"report:  {page}\nmetrics: {out / 'metrics.json'}")


def _compare(
    predictors: list[ProductPredictor],
    parts: ProductParts,
    data: CatalogConfig,
    out: Path,
    part: Part,
    seed: int,
    watch: Watched,
    table: Table,
) -> None:
    from shelfwise.evaluate.product_pairs import compare_products
    from shelfwise.reports.product_comparison import asked_from, measured, reads, write_product_comparison

    first, second = predictors
    split = first.bundle.config.split
    other = parts if _read_alike(first, second) else _load(second, data, split)
    found = compare_products(
        first,
        second,
        parts.parts[part],
        other.parts[part],
        part=part,
        source=Path(data.source).name,
        seed=seed,
        watch=watch,
    )
    page = write_product_comparison(found, out)
    lines: list[tuple[str, ...]] = []
    for target, subset, row in measured(found):
        several = "accuracy" not in row["metrics"]
        figure = row["metrics"]["micro_f1" if several else "accuracy"]
        name = f"{target} (F1)" if several else target
        lines.append((name, asked_from(subset), *_difference(figure)))
    title = f"A {first.bundle.label}, B {second.bundle.label}: accuracy"
    table(title, lines, ("target", "from", "A", "B", "B - A, 95% interval", "better"))
    print("; ".join(reads(found, which) for which in "ab"))
    print(f"report:  {page}\nmetrics: {out / 'comparison.json'}")


def _read_alike(first: ProductPredictor, second: ProductPredictor) -> bool:
    """Whether both bundles read the same of a catalogue."""
    a, b = first.bundle.config, second.bundle.config
    return (
        a.preprocess == b.preprocess
        and a.data.columns == b.data.columns
        and a.picture.most == b.picture.most
        and a.table.fields == b.table.fields
    )


def _lines(found: dict[str, Any], *, several: bool) -> list[tuple[str, ...]]:
    """A line for each target and subset: accuracy or F1, and the interval."""
    figure = "micro_f1" if several else "accuracy"
    return [
        (name, subset.replace("+", " + "), *_shown(figures.get(figure)))
        for name, by_subset in found["targets"].items()
        if found["about"][name]["several"] == several
        for subset, figures in by_subset.items()
    ]


def _shown(figure: dict[str, Any] | None) -> tuple[str, str]:
    if figure is None or figure["value"] is None:
        return "-", ""
    bounds = figure["ci95"]
    return f"{figure['value']:.1%}", f"{bounds[0]:.1%}-{bounds[1]:.1%}" if bounds else ""


def _difference(row: dict[str, Any]) -> tuple[str, str, str, str]:
    """A, B, their difference in points with its interval, and who is better."""
    value, bounds = row["difference"]["value"], row["difference"]["ci95"]
    within = f" ({100 * bounds[0]:+.2f} to {100 * bounds[1]:+.2f})" if bounds else ""
    return (
        f"{row['a']['value']:.2%}",
        f"{row['b']['value']:.2%}",
        f"{100 * value:+.2f}{within}",
        row["better"],
    )


def _found(retrieval: dict[str, Any]) -> list[str]:
    """What words find, in a line each."""
    lines = []
    if titles := retrieval.get("title_to_picture"):
        figures = ", ".join(
            f"{name} {titles[name]['value']:.3f}" for name in ("recall@1", "recall@10", "mrr")
        )
        lines.append(f"a title finds its picture among {titles['pool']:,}: {figures}")
    if names := retrieval.get("name_to_picture"):
        figures = ", ".join(f"{name} {names[name]:.3f}" for name in ("precision@1", "precision@10"))
        lines.append(f"a class's name finds its pictures, {names['classes']} classes: {figures}")
    return lines
