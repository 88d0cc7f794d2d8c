"""How well does the shipped products recipe tell products, beside linear peers, and at what cost?

    SHELFWISE_DATA=DIR python benchmarks/products.py [--seeds 0 1 2] [--part validation|test] [--singles]

configs/catalog.toml is trained once a seed, on one thread, in runs/bench/catalog-SEED, and what is finished
is kept; with --singles so are models of the picture alone and of the title alone (fusion.kind), in
catalog-picture-SEED and catalog-text-SEED. Seeds may be trained by processes started by hand: what a seed
answered is kept in its folder, and every process merges the seeds that are there.

All figures are of products that have a picture and a title, from one bundle a seed: asked for the picture,
the title, both, and once more with every word of any article type taken out of the titles
(benchmarks/article_type_words.txt). Peers are linear models of words, of gradients and colours, and of both
(`shelfwise.evaluate.product_baselines`), fitted in the same process on the same products, and kept.

Test is looked at only with --part test, which writes results/bench/products.json; on validation figures are
printed and no answers are kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import record
from product_bars import told
from product_masks import shipped_words
from product_merge import MASKED, PLACES, Run, Truth, merged
from product_peers import class_names, peers
from training_runs import attempt, cpu_seconds, data_folder, finished_bundles, run_folder, training

from shelfwise.bundle import ProductsBundle
from shelfwise.config import ProductsConfig
from shelfwise.data.class_words import class_words, without_words
from shelfwise.data.product_rows import ProductRows, load_products
from shelfwise.data.splits import Part
from shelfwise.evaluate.products import Asked, ask_subsets, has_all, names_to_pictures, title_ranks
from shelfwise.files import replacing
from shelfwise.predict.products import ProductPredictor

CONFIG = "catalog"
SINGLES = ("picture", "text")


def main() -> None:
    """Train, ask, merge, and print what was asked of the recipe last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--part", choices=["validation", "test"], default="validation")
    parser.add_argument("--singles", action="store_true")
    options = parser.parse_args()
    data_folder("catalogue-60x80")
    part: Part = options.part
    joint = runs_of(CONFIG, (), options.seeds, part)
    singles = {
        kind: runs_of(f"{CONFIG}-{kind}", (f"fusion.kind={kind}",), options.seeds, part)
        for kind in (SINGLES if options.singles else ())
    }
    config = ProductsBundle.open(run_folder(CONFIG, options.seeds[0]) / "bundle").config
    values = compared(config, part, joint, singles)
    if part == "test":
        record.write("products", values)
    show(values)


def runs_of(name: str, settings: tuple[str, ...], seeds: list[int], part: Part) -> dict[int, Run]:
    """What each seed answers; on test, the seeds that other processes have finished as well."""
    found = {}
    for seed in seeds:
        out = run_folder(name, seed)
        attempt(training(CONFIG, out, seed, settings), out)
        bundle = ProductsBundle.open(out / "bundle")
        found[seed] = measured(bundle, part, out / "test.json" if part == "test" else None)
        print(f"{name} seed {seed}: {found[seed]['bundle']}", flush=True)
    return finished_runs(name, found[seeds[-1]]) if part == "test" else found


def measured(bundle: ProductsBundle, part: Part, kept: Path | None) -> Run:
    """One seed's answers, from the file `kept` of an earlier start where they are of the same bundle."""
    if kept is not None and kept.exists():
        found: Run = json.loads(kept.read_text(encoding="utf-8"))
        if found["bundle"] == bundle.label:
            return found
    run = measure(bundle, part)
    if kept is not None:
        with replacing(kept) as partial:
            partial.write_text(json.dumps(run), encoding="utf-8")
    return run


def measure(bundle: ProductsBundle, part: Part) -> Run:
    """What one bundle says of every product of a part, and what it cost."""
    data = data_of(bundle.config)
    rows, words = parts_of(data)[part], words_of(data)
    titles = tuple(without_words(title, words) for title in rows.titles)
    predictor = ProductPredictor.load(bundle.path, threads=1)
    whole, rest = (ask_subsets(predictor, some) for some in (rows, replace(rows, titles=titles)))
    targets = {name: target for name, target in bundle.reading.targets.items() if not target.several}
    classes = {name: sorted({path[-1] for path in target.paths}) for name, target in targets.items()}
    numbers = {
        name: np.array([classes[name].index(path[-1]) for path in target.paths])
        for name, target in targets.items()
    }
    said = {
        place: {
            name: numbers[name][asked.probabilities[subset][name].argmax(axis=1)].tolist() for name in numbers
        }
        for asked, places in ((whole, PLACES), (rest, MASKED))
        for subset, place in places.items()
    }
    return {
        "bundle": bundle.label,
        "settings": settings(bundle.config),
        "part": part,
        "rows": rows_digest(rows),
        "classes": classes,
        "said": said,
        "masked": {
            "words": len(words),
            "changed": sum(
                without_words(title, ()) != left for title, left in zip(rows.titles, titles, strict=True)
            ),
            "emptied": titles.count(""),
        },
        **found_by_words(predictor, rows, whole),
        "cost": cost(bundle),
    }


