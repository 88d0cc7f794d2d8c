"""How well a reviews bundle reads, beside what simple baselines make of the same texts (docs/metrics.md)."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from jaxtyping import Bool
from numpy import ndarray

from shelfwise import __version__
from shelfwise.bundle import ReviewsBundle
from shelfwise.config import ReviewData, ReviewsConfig
from shelfwise.data.review_tokens import review_text
from shelfwise.data.reviews import ReviewParts, load_reviews
from shelfwise.data.splits import Part
from shelfwise.errors import DataError
from shelfwise.evaluate.cost import peak_memory_mb
from shelfwise.evaluate.review_scores import (
    DECODING,
    STARS,
    Answers,
    Truth,
    figures,
    sampled_figures,
    summed,
)
from shelfwise.metrics.calibration import reliability
from shelfwise.metrics.classification import class_scores, confusion_matrix
from shelfwise.metrics.ordinal import quadratic_weighted_kappa
from shelfwise.predict.reviews import ReviewPredictor
from shelfwise.schema import Review

FORMAT = 1
HEADLINES = ("accuracy", "qwk", "macro_f1", "mae", "r2", "sentiment_macro_f1", "recommended_auc")
LOWER_IS_BETTER = ("mae",)
_ERRORS, _SHOWN = 24, 160

Watch = Callable[[str], None]


@dataclass(frozen=True)
class RatedReviews:
    """Reviews of one part with text and stars, and how the file was read."""

    reviews: list[Review]
    left_out: int
    """Reviews of the part without text or without stars."""

    @property
    def texts(self) -> list[str]:
        """What a model reads."""
        return [review_text(review) for review in self.reviews]

    @property
    def truth(self) -> Truth:
        """What the buyers said; a review without a product is its own family."""
        liked = [-1 if r.recommended is None else int(r.recommended) for r in self.reviews]
        families = [r.product if r.product is not None else f"\x00{r.id}" for r in self.reviews]
        return Truth(
            np.array([r.rating for r in self.reviews], dtype=np.int64),
            np.array(liked, dtype=np.int64),
            np.array(families, dtype=np.str_),
        )


def load_parts(bundle: ReviewsBundle, data: ReviewData) -> ReviewParts:
    """A file dealt as the bundle's training file was."""
    config: ReviewsConfig = bundle.config.model_copy(update={"data": data})
    return load_reviews(config)


def rated(parts: ReviewParts, part: Part) -> RatedReviews:
    """The reviews of a part that can be judged; DataError where there is none."""
    some = parts.parts[part]
    kept = [review for review in some if review.rating is not None and review_text(review)]
    if not kept:
        raise DataError(
            f"no review of the {part} part has both text and stars ({parts.count}); "
            "try another --part, or check data.columns"
        )
    return RatedReviews(kept, len(some) - len(kept))


def answers_of(predictor: ReviewPredictor, texts: Sequence[str]) -> Answers:
    """What a bundle says, in the form that all systems are scored in."""
    scores = predictor.distributions(texts)
    return Answers(scores.stars, scores.sentiment, scores.recommended)


def majority(train: Truth, rows: int) -> Answers:
    """Return the training part's shares as the answer to everything."""
    stars = np.bincount(train.stars - 1, minlength=STARS) / len(train.stars)
    known = train.recommended[train.recommended >= 0]
    liked = float(known.mean()) if len(known) else 0.5
    every = np.tile(stars, (rows, 1))
    return Answers(every, summed(every), np.full(rows, liked))


def evaluate_reviews(
    predictor: ReviewPredictor,
    parts: ReviewParts,
    *,
    part: Part = "test",
    source: str,
    baselines: bool = True,
    seed: int = 0,
    watch: Watch = lambda _stage: None,
) -> dict[str, Any]:
    """Return everything that `metrics.json` holds; intervals are over products.

    With `baselines` the majority's and TF-IDF's figures stand beside, fitted on the training part (needs
    scikit-learn), and the paired difference to TF-IDF."""
    test = rated(parts, part)
    truth = test.truth
    watch("reading")
    said = answers_of(predictor, test.texts)
    watch("intervals")
    sampled = sampled_figures(said, truth, seed=seed)
    scores = {name: sampled[name].interval().as_json() for name in HEADLINES if name in sampled}
    metrics: dict[str, Any] = {
        "format": FORMAT,
        "task": "reviews",
        "decoding": DECODING,
        "bundle": {"name": predictor.bundle.name, "version": predictor.bundle.version},
        "data": {
            "source": source,
            "part": part,
            "rows": len(test.reviews),
            "left_out": test.left_out,
            "products": len(np.unique(truth.products)),
            "read": parts.count.as_dict(),
        },
        "test": {**scores, "ece": figures(said, truth)["ece"], **_details(said, truth, predictor)},
        "by_length": _by_length(said, truth, test.texts),
        "other_decodings": _other_decodings(said, truth),
        "cases": _confident_errors(said, test.reviews),
    }
    if baselines:
        watch("baselines")
        metrics["baselines"] = _baselines(parts, test, truth, sampled, seed)
    metrics["peak_memory_mb"] = peak_memory_mb()
    metrics["provenance"] = {
        "shelfwise": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": onnxruntime.__version__,
        "seed": seed,
        "training": predictor.bundle.meta.info.get("training", {}),
        "config": predictor.bundle.config.model_dump(mode="json"),
    }
    return metrics


