"""Are explanations true to the model? Deletion and insertion curves of every method that is shipped.

    SHELFWISE_DATA=DIR python benchmarks/explanations.py [--bundle DIR] [--pictures 600] [--part validation]

Pictures: those of a products bundle, asked of the picture alone, one of each family, drawn by a seed; without
SHELFWISE_DATA Fashion-MNIST and the bundle of `make demo`. The maps are those that `shelfwise explain` shows:
for the class that was answered, and for it rather than the runner-up. Pixels are taken away, or put in, in
the order of each map, and the probability of the class is watched, or that of the class if only the two were
possible (RISE, arXiv:1806.07421, section 4.1): a low area under deletion and a high one under insertion are
good. Insertion begins with a blank picture, and beside that with a blurred one. Beside the methods stand a
random order and Sobel's edges, which know nothing of the model. Words: the same of titles, asked of the title
alone, in the order of what leaving each out does. Differences are paired, with 95% intervals.
Writes results/bench/explanations.json; the last lines say which method is better than random.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch
from jaxtyping import Float, Int64, UInt8
from numpy import ndarray

from shelfwise.bundle import Bundle, ProductsBundle, open_bundle
from shelfwise.config import ProductsConfig, load_run
from shelfwise.data.datasets import load_labelled
from shelfwise.data.product_rows import ProductRows, load_products
from shelfwise.decide.temperature import sigmoid
from shelfwise.explain.asked_product import AskedProduct, background_of, pictures_alone
from shelfwise.explain.faithfulness import BLUR, STEPS, area, replacement_curve, word_curves
from shelfwise.explain.gradients import OpenNetwork
from shelfwise.explain.maps import blurred
from shelfwise.explain.networks import open_classifier, open_pictures
from shelfwise.explain.picture_maps import maps_of_picture
from shelfwise.explain.question import Question, question_about
from shelfwise.explain.words import MOST, in_order_of_weight, word_spans, words_left_out
from shelfwise.metrics.bootstrap import Sampled, mean_of
from shelfwise.predict import Predictor
from shelfwise.predict.products import ProductPredictor
from shelfwise.predict.torch_products import load_product_net
from shelfwise.schema import Product

ROOT = Path(__file__).resolve().parent.parent
CATALOG = ROOT / "runs" / "bench" / "catalog-0" / "bundle"
DEMO = ROOT / "results" / "demo" / "bundle"
CURVES = ("deletion", "insertion", "insertion_from_blurred")
"""From the picture to a blank one, and from a blank or a blurred one to the picture."""
CHUNK = 50
"""Pictures that are asked about at once."""

Orders = dict[str, Float[ndarray, "N H W"]]
"""What says in which order pixels go, by name: the highest first."""


@dataclass(frozen=True)
class Case:
    """Pictures, and a model that is asked about each of them."""

    pixels: UInt8[ndarray, "N H W C"]
    background: int
    logits: Callable[[UInt8[ndarray, "B H W C"]], Float[ndarray, "B K"]]
    """Calibrated: a softmax makes the probabilities of them."""
    network: OpenNetwork
    titles: tuple[str, ...] = ()
    ask_title: Callable[[str], AskedProduct] | None = None


def main() -> None:
    """Measure, record, and say which methods are better than random."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    real = "SHELFWISE_DATA" in os.environ
    parser.add_argument("--bundle", type=Path, default=CATALOG if real else DEMO)
    parser.add_argument("--pictures", type=int, default=600)
    parser.add_argument("--part", choices=["validation", "test"], default="validation")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not (options.bundle / "bundle.json").is_file():
        sys.exit(f"'{options.bundle}' is no bundle; name one with --bundle (`shelfwise train` writes it)")
    torch.set_num_threads(1)
    case = load_case(options.bundle, options.part, options.pictures, options.seed)
    found: dict[str, Any] = {
        "bundle": open_bundle(options.bundle).label,
        "part": options.part,
        "seed": options.seed,
        "steps": STEPS,
        "pictures": measure_pictures(case, options.seed),
    }
    if case.ask_title is not None:
        found["words"] = measure_words(case.ask_title, case.titles, options.seed)
    print(record.write("explanations", found))
    for asks in WATCHED:
        for name, values in found["pictures"][asks].items():
            print(f"{asks}, {name}: {verdict(values)}")
    if "words" in found:
        print(f"words left out: {verdict(found['words']['methods']['words left out'])}")