def found_by_words(predictor: ProductPredictor, rows: ProductRows, asked: Asked) -> dict[str, Any]:
    """Where each title finds a picture of its title, and how precisely class names find theirs."""
    if not asked.vectors:
        return {"ranks": [], "names": {}}
    everyone = np.arange(len(rows))
    return {
        "ranks": title_ranks(rows, asked)[1].tolist(),
        "names": names_to_pictures(predictor, rows, everyone, asked.vectors["picture"]),
    }


def cost(bundle: ProductsBundle) -> dict[str, float]:
    """CPU-seconds of the whole command and of the loop alone, and the loop's peak memory in MiB."""
    told_of = bundle.info["training"]
    return {
        "cpu_seconds": max(cpu_seconds(bundle.path.parent), told_of["cpu_seconds"]),
        "loop_cpu_seconds": told_of["cpu_seconds"],
        "peak_memory_mb": told_of["peak_memory_mb"],
    }


def compared(
    config: ProductsConfig, part: Part, joint: dict[int, Run], singles: dict[str, dict[int, Run]]
) -> dict[str, Any]:
    """All runs beside the peers."""
    parts = parts_of(data_of(config))
    targets = {name: target for name, target in config.effective_targets.items() if not target.several}
    rows = parts[part]
    truth = Truth(
        {name: class_names(target, rows) for name, target in targets.items()}, np.array(rows.families)
    )
    return merged(CONFIG, joint, truth, peers(parts, targets, part), singles)


@cache
def parts_of(data: str) -> dict[Part, ProductRows]:
    """The products of a configuration, given as `data_of` makes it, that have a picture and a title."""
    parts = load_products(ProductsConfig.model_validate_json(data)).parts
    return {part: rows.take(np.flatnonzero(has_all(rows, "picture+text"))) for part, rows in parts.items()}


@cache
def words_of(data: str) -> frozenset[str]:
    """The words of the main target's classes among the training products; of the shipped recipe, the list.

    Ends the process where the list is not what these products say."""
    config = ProductsConfig.model_validate_json(data)
    names = set(class_names(next(iter(config.effective_targets.values())), parts_of(data)["train"]).tolist())
    words = class_words(names)
    if config.name == CONFIG and words != shipped_words():
        sys.exit("the list of article types' words is stale; run: python benchmarks/product_masks.py")
    return words


def data_of(config: ProductsConfig) -> str:
    """What of a configuration says which products there are, how they are split and what is asked of them."""
    kept = dict.fromkeys(("name", "data", "split", "preprocess", "targets", "table"), True)
    return config.model_dump_json(include={**kept, "picture": {"most"}})


def settings(config: ProductsConfig) -> str:
    """A digest of all settings but the seed."""
    dumped = config.model_dump(mode="json")
    del dumped["train"]["seed"]
    return hashlib.sha256(json.dumps(dumped, sort_keys=True).encode()).hexdigest()[:12]


def rows_digest(rows: ProductRows) -> str:
    """Of the products that were asked for: answers to others cannot be merged."""
    return hashlib.sha256("\0".join(rows.ids).encode()).hexdigest()[:12]


def finished_runs(name: str, like: Run) -> dict[int, Run]:
    """What the seeds answered on test: of the bundles there are now, settings and rows as of `like`."""
    found = {}
    for seed, path in finished_bundles(name).items():
        kept = path.parent / "test.json"
        if not kept.exists():
            continue
        run = json.loads(kept.read_text(encoding="utf-8"))
        same = all(run[key] == like[key] for key in ("settings", "rows"))
        if same and run["bundle"] == ProductsBundle.open(path).label:
            found[seed] = run
        else:
            print(f"{name} seed {seed} is left out: it was measured with other settings or another bundle")
    return found


def show(values: dict[str, Any]) -> None:
    """Accuracy of every target from everything, the peers' beside it, then a line for everything asked."""
    print(f"{values['config']}, {values['part']}, {values['products']:,} products, seeds {values['seeds']}")
    for target, by_place in values["figures"].items():
        for place, figures in by_place.items():
            line = f"  {target:9s} {place:12s} {_both(figures)}"
            if place in values["peers"][target]:
                line += f"   peer {_both(values['peers'][target][place])}"
            print(line)
    for kind, single in values.get("singles", {}).items():
        for target in values["figures"]:
            print(f"  {target:9s} {kind} model   {_both(single[target])}")
    print(f"  masked words: {values['masked']}")
    for verdict in values["asked"]:
        print(told(verdict))


def _both(figures: dict[str, Any]) -> str:
    return f"accuracy {figures['accuracy']['value']:.2%}, macro-F1 {figures['macro_f1']['value']:.3f}"


if __name__ == "__main__":
    main()
