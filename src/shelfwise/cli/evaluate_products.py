"""`shelfwise evaluate` of a products bundle: metrics.json, and a table of every target and subset."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shelfwise.cli import data_folders
from shelfwise.errors import ConfigError
from shelfwise.files import replacing

if TYPE_CHECKING:
    from shelfwise.data.splits import Part

Table = Callable[[str, list[tuple[str, ...]], tuple[str, ...]], None]


def evaluate_products_bundle(
    bundles: list[str],
    catalog: str,
    out: Path,
    *,
    part: Part,
    seed: int,
    threads: int | None,
    watch: Callable[[str, float], None],
    table: Table,
) -> int:
    """Measure one bundle; how many rows could not be read. ConfigError where several are named."""
    if len(bundles) != 1:
        raise ConfigError("products bundles are measured one at a time; name one BUNDLE")
    from shelfwise.data.catalog import resolve
    from shelfwise.data.product_rows import load_products
    from shelfwise.evaluate.products import evaluate_products
    from shelfwise.predict.products import ProductPredictor

    predictor = ProductPredictor.load(Path(bundles[0]), threads=threads)
    data = resolve(catalog, folders=data_folders())
    config = predictor.bundle.config
    # The bundle's own map of the columns: it says which label is which target.
    data = data.model_copy(update={"columns": config.data.columns})
    watch("reading the catalogue", 0.0)
    parts = load_products(config.model_copy(update={"data": data}))
    rows = parts.parts[part]
    if not len(rows):
        raise ConfigError(f"'{data.source}' has no product in the {part} part")
    found = evaluate_products(
        predictor, rows, part=part, source=Path(data.source).name, seed=seed, watch=watch
    )
    found["data"]["read"] = parts.count.as_dict()
    out.mkdir(parents=True, exist_ok=True)
    with replacing(out / "metrics.json") as partial:
        partial.write_text(json.dumps(found, indent=1), encoding="utf-8")
    table(f"{predictor.bundle.label}: accuracy", _lines(found), _columns(found))
    for line in _found(found.get("retrieval", {})):
        print(line)
    print(f"metrics: {out / 'metrics.json'}")
    return parts.count.failed


def _columns(found: dict[str, Any]) -> tuple[str, ...]:
    """The subsets that were asked."""
    first: dict[str, Any] = next(iter(found["targets"].values()), {})
    return ("target", *(subset.replace("+", " + ") for subset in first))


def _lines(found: dict[str, Any]) -> list[tuple[str, ...]]:
    """A line a target: its accuracy from each subset, with the interval."""
    return [
        (name, *(_shown(figures["accuracy"]) for figures in by_subset.values()))
        for name, by_subset in found["targets"].items()
    ]


def _shown(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return "-"
    low, high = figure["ci95"] or (float("nan"),) * 2
    return f"{figure['value']:.1%} ({low:.1%}-{high:.1%})"


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