def load_case(path: Path, part: Any, count: int, seed: int) -> Case:
    """The model of a bundle, and `count` pictures that it has not learned from."""
    bundle = open_bundle(path)
    if isinstance(bundle, ProductsBundle):
        return products_case(bundle, part, count, seed)
    assert isinstance(bundle, Bundle)
    labelled = load_labelled(bundle.config, part)
    rows = np.sort(np.random.default_rng(seed).choice(len(labelled.labels), count, replace=False))
    network = open_classifier(bundle)
    assert network is not None
    predictor = Predictor.load(path, threads=1)
    background = background_of(bundle.config.preprocess)
    images = labelled.take(rows).images
    return Case(images, background, lambda pixels: predictor.logits(pixels) / bundle.temperature, network)


def products_case(bundle: ProductsBundle, part: Any, count: int, seed: int) -> Case:
    """Products of a part, each of another family, asked of one modality alone."""
    predictor = ProductPredictor.load(bundle.path, threads=1)
    target, config = bundle.meta.target, bundle.config
    rows = one_a_family(load_products(with_data_here(config)).parts[part], count, seed)

    def logits(pixels: UInt8[ndarray, "B H W C"]) -> Float[ndarray, "B K"]:
        known = predictor.encode(pictures_alone(pixels, len(config.table.fields)))
        return predictor.scores(known).logits[target]

    return Case(
        rows.pool[rows.places[rows.first[:-1]]],
        background_of(config.preprocess),
        logits,
        open_pictures(bundle, target, load_product_net(bundle)),
        rows.titles,
        lambda title: AskedProduct(predictor, Product(id="title", title=title), Path(), target),
    )


def with_data_here(config: ProductsConfig) -> ProductsConfig:
    """The bundle's configuration, with the files of the shipped one, found by SHELFWISE_DATA."""
    shipped = load_run(ROOT / "configs" / "catalog.toml", folders=(Path(os.environ["SHELFWISE_DATA"]),))
    return config.model_copy(update={"data": shipped.data, "split": shipped.split})


def one_a_family(rows: ProductRows, count: int, seed: int) -> ProductRows:
    """So many products with a picture and a title, no two of one family, in a seeded draw."""
    random, taken, kept = np.random.default_rng(seed), set(), []
    for row in random.permutation(len(rows)).tolist():
        if rows.counts[row] and rows.titles[row] and rows.families[row] not in taken:
            taken.add(rows.families[row])
            kept.append(row)
    return rows.take(np.array(kept[:count], np.int64))


def measure_pictures(case: Case, seed: int) -> dict[str, Any]:
    """Mean areas of every order for each thing asked, and paired differences from random and from edges."""
    said = np.concatenate([case.logits(case.pixels[some]) for some in chunks(len(case.pixels))])
    questions = [question_about((), logits, None) for logits in said]
    began = time.process_time()
    maps = maps_of(case, questions)
    found: dict[str, Any] = {
        "count": len(questions),
        "size": list(case.pixels.shape[1:]),
        "mean_probability": watched(WATCHED["class"], questions, said).mean().item(),
        "cpu_seconds_to_explain_one": (time.process_time() - began) / len(questions),
    }
    noise = np.random.default_rng(seed).random(case.pixels.shape[:3])
    (edges,) = maps.pop("edges").values()
    for asks, watch in WATCHED.items():
        areas = {}
        for name, order in {"random": noise, "edges": edges, **maps[asks]}.items():
            areas[name] = picture_areas(case, questions, watch, order)
            print(asks, name, *(f"{values.mean():.4f}" for values in areas[name].values()), flush=True)
        found[asks] = compared(areas, ("random", "edges"), seed)
    return found


def maps_of(case: Case, questions: list[Question]) -> dict[str, Orders]:
    """What `shelfwise explain` draws of each picture, by what is asked and by method; edges by themselves."""
    found: dict[str, dict[str, list[ndarray]]] = {asks: {} for asks in (*WATCHED, "edges")}
    for pixels, question in zip(case.pixels, questions, strict=True):
        drawn = maps_of_picture(
            case.logits, case.network, pixels, question, number=0, background=case.background
        )
        for one in drawn.said:
            found[one.asks].setdefault(one.method, []).append(drawn.drawn[one.file])
    return {asks: {name: np.stack(maps) for name, maps in some.items()} for asks, some in found.items()}


def ahead(question: Question, logits: Float[ndarray, "B K"]) -> Float[ndarray, "B"]:
    """The class's probability, were it or the runner-up the only ones possible."""
    return sigmoid(question.contrast(logits))