def compare_reviews(
    first: ReviewPredictor, second: ReviewPredictor, test: RatedReviews, *, seed: int = 0
) -> dict[str, Any]:
    """Return each headline of A and B, and B - A with a paired 95% interval over products."""
    truth, texts = test.truth, test.texts
    a, b = (sampled_figures(answers_of(p, texts), truth, seed=seed) for p in (first, second))
    rows = {}
    for name in HEADLINES:
        if name not in a or name not in b:
            continue
        found = (b[name] - a[name]).interval()
        better = "neither"
        if found.low > 0 or found.high < 0:
            better = "B" if (found.low > 0) != (name in LOWER_IS_BETTER) else "A"
        rows[name] = {
            "a": a[name].interval().as_json(),
            "b": b[name].interval().as_json(),
            "difference": found.as_json(),
            "better": better,
        }
    names = [{"name": p.bundle.name, "version": p.bundle.version} for p in (first, second)]
    return {
        **{"format": FORMAT, "task": "reviews", "decoding": DECODING},
        **{"a": names[0], "b": names[1], "rows": len(texts), "metrics": rows},
    }


def _baselines(
    parts: ReviewParts, test: RatedReviews, truth: Truth, model: dict[str, Any], seed: int
) -> dict[str, Any]:
    from shelfwise.evaluate.tfidf import Tfidf

    train = rated(parts, "train")
    validation = rated(parts, "validation") if parts.parts["validation"] else train
    fitted = Tfidf.fit(train.texts, train.truth, validation.texts, validation.truth)
    systems = {
        "majority": majority(train.truth, len(test.reviews)),
        "tfidf": fitted.answers(test.texts),
    }
    found: dict[str, Any] = {"tfidf_settings": fitted.chosen}
    for name, answers in systems.items():
        sampled = sampled_figures(answers, truth, seed=seed)
        found[name] = {key: sampled[key].interval().as_json() for key in HEADLINES if key in sampled}
        if name == "tfidf":
            found["model_minus_tfidf"] = {
                key: (model[key] - sampled[key]).interval().as_json() for key in HEADLINES if key in sampled
            }
    return found


def _details(said: Answers, truth: Truth, predictor: ReviewPredictor) -> dict[str, Any]:
    """Return the confusion matrix, the scores of each star, and reliability."""
    labels = truth.stars - 1
    confusion = confusion_matrix(said.decided, labels, STARS)
    scores = class_scores(confusion)
    bins = reliability(said.stars.max(axis=1), said.decided == labels)
    return {
        "temperature": predictor.bundle.temperature,
        "confusion": confusion.tolist(),
        "per_class": [
            {
                "class": str(k + 1),
                "precision": float(scores.precision[k]),
                "recall": float(scores.recall[k]),
                "f1": float(scores.f1[k]),
                "support": int(scores.support[k]),
            }
            for k in range(STARS)
        ],
        "reliability": {
            "edges": bins.edges.tolist(),
            "count": bins.count.tolist(),
            "confidence": [None if np.isnan(v) else float(v) for v in bins.confidence],
            "accuracy": [None if np.isnan(v) else float(v) for v in bins.accuracy],
        },
    }


def _by_length(said: Answers, truth: Truth, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return accuracy and mean distance of the expected stars for thirds of the texts by their length."""
    lengths = np.array([len(text) for text in texts])
    edges = np.quantile(lengths, [0, 1 / 3, 2 / 3, 1])
    found = []
    for k, name in enumerate(("short", "medium", "long")):
        last = lengths <= edges[k + 1] if name == "long" else lengths < edges[k + 1]
        inside: Bool[ndarray, "N"] = (lengths >= edges[k]) & last
        if inside.any():
            right = said.decided[inside] == truth.stars[inside] - 1
            distance = np.abs(said.expected[inside] - truth.stars[inside])
            found.append(
                {
                    "texts": name,
                    "characters": [int(lengths[inside].min()), int(lengths[inside].max())],
                    "rows": int(inside.sum()),
                    "accuracy": float(right.mean()),
                    "mae": float(distance.mean()),
                }
            )
    return found


def _other_decodings(said: Answers, truth: Truth) -> dict[str, Any]:
    """Return kappa where stars are decided in other ways, for who would choose one; none is a headline."""
    median = 1 + (said.stars.cumsum(1) < 0.5).sum(1).clip(max=STARS - 1)
    rounded = np.rint(said.expected).clip(1, STARS).astype(np.int64)
    return {
        name: quadratic_weighted_kappa(stars, truth.stars, STARS)
        for name, stars in (("median", median), ("rounded_mean", rounded))
    }


def _confident_errors(said: Answers, reviews: Sequence[Review]) -> list[dict[str, Any]]:
    """Return the reviews whose stars are farthest from what was expected, with a few of their words."""
    gaps = np.array([said.expected[i] - (review.rating or 0) for i, review in enumerate(reviews)])
    worst = np.argsort(-np.abs(gaps), kind="stable")[:_ERRORS]
    return [
        {
            "id": reviews[i].id,
            "product": reviews[i].product,
            "rating": reviews[i].rating,
            "expected": round(float(said.expected[i]), 3),
            "words": review_text(reviews[i])[:_SHOWN],
        }
        for i in worst
    ]
