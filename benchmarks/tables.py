"""The tables of README and docs, from `results/bench/*.json`; `--check` fails on stale ones.

    python benchmarks/tables.py [--check]

A table stands between `<!-- table:NAME -->` and `<!-- /table -->`. A row whose file or figure is not
there yet is left out, so that no number is ever typed by hand.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from figure import Figure
from tables_explanations import EXPLANATIONS
from tables_serving import INT8, SEARCH, SERVING

from shelfwise.tune.ablation_table import markdown

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "results" / "bench"
README = ROOT / "README.md"
ABLATIONS = ROOT / "docs" / "ablations.md"
EXPLAIN = ROOT / "docs" / "explain.md"
MARKED = re.compile(r"(<!-- table:(?P<name>[\w-]+) -->\n).*?(<!-- /table -->)", re.DOTALL)


RECIPES = ("reviews-minilm-taught", "reviews-minilm", "reviews-distilled", "reviews")
"""Shipped configurations for reviews."""
PLACE = re.compile(r"{(?P<path>[\w.@% -]+):(?P<form>[^}]*)}")


def _recipe(name: str) -> Figure:
    """Accuracy of one shipped Fashion-MNIST recipe, from `benchmarks/train.py`."""
    file = f"train-{name}"
    return Figure(
        f"`configs/{name}.toml`, {{{file}.cpu_seconds.mean:,.0f}} CPU-seconds",
        f"{{{file}.accuracy.mean:.2%}} ({{{file}.accuracy.ci95.0:.2%}} to {{{file}.accuracy.ci95.1:.2%}}, "
        f"seeds {{{file}.seeds:}})",
        f"with mirrored pictures {{{file}.accuracy_tta.mean:.2%}}; ECE {{{file}.ece.mean:.2%}}",
    )


def _cost(percent: int) -> Figure:
    """Cost of a test accuracy against a plain baseline, from `benchmarks/cost_to_accuracy.py`."""
    place = f"cost_to_accuracy.targets.{percent}"
    what = f"training until {percent}% on the test set, CPU-seconds"
    measured = f"{{{place}.cpu_seconds:.0f}}, for {{{place}.accuracy:.2%}}"
    return Figure(
        what,
        measured,
        f"a plain network: {{{place}.baseline_cpu_seconds:.0f}}; {{{place}.ratio:.1f}}x",
        otherwise=Figure(
            what,
            measured,
            f"a plain network never in {{{place}.baseline_longest_cpu_seconds:.0f}}, its best is "
            f"{{{place}.baseline_best_accuracy:.2%}}; more than {{{place}.ratio:.1f}}x",
        ),
    )


def _stars(name: str) -> tuple[Figure, ...]:
    """One review recipe from `benchmarks/reviews.py`: its stars, at home and abroad, and its 8-bit form."""
    shops = ("home", "toy", "pet", "electronics")
    ours, theirs = (
        ", ".join(f"{shop} {{{name}.transfer.{shop}.{of}:.3f}}" for shop in shops) for of in ("mean", "tfidf")
    )
    return (
        Figure(
            f"`configs/{name}.toml`, {{{name}.cpu_seconds.mean:,.0f}} CPU-seconds: stars of "
            f"{{{name}.reviews:,d}} reviews",
            f"accuracy {{{name}.accuracy.mean:.1%}}, kappa {{{name}.qwk.mean:.3f}} "
            f"({{{name}.qwk.ci95_products.0:.3f}} to {{{name}.qwk.ci95_products.1:.3f}}, seeds "
            f"{{{name}.seeds:}}), R2 {{{name}.r2.mean:.3f}}",
            f"TF-IDF: {{{name}.tfidf.accuracy:.1%}}, {{{name}.tfidf.qwk:.3f}}, {{{name}.tfidf.r2:.3f}}; "
            f"kappa {{{name}.qwk_minus_tfidf.mean:+.3f}} ({{{name}.qwk_minus_tfidf.ci95_products.0:+.3f}} to "
            f"{{{name}.qwk_minus_tfidf.ci95_products.1:+.3f}}); majority {{{name}.majority.accuracy:.1%}}",
        ),
        Figure(
            "its sentiment (macro-F1), recommendation (AUC) and calibration (ECE)",
            f"{{{name}.sentiment_macro_f1.mean:.3f}}, {{{name}.recommended_auc.mean:.3f}}, "
            f"{{{name}.ece.mean:.1%}}",
            f"TF-IDF: {{{name}.tfidf.sentiment_macro_f1:.3f}}, {{{name}.tfidf.recommended_auc:.3f}}, "
            f"{{{name}.tfidf.ece:.1%}}",
        ),
        Figure(
            "it in other departments of another shop, 4-5 against 1-2 stars, AUC", ours, f"TF-IDF: {theirs}"
        ),
        Figure(
            f"it in 8 bits, {{{name}.megabytes.int8:.1f}} MB",
            f"accuracy {{{name}.int8_change.accuracy.mean:+.2%}}, kappa {{{name}.int8_change.qwk.mean:+.4f}}",
            f"the whole bundle, float32 too: {{{name}.megabytes.bundle:.1f}} MB",
        ),
    )


def _aspects(name: str) -> tuple[Figure, ...]:
    """Shop aspects and aspect terms of one recipe, from `benchmarks/aspects.py`."""
    shop, terms = f"aspects.shop.{name}", f"aspects.terms.{name}"
    lexicon, readers = "aspects.shop.lexicon", "aspects.agreement"
    return (
        Figure(
            f"`configs/{name}.toml`: aspects with polarity in {{aspects.sentences:d}} sentences, F1",
            f"{{{shop}.joint.f1.mean:.3f}} ({{{shop}.joint.f1.ci95_rows.0:.3f}} to "
            f"{{{shop}.joint.f1.ci95_rows.1:.3f}}, seeds {{aspects.seeds.{name}:}}); the aspect alone "
            f"{{{shop}.detection.f1.mean:.3f}}",
            f"lexicon: {{{lexicon}.joint.f1.mean:.3f}}, {{{lexicon}.detection.f1.mean:.3f}}; "
            f"two readers of one kind: {{{readers}.f1:.3f}}, kappa {{{readers}.kappa:.3f}}",
        ),
        Figure(
            "its aspect terms, exact words and polarity, in {aspects.term_reviews:d} reviews of DMASTE, F1",
            f"{{{terms}.all.f1.mean:.3f}} ({{{terms}.all.f1.ci95_rows.0:.3f}} to "
            f"{{{terms}.all.f1.ci95_rows.1:.3f}})",
            "lexicon: {aspects.terms.lexicon.all.f1.mean:.3f}",
        ),
    )


def _one_review(whose: str, what: str) -> Figure:
    """Latency of one review, from `benchmarks/reviews_speed.py`."""
    place = f"reviews_speed.latency.{whose}"
    return Figure(
        f"one review at a time, {what}, in 8 bits",
        f"{{{place}.shelfwise_int8.p50_ms:.2f}} ms, p95 {{{place}.shelfwise_int8.p95_ms:.2f}} ms; the model "
        f"alone {{{place}.bare_int8.p50_ms:.2f}} ms",
        f"the same weights in eager PyTorch: {{{place}.eager_fp32.p50_ms:.2f}} ms; "
        f"{{{place}.int8_over_eager:.1f}}x",
    )


def _whole_file(precision: str) -> Figure:
    """A file of reviews from end to end, from `benchmarks/reviews_speed.py`."""
    place = f"reviews_speed.summarize.{precision}"
    return Figure(
        f"`shelfwise reviews summarize` on {{{place}.reviews:,d}} reviews, {precision}, a second",
        f"{{{place}.per_second.summarize:,.0f}}",
        f"the bare model: {{{place}.per_second.bare:,.0f}}; {{{place}.over_bare:.0%}} of it",
    )


PEERS = {
    "picture": "gradients, colours and a linear SVM",
    "text": "TF-IDF and logistic regression",
    "both": "a linear SVM on all of these",
}
"""What a products recipe is compared with, by what is read."""


def _article_type(place: str, what: str) -> Figure:
    """The finest category from one subset of the modalities, from `benchmarks/products.py`."""
    ours, theirs, more = (f"products.{part}.category.{place}" for part in ("figures", "peers", "minus_peers"))
    return Figure(
        f"`configs/catalog.toml`: article type of {{products.products:,d}} products from {what}",
        f"{{{ours}.accuracy.value:.1%}} ({{{ours}.accuracy.ci95.0:.1%}} to {{{ours}.accuracy.ci95.1:.1%}}, "
        f"seeds {{products.seeds:}}), macro-F1 {{{ours}.macro_f1.value:.3f}}",
        f"{PEERS[place]}: {{{theirs}.accuracy.value:.1%}}, {{{theirs}.macro_f1.value:.3f}}; "
        f"{{{more}.accuracy.value:+.2%}} "
        f"({{{more}.accuracy.ci95.0:+.2%}} to {{{more}.accuracy.ci95.1:+.2%}})",
    )


def _attribute(target: str) -> Figure:
    """One attribute from picture, title and both, from `benchmarks/products.py`."""
    names = {"picture": "picture", "text": "title", "both": "both"}
    ours, theirs = (
        ", ".join(
            f"{name} {{products.{part}.{target}.{place}.accuracy.value:.1%}}" for place, name in names.items()
        )
        for part in ("figures", "peers")
    )
    more = f"products.minus_peers.{target}.both.accuracy"
    return Figure(
        f"its {target}",
        ours,
        f"the linear peers: {theirs}; from both {{{more}.value:+.2%}} "
        f"({{{more}.ci95.0:+.2%}} to {{{more}.ci95.1:+.2%}})",
    )


def _single(kind: str, what: str) -> Figure:
    """A separate model of one modality, from `benchmarks/products.py --singles`."""
    place, joint = f"products.singles.{kind}.category", f"products.figures.category.{kind}"
    return Figure(
        f"a model of {what} alone: article type",
        f"{{{place}.accuracy.value:.1%}}, macro-F1 {{{place}.macro_f1.value:.3f}}",
        f"the joint model from {what}: {{{joint}.accuracy.value:.1%}}; "
        f"{{{place}.joint_minus_single.accuracy.value:+.2%}} "
        f"({{{place}.joint_minus_single.accuracy.ci95.0:+.2%}} to "
        f"{{{place}.joint_minus_single.accuracy.ci95.1:+.2%}})",
    )


_MASKED = "products.figures.category"
_FOUND = "products.retrieval"
_BEYOND = "products.differences.category.masked_both_minus_picture.accuracy"

FIGURES: dict[str, tuple[Figure, ...]] = {
    "accuracy": (
        *(_recipe(name) for name in ("demo", "fashion-mnist", "fashion-mnist-long")),
        Figure(
            "demo: asked for by prompts of unseen templates (the tower has seen the labels)",
            "{train-demo.text_aligned.mean:.2%}",
            "its classifier: {train-demo.accuracy.mean:.2%}",
        ),
        Figure("demo: text to picture, P@10", "{train-demo.p_at_10.mean:.3f}"),
        Figure(
            "true zero-shot: sandals and coats by words alone, both held out of all training",
            "{zero_shot.between_the_two.mean:.1%} between the two",
            "chance 50%; among all ten {zero_shot.among_all_ten.mean:.1%}, chance 10%",
        ),
    ),
    "data": (
        Figure(
            "families found in {families.products:,d} real products, against a reference grouping by pairs",
            "precision {families.precision:.1%}, recall {families.recall:.1%}",
            "largest family {families.largest:d}; chaining all near pictures would make one of "
            "{families.largest_if_near_hashes_were_chained.6:,d}",
        ),
        Figure(
            "near-identical pictures among them, search alone",
            "{families.search_seconds.banded:.1f} s",
            "full distance matrix: {families.search_seconds.full_matrix:.0f} s; "
            "{families.search_speedup:.0f}x",
        ),
    ),
    "speed": (
        _cost(90),
        _cost(92),
        Figure(
            "`shelfwise --help`",
            "{help.help.seconds.median:.2f} s",
            "Python alone: {help.python_alone.seconds.median:.2f} s",
        ),
        Figure(
            "`shelfwise analyze` of a picture, a title and four reviews, by the default bundles",
            "{help.analyze.seconds.median:.2f} s, at most {help.analyze.seconds.max:.2f} s",
        ),
        Figure(
            "medium augmentation, batches of 64 a second on one thread",
            "PyTorch {loader.batches_per_second.torch:,.0f}, compiled {loader.batches_per_second.numba:,.0f}",
            "PIL per item: {loader.batches_per_second.pil_bilinear:,.0f}; "
            "{loader.ratios.torch_over_pil_bilinear:.1f}x and {loader.ratios.numba_over_pil_bilinear:.1f}x",
        ),
        *INT8,
    ),
    "products": (
        *(_article_type(place, what) for place, what in (("picture", "the picture"), ("text", "the title"))),
        _article_type("both", "both"),
        Figure(
            "its article type from both, every word of any article type taken out of the titles",
            f"{{{_MASKED}.masked_both.accuracy.value:.1%}}, "
            f"macro-F1 {{{_MASKED}.masked_both.macro_f1.value:.3f}}",
            f"beyond the picture alone {{{_BEYOND}.value:+.2%}} ({{{_BEYOND}.ci95.0:+.2%}} to "
            f"{{{_BEYOND}.ci95.1:+.2%}}); such titles alone {{{_MASKED}.masked_text.accuracy.value:.1%}}",
        ),
        *(_attribute(target) for target in ("gender", "colour", "season", "usage")),
        Figure(
            "each target from picture, title and both, beside its linear peer: "
            "{products.against_peers.all:d} paired differences",
            "{products.against_peers.ahead:d} ahead, {products.against_peers.ties:d} ties, "
            "{products.against_peers.behind:d} behind",
            "ahead or behind where the 95% interval leaves 0 out",
        ),
        *(_single(kind, what) for kind, what in (("picture", "the picture"), ("text", "the title"))),
        Figure(
            f"a title finds a picture of its title among {{{_FOUND}.pool:,d}}",
            f"recall@10 {{{_FOUND}.recall_at_10.value:.3f}} ({{{_FOUND}.recall_at_10.ci95.0:.3f}} to "
            f"{{{_FOUND}.recall_at_10.ci95.1:.3f}}), MRR {{{_FOUND}.mrr.value:.3f}}",
        ),
        Figure(
            f"a category's name finds its pictures, {{{_FOUND}.names:d}} names",
            f"P@1 {{{_FOUND}.name_p_at_1.value:.3f}}, P@10 {{{_FOUND}.name_p_at_10.value:.3f}}",
        ),
        Figure(
            "its training on one thread, CPU-seconds and peak memory",
            "{products.cost.cpu_seconds.value:,.0f}, {products.cost.peak_memory_mb.value:,.0f} MiB",
        ),
    ),
    "reviews": tuple(row for name in RECIPES for row in _stars(name)),
    "aspects": tuple(row for name in RECIPES for row in _aspects(name)),
    "reviews-speed": (
        _one_review("own", "our encoder"),
        _one_review("minilm", "MiniLM, 64 tokens"),
        *(_whole_file(precision) for precision in ("fp32", "int8")),
        Figure(
            "stars of many reviews by MiniLM, a second",
            "fp32 {reviews_speed.pipeline.per_second.shelfwise_fp32:,.0f}, "
            "int8 {reviews_speed.pipeline.per_second.shelfwise_int8:,.0f}",
            "Hugging Face's pipeline, batches of {reviews_speed.pipeline.batch_size:d}: "
            "{reviews_speed.pipeline.per_second.pipeline_fp32:,.0f}; "
            "{reviews_speed.pipeline.fp32_over_pipeline:.1f}x and "
            "{reviews_speed.pipeline.int8_over_pipeline:.1f}x",
        ),
    ),
    "explanations": EXPLANATIONS,
    "serving": SERVING,
    "search": SEARCH,
}


def render(name: str, folder: Path = BENCH) -> str:
    """The Markdown of one table; KeyError for a name that there is no table for."""
    if name.startswith("ablation-"):
        return _ablation(name, folder)
    rows = [row for figure in FIGURES[name] if (row := _row(figure, folder)) is not None]
    if not rows:
        return "*Not measured yet: run `make bench`.*\n"
    return _markdown(("what", "measured", "to compare", "from"), rows) + _machines(rows, folder)


def _machines(rows: Sequence[Sequence[str]], folder: Path) -> str:
    """On which processors the rows were measured: times of two do not compare."""
    files: dict[str, list[str]] = {}
    for name in dict.fromkeys(name.strip("`") for row in rows for name in row[-1].split(", ")):
        cpu = look_up(f"{name.removesuffix('.json')}.environment.cpu", folder)
        if cpu is not None:
            files.setdefault(" ".join(cpu.replace("(R)", "").split()), []).append(f"`{name}`")
    if not files:
        return ""
    several = len(files) > 1
    said = (f"{cpu} ({', '.join(names)})" if several else cpu for cpu, names in files.items())
    return f"\nMeasured on: {'; '.join(said)}.\n"


def _ablation(name: str, folder: Path) -> str:
    """All tables of one ablation, from `benchmarks/ablations.py`, and its figure where there is one."""
    try:
        found = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "*Not measured yet: run `python benchmarks/ablations.py`.*\n"
    picture = (
        f"![Differences by group]({name}.png)\n\n" if (ABLATIONS.parent / f"{name}.png").exists() else ""
    )
    return picture + markdown(found, level=3)


def fill(text: str, folder: Path = BENCH) -> str:
    """`text` with every marked table made anew."""

    def replaced(found: re.Match[str]) -> str:
        return f"{found[1]}\n{render(found['name'], folder)}\n{found[3]}"

    return MARKED.sub(replaced, text)


def look_up(path: str, folder: Path = BENCH) -> Any:
    """The value at `FILE.key.key` in the results, or None where there is none."""
    file, *keys = path.split(".")
    try:
        value = json.loads((folder / f"{file}.json").read_text(encoding="utf-8"))
        for key in keys:
            value = value[int(key)] if isinstance(value, list) else value[key]
    except (FileNotFoundError, KeyError, IndexError, TypeError, ValueError):
        return None
    return value


def _row(figure: Figure | None, folder: Path) -> tuple[str, ...] | None:
    """The row, or None where one of its numbers was not measured."""
    if figure is None:
        return None
    sources: list[str] = []

    def number(found: re.Match[str]) -> str:
        value = look_up(found["path"], folder)
        if value is None:
            raise LookupError(found["path"])
        sources.append(f"`{found['path'].split('.')[0]}.json`")
        return f"{value:{found['form']}}"

    try:
        texts = (figure.what, figure.measured, figure.beside)
        what, measured, beside = (PLACE.sub(number, text) for text in texts)
    except LookupError:
        return _row(figure.otherwise, folder)
    return what, measured, beside, ", ".join(dict.fromkeys(sources))


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main() -> None:
    """Fill the tables of all pages, or check them."""
    for page in (README, ABLATIONS, EXPLAIN):
        text = page.read_text(encoding="utf-8")
        filled = fill(text)
        if filled == text:
            continue
        if "--check" in sys.argv:
            sys.exit(f"the tables in {page.name} are stale; run: make fix")
        page.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main()