Watch = Callable[[Question, Float[ndarray, "B K"]], Float[ndarray, "B"]]
WATCHED: dict[str, Watch] = {"class": Question.probability, "contrast": ahead}
"""What each kind of map should be true to."""


def watched(
    watch: Watch, questions: Sequence[Question], logits: Float[ndarray, "N K"]
) -> Float[ndarray, "N"]:
    """Of each picture what its own question watches."""
    rows = zip(questions, logits, strict=True)
    return np.array([watch(question, row[None])[0] for question, row in rows], np.float64)


def picture_areas(
    case: Case, questions: Sequence[Question], watch: Watch, order: Float[ndarray, "N H W"]
) -> dict[str, Float[ndarray, "N"]]:
    """Area under each picture's curves."""
    found: dict[str, list[ndarray]] = {name: [] for name in CURVES}
    for some in chunks(len(questions)):
        pixels, own = case.pixels[some], [questions[k] for k in some.tolist()]

        def ask(versions: UInt8[ndarray, "B H W C"], own: Sequence[Question] = own) -> Float[ndarray, "B"]:
            return watched(watch, own, case.logits(versions))

        blank = np.full_like(pixels, case.background)
        hazy = blurred(pixels, BLUR * pixels.shape[1])
        found["deletion"].append(area(replacement_curve(ask, pixels, blank, order[some])))
        found["insertion"].append(area(replacement_curve(ask, blank, pixels, order[some])))
        found["insertion_from_blurred"].append(area(replacement_curve(ask, hazy, pixels, order[some])))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def measure_words(
    ask_title: Callable[[str], AskedProduct], titles: Sequence[str], seed: int
) -> dict[str, Any]:
    """As `measure_pictures`, of the words of titles with two or more."""
    random = np.random.default_rng(seed)
    areas: dict[str, dict[str, list[float]]] = {
        name: {"deletion": [], "insertion": []} for name in ("random", "words left out")
    }
    for title in titles:
        spans = word_spans(title)[:MOST]
        if len(spans) < 2:
            continue
        asked = ask_title(title)
        whole = asked.whole
        question = question_about(asked.info.paths, whole, None)
        words = words_left_out(asked.of_texts, title, question, whole)
        orders = {
            "random": random.permutation(len(spans)).tolist(),
            "words left out": in_order_of_weight(words),
        }
        for name, order in orders.items():
            found = word_curves(
                lambda texts, asked=asked, question=question: question.probability(asked.of_texts(texts)),
                title,
                spans,
                order,
            )
            for curve, value in zip(("deletion", "insertion"), found, strict=True):
                areas[name][curve].append(value)
    arrays = {
        name: {curve: np.array(values) for curve, values in some.items()} for name, some in areas.items()
    }
    return {
        "count": len(arrays["random"]["deletion"]),
        "methods": compared(arrays, ("random",), seed),
    }


def compared(
    areas: dict[str, dict[str, Float[ndarray, "N"]]], against: tuple[str, ...], seed: int
) -> dict[str, Any]:
    """Mean areas of each method, and its paired differences from the others named."""
    found: dict[str, Any] = {}
    for name, curves in areas.items():
        found[name] = {}
        for curve, values in curves.items():
            found[name][curve] = rounded(mean_of(values, seed=seed))
            for other in against:
                if other != name:
                    difference = mean_of(values - areas[other][curve], seed=seed)
                    found[name][curve][f"minus_{other}"] = rounded(difference)
    return found


def rounded(sampled: Sampled) -> dict[str, Any]:
    """A mean with its interval."""
    interval = sampled.interval()
    return {
        "value": round(interval.value, 4),
        "ci95": [round(interval.low, 4), round(interval.high, 4)],
    }


def verdict(curves: dict[str, Any]) -> str:
    """On which curves an order is better than a random one, beyond chance."""
    if "minus_random" not in curves["deletion"]:
        return "the measure of the others"
    better = []
    for name, values in curves.items():
        low, high = values["minus_random"]["ci95"]
        if high < 0 if name == "deletion" else low > 0:
            better.append(name.replace("_", " "))
    return f"better than random on {' and '.join(better) or 'nothing'}"


def chunks(count: int) -> list[Int64[ndarray, "_"]]:
    """Numbers in order, some at a time."""
    return [np.arange(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]


if __name__ == "__main__":
    main()
