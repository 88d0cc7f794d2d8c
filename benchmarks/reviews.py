"""How well do the shipped recipes read reviews, beside TF-IDF with logistic regression, and at what cost?

    SHELFWISE_DATA=DIR python benchmarks/reviews.py [NAME ...] [--seeds 0 1 2] [--part validation|test]

NAME is a configuration, configs/NAME.toml: reviews-minilm, reviews-minilm-taught (by those of three seeds),
reviews-distilled (taught by MiniLM of the same seed, or of --teacher-seeds) or reviews. Each is trained
once a seed, on one thread, in runs/bench/NAME-SEED, and what is finished is kept. Two seeds may be trained
by two processes started by hand: what a seed measured is kept in its folder, and every process merges the
seeds that are there.

Stars are decoded in one way for every system, the most probable ones; C and class weights of the logistic
regression are those with the best quadratic weighted kappa on validation so decoded. Differences have paired
intervals over products. Transfer: expected stars of a model that has seen women's clothing alone, on other
departments of another shop, 4 and 5 stars against 1 and 2; on test alone.

Test is looked at only with --part test, which writes results/bench/NAME.json; on validation figures are
printed and nothing is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import record
from jaxtyping import Int64
from numpy import ndarray
from review_merge import HEADLINES, merged, sample_json
from review_runs import trained
from training_runs import cpu_seconds, data_folder, finished_bundles, run_folder

from shelfwise.bundle import ReviewsBundle
from shelfwise.config import ReviewsConfig
from shelfwise.data.dmaste import read_rated_texts
from shelfwise.data.review_tokens import review_text
from shelfwise.data.reviews import ReviewParts, load_reviews
from shelfwise.data.splits import Part
from shelfwise.evaluate.review_scores import STARS, Answers, Truth, figures, summed, transfer_auc
from shelfwise.evaluate.tfidf import Tfidf
from shelfwise.files import replacing
from shelfwise.metrics.bootstrap import Sampled
from shelfwise.metrics.ordinal import sampled_kappa
from shelfwise.predict.onnx_backend import Precision
from shelfwise.predict.reviews import ReviewPredictor
from shelfwise.schema import Review

NAMES = ("reviews-minilm", "reviews-minilm-taught", "reviews-distilled", "reviews")
ABROAD = ("home", "toy", "pet", "electronics")
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")


@dataclass(frozen=True)
class Rated:
    """Rated reviews that have something to read."""

    texts: list[str]
    truth: Truth


def main() -> None:
    """Train, measure, merge, and print the differences last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--teacher-seeds", nargs="+", type=int, default=None)
    parser.add_argument("--part", choices=["validation", "test"], default="validation")
    options = parser.parse_args()
    folder = data_folder("reviews")
    for name in options.names:
        runs = {}
        for seed in options.seeds:
            bundle = trained(name, seed, options.teacher_seeds)
            kept = run_folder(name, seed) / "test.json" if options.part == "test" else None
            runs[seed] = measured(bundle, options.part, folder / "reviews", kept)
            print(f"{name} seed {seed}: {told(runs[seed]['figures'])}", flush=True)
        if options.part == "test":
            runs = finished_runs(name, runs[options.seeds[-1]])
        values = merged(name, runs)
        if options.part == "test":
            record.write(name, values)
        show(values)


def measured(bundle: ReviewsBundle, part: Part, reviews: Path, kept: Path | None) -> dict[str, Any]:
    """One seed's figures, from the file `kept` of an earlier start where it is of the same bundle."""
    if kept is not None and kept.exists():
        found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        if found["bundle"] == bundle.label:
            return found
    run = measure(bundle, part, reviews)
    if kept is not None:
        with replacing(kept) as partial:
            partial.write_text(json.dumps(run, indent=1), encoding="utf-8")
    return run


def measure(bundle: ReviewsBundle, part: Part, reviews: Path) -> dict[str, Any]:
    """One seed's figures beside the baselines'."""
    data = data_of(bundle.config)
    rated, tfidf = rated_reviews(parts_of(data).parts[part]), baseline(data)
    exact, small = (ReviewPredictor.load(bundle.path, threads=1, precision=kind) for kind in PRECISIONS)
    ours, theirs = predicted(exact, rated.texts), tfidf.answers(rated.texts)
    found, rough = (figures(said, rated.truth) for said in (ours, predicted(small, rated.texts)))
    # Other shops are a test, too: no choice is made on them.
    shops = {shop: reviews / f"amazon-{shop}.txt" for shop in ABROAD if part == "test"}
    return {
        "bundle": bundle.label,
        "settings": settings(bundle.config),
        "teachers": [path.parent.name for path in bundle.config.distill.teachers],
        "part": part,
        "rows": {"reviews": len(rated.texts), "products": len(np.unique(rated.truth.products))},
        "figures": found,
        "int8": {name: rough[name] for name in HEADLINES},
        "int8_change": {name: rough[name] - found[name] for name in HEADLINES},
        "qwk_sampled": sample_json(kappa(ours, rated.truth)),
        "tfidf_qwk_sampled": sample_json(kappa(theirs, rated.truth)),
        "tfidf": figures(theirs, rated.truth),
        "tfidf_chosen": tfidf.chosen,
        "majority": figures(majority(data, len(rated.texts)), rated.truth),
        "transfer": {
            shop: transfer(predicted(exact, rated_texts(path)[0]), path) for shop, path in shops.items()
        },
        "transfer_tfidf": {shop: transfer_of_tfidf(data, path) for shop, path in shops.items()},
        "megabytes": megabytes(bundle.path),
        "cpu_seconds": cpu_seconds(bundle.path.parent),
    }


