"""Every headline of a system that reads reviews, with its resamples of products (docs/metrics.md, Reviews).

Stars, expected stars and sentiment are decoded as `DECODINGS` says, whoever answers. N reviews.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int64, Shaped
from numpy import ndarray

from shelfwise.evaluate.classifier import evaluate_classifier
from shelfwise.evaluate.headlines import headline_samples
from shelfwise.evaluate.review_scores import DECODING, SENTIMENTS, STARS, Answers, Truth, summed
from shelfwise.metrics.bootstrap import Sampled, mean_of, resampled_counts
from shelfwise.metrics.classification import auroc_parts, class_scores, confusion_matrix, macro_f1
from shelfwise.metrics.macro_f1 import mean_over_classes
from shelfwise.metrics.ordinal import sampled_absolute_error, sampled_kappa, sampled_r_squared
from shelfwise.predict.reviews import FEELINGS

DECODINGS = {
    "stars": DECODING,
    "expected_stars": "mean of that distribution",
    "sentiment": "argmax of the sentiment head for a bundle, and for the baselines of the star probabilities "
    "summed by class (1-2 negative, 3 neutral, 4-5 positive)",
}
"""What becomes of a distribution before it is scored."""
HEADLINES = (
    *("accuracy", "qwk", "macro_f1", "mae_decided", "mae", "r2", "auroc"),
    *("sentiment_accuracy", "sentiment_macro_f1", "recommended_auc", "nll", "ece"),
)
LOWER_IS_BETTER = ("mae_decided", "mae", "nll", "ece")
CLASSES = ("1", "2", "3", "4", "5")
_LEAST = 1e-7
"""Smaller probabilities count as this, for every system: TF-IDF gives 0 to stars that it has not seen."""


def headlines_of(
    answers: Answers, truth: Truth, *, temperature: float = 1.0, recommends: bool = True, seed: int = 0
) -> dict[str, Sampled]:
    """Return every headline by name; the same seed and truth make two systems' paired.

    `recommended_auc` is left out where the system has not learned it (`recommends`) or nobody says."""
    drawn: dict[str, Any] = {"seed": seed, "groups": truth.products}
    labels, decided = truth.stars - 1, answers.decided
    felt, feeling = np.asarray(answers.sentiment.argmax(axis=1), dtype=np.int64), feelings(truth)
    logits = star_logits(answers, temperature)
    of_stars = headline_samples(logits, labels, temperature=temperature, groups=truth.products, seed=seed)
    found = {
        **{name: of_stars[name] for name in ("auroc", "nll", "ece")},
        "accuracy": mean_of(decided == labels, **drawn),
        "qwk": sampled_kappa(decided + 1, truth.stars, STARS, **drawn),
        "macro_f1": _sampled_f1(decided, labels, STARS, **drawn),
        "mae_decided": sampled_absolute_error(decided + 1.0, truth.stars, **drawn),
        "mae": sampled_absolute_error(answers.expected, truth.stars, **drawn),
        "r2": sampled_r_squared(answers.expected, truth.stars, **drawn),
        "sentiment_accuracy": mean_of(felt == feeling, **drawn),
        "sentiment_macro_f1": _sampled_f1(felt, feeling, SENTIMENTS, **drawn),
    }
    known = truth.recommended >= 0
    yes = answers.recommended[known]
    value, parts = auroc_parts(np.stack([-yes, yes], axis=1), truth.recommended[known])
    if recommends and not np.isnan(value).any():
        found["recommended_auc"] = mean_of(parts, seed=seed, groups=truth.products[known]).within(0.0, 1.0)
    return found


def _sampled_f1(
    said: Int64[ndarray, "N"],
    labels: Int64[ndarray, "N"],
    classes: int,
    *,
    seed: int,
    groups: Shaped[ndarray, "N"],
) -> Sampled:
    """Return macro-F1 with its resamples."""
    cells = resampled_counts(labels * classes + said, classes * classes, seed=seed, groups=groups)
    value = float(macro_f1(class_scores(confusion_matrix(said, labels, classes))))
    return mean_over_classes(value, macro_f1(class_scores(cells.reshape(-1, classes, classes))))


def evaluate_answers(
    answers: Answers, truth: Truth, *, temperature: float = 1.0, recommends: bool = True, seed: int = 0
) -> dict[str, Any]:
    """Return the `test` part of a reviews `metrics.json`: what `evaluate_classifier` says of the stars as
    five classes, and what else is measured of reviews.

    `temperature` is what the star logits were divided by; figures before scaling take it back."""
    found = headlines_of(answers, truth, temperature=temperature, recommends=recommends, seed=seed)
    stars = evaluate_classifier(
        star_logits(answers, temperature),
        truth.stars - 1,
        CLASSES,
        temperature=temperature,
        groups=truth.products,
        seed=seed,
    )
    del stars["rows_without_label"]  # `data` counts what is left out, and why
    return {
        **stars,
        **as_json(found),
        "sentiment": _sentiment(answers, truth),
    }


def as_json(found: dict[str, Sampled]) -> dict[str, Any]:
    """Return the headlines among `found`, in their order, as value and interval."""
    return {name: found[name].interval().as_json() for name in HEADLINES if name in found}


def star_logits(answers: Answers, temperature: float) -> Float[ndarray, "N 5"]:
    """Return logits that, divided by `temperature`, give the star distribution."""
    return np.asarray(np.log(answers.stars.clip(min=_LEAST)) * temperature)


def feelings(truth: Truth) -> Int64[ndarray, "N"]:
    """Return the sentiment of the stars given: 0 for 1-2, 1 for 3, 2 for 4-5."""
    return np.asarray(summed(np.eye(STARS)[truth.stars - 1]).argmax(axis=1), dtype=np.int64)


def other_decodings(answers: Answers, truth: Truth, *, seed: int = 0) -> dict[str, Any]:
    """Return kappa where stars are decided in other ways, for who would choose one; none is a headline."""
    median = 1 + (answers.stars.cumsum(axis=1) < 0.5).sum(axis=1).clip(max=STARS - 1)
    rounded = np.rint(answers.expected).clip(1, STARS).astype(np.int64)
    return {
        name: sampled_kappa(stars, truth.stars, STARS, seed=seed, groups=truth.products).interval().as_json()
        for name, stars in (("median", median), ("rounded_mean", rounded))
    }


def _sentiment(answers: Answers, truth: Truth) -> dict[str, Any]:
    """Return the confusion matrix of the sentiment, and each class."""
    felt = np.asarray(answers.sentiment.argmax(axis=1), dtype=np.int64)
    confusion = confusion_matrix(felt, feelings(truth), SENTIMENTS)
    scores = class_scores(confusion)
    return {
        "confusion": confusion.tolist(),
        "per_class": [
            {
                "class": name,
                "precision": float(scores.precision[k]),
                "recall": float(scores.recall[k]),
                "f1": float(scores.f1[k]),
                "support": int(scores.support[k]),
            }
            for k, name in enumerate(FEELINGS)
        ],
    }