def kappa(answers: Answers, truth: Truth) -> Sampled:
    """With its resamples of products, the same for every system: so their differences are paired."""
    return sampled_kappa(answers.decided + 1, truth.stars, STARS, seed=0, groups=truth.products)


def predicted(predictor: ReviewPredictor, texts: Sequence[str]) -> Answers:
    """What a bundle says."""
    scores = predictor.distributions(texts)
    return Answers(scores.stars, scores.sentiment, scores.recommended)


def majority(data: str, rows: int) -> Answers:
    """The training reviews' shares of stars and recommendations, for every text the same."""
    truth = rated_reviews(parts_of(data).parts["train"]).truth
    shares = np.bincount(truth.stars, minlength=6)[1:] / len(truth.stars)
    stars = np.tile(shares, (rows, 1))
    known = truth.recommended[truth.recommended >= 0]
    return Answers(stars, summed(stars), np.full(rows, known.mean() if len(known) else 0.5))


@cache
def baseline(data: str) -> Tfidf:
    """TF-IDF of the same training reviews, its C chosen on the same validation reviews."""
    train, validation = (rated_reviews(parts_of(data).parts[part]) for part in ("train", "validation"))
    return Tfidf.fit(train.texts, train.truth, validation.texts, validation.truth)


@cache
def rated_texts(path: Path) -> tuple[list[str], Int64[ndarray, "N"]]:
    """Texts and stars of another shop."""
    rows = read_rated_texts(path)
    return [row.text for row in rows], np.array([row.rating for row in rows], dtype=np.int64)


@cache
def transfer_of_tfidf(data: str, path: Path) -> float:
    """The baseline's AUC on another shop."""
    return transfer(baseline(data).answers(rated_texts(path)[0]), path)


def transfer(answers: Answers, path: Path) -> float:
    """AUC of the answers on another shop."""
    return transfer_auc(answers.expected, rated_texts(path)[1])


@cache
def parts_of(data: str) -> ReviewParts:
    """The reviews of a configuration, given as `data_of` makes it."""
    return load_reviews(ReviewsConfig.model_validate_json(data))


def data_of(config: ReviewsConfig) -> str:
    """What of a configuration says which reviews there are and how they are split."""
    return config.model_dump_json(include={"data", "split"})


def rated_reviews(reviews: Sequence[Review]) -> Rated:
    """Those that have stars and something to read; one without a product is a product of its own."""
    some = [review for review in reviews if review.rating is not None and review_text(review)]
    recommended = [-1 if review.recommended is None else int(review.recommended) for review in some]
    truth = Truth(
        np.array([review.rating for review in some], dtype=np.int64),
        np.array(recommended, dtype=np.int64),
        np.array([review.product or f"review {review.id}" for review in some]),
    )
    return Rated([review_text(review) for review in some], truth)


def settings(config: ReviewsConfig) -> str:
    """A digest of all settings but those in which the seeds of one configuration differ."""
    dumped = config.model_dump(mode="json")
    del dumped["train"]["seed"], dumped["distill"]["teachers"]
    return hashlib.sha256(json.dumps(dumped, sort_keys=True).encode()).hexdigest()[:12]


def megabytes(bundle: Path) -> dict[str, float]:
    """Size of a bundle in 10^6 bytes: whole, and what int8 inference reads of it."""
    sizes = {path.name: path.stat().st_size / 1e6 for path in bundle.iterdir()}
    served = (size for name, size in sizes.items() if "int8" in name or name.endswith(".json"))
    return {"bundle": round(sum(sizes.values()), 2), "int8": round(sum(served), 2)}


def finished_runs(name: str, like: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """What the seeds have measured on test, each with the bundle that is there now and settings as `like`."""
    runs = {}
    for seed, path in finished_bundles(name).items():
        kept = path.parent / "test.json"
        if not kept.exists():
            continue
        run = json.loads(kept.read_text(encoding="utf-8"))
        if run["bundle"] == ReviewsBundle.open(path).label and run["settings"] == like["settings"]:
            runs[seed] = run
        else:
            print(f"{name} seed {seed} is left out: it was measured with other settings or another bundle")
    return runs


def told(found: dict[str, float]) -> str:
    """Figures in one line."""
    return ", ".join(f"{name} {value:.4f}" for name, value in found.items())


def show(values: dict[str, Any]) -> None:
    """One line for every system, and the difference last."""
    seeds = f"{values['config']}, {values['part']}, {values['reviews']:,} reviews, seeds {values['seeds']}"
    means = {name: values[name]["mean"] for name in values["majority"]}
    print(f"{seeds}\n  model     {told(means)}")
    for name in ("tfidf", "majority"):
        print(f"  {name:9s} {told(values[name])}")
    changes = {name: change["mean"] for name, change in values["int8_change"].items()}
    print(f"  int8 changes: {told(changes)}")
    for shop, auc in values["transfer"].items():
        print(f"  {shop:12s} AUC {auc['mean']:.4f}, TF-IDF {auc['tfidf']:.4f}")
    cost, size = values["cpu_seconds"]["mean"], values["megabytes"]
    print(f"  {cost:,.0f} CPU-seconds, bundle {size['bundle']:.1f} MB, for int8 {size['int8']:.1f} MB")
    more = values["qwk_minus_tfidf"]
    print(f"  kappa minus TF-IDF's: {more['mean']:+.4f}, over products {more['ci95_products']}")


if __name__ == "__main__":
    main()
