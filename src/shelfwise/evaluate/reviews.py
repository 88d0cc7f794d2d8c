"""How well a reviews bundle reads, beside what simple baselines make of the same texts (docs/metrics.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from shelfwise.bundle import ReviewsBundle
from shelfwise.config import ReviewData, ReviewsConfig
from shelfwise.data.review_tokens import TextReader, load_tokenizer, review_text
from shelfwise.data.reviews import ReviewParts, load_reviews
from shelfwise.data.splits import Part
from shelfwise.errors import DataError
from shelfwise.evaluate.cost import peak_memory_mb
from shelfwise.evaluate.provenance import provenance_of
from shelfwise.evaluate.review_cases import by_field, by_length, describe_reviews
from shelfwise.evaluate.review_headlines import (
    DECODINGS,
    HEADLINES,
    LOWER_IS_BETTER,
    as_json,
    evaluate_answers,
    headlines_of,
    other_decodings,
)
from shelfwise.evaluate.review_scores import STARS, Answers, Truth, summed
from shelfwise.metrics.bootstrap import Sampled
from shelfwise.predict.reviews import ReviewPredictor
from shelfwise.schema import Review

FORMAT = 1

Watch = Callable[[str], None]


@dataclass(frozen=True)
class RatedReviews:
    """Reviews of one part with text and stars, and how many of the part have not both."""

    reviews: list[Review]
    without_stars: int
    without_text: int
    """Of those with stars."""

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
    starred = [review for review in some if review.rating is not None]
    kept = [review for review in starred if review_text(review)]
    if not kept:
        raise DataError(
            f"no review of the {part} part has both text and stars ({parts.count}); "
            "try another --part, or check data.columns"
        )
    return RatedReviews(kept, len(some) - len(starred), len(starred) - len(kept))


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
    scikit-learn), and the paired difference to TF-IDF; DataError where they cannot be fitted."""
    bundle, test = predictor.bundle, rated(parts, part)
    truth = test.truth
    fitted = None
    if baselines:
        watch("baselines")
        fitted = _baseline_answers(parts, test)
    watch("reading")
    said = answers_of(predictor, test.texts)
    watch("intervals")
    reading: dict[str, Any] = {"temperature": bundle.temperature, "recommends": bundle.reading.recommends}
    lengths, room = _lengths(bundle, test.texts)
    metrics: dict[str, Any] = {
        "format": FORMAT,
        "task": "reviews",
        "decoding": DECODINGS,
        "bundle": {**_identity(predictor), "created": bundle.meta.created},
        "data": {
            **_data(test, part, source),
            "without_words": int((lengths == 0).sum()),
            "read": parts.count.as_dict(),
        },
        "test": evaluate_answers(said, truth, **reading, seed=seed),
        "other_decodings": other_decodings(said, truth, seed=seed),
        "by_length": by_length(said, truth, lengths, room, seed=seed),
        "by_field": by_field(said, truth, test.reviews, seed=seed),
        "cases": describe_reviews(said, test.reviews),
    }
    if fitted is not None:
        model = headlines_of(said, truth, **reading, seed=seed)
        metrics["baselines"] = _beside(*fitted, model, truth, seed)
    return {**metrics, "peak_memory_mb": peak_memory_mb(), "provenance": provenance_of(bundle, seed)}


def compare_reviews(
    first: ReviewPredictor,
    second: ReviewPredictor,
    test: RatedReviews,
    *,
    source: str,
    part: Part = "test",
    seed: int = 0,
) -> dict[str, Any]:
    """Return each headline of A and B, and B - A with a paired 95% interval over products."""
    truth, texts = test.truth, test.texts
    said = [answers_of(predictor, texts) for predictor in (first, second)]
    a, b = (
        headlines_of(
            answers,
            truth,
            temperature=predictor.bundle.temperature,
            recommends=predictor.bundle.reading.recommends,
            seed=seed,
        )
        for predictor, answers in zip((first, second), said, strict=True)
    )
    right_a, right_b = (answers.decided == truth.stars - 1 for answers in said)
    return {
        "format": FORMAT,
        "task": "reviews",
        "decoding": DECODINGS,
        "a": _identity(first),
        "b": _identity(second),
        "rows": len(texts),
        "data": _data(test, part, source),
        "agreement": {
            "both_right": int((right_a & right_b).sum()),
            "only_a_right": int((right_a & ~right_b).sum()),
            "only_b_right": int((~right_a & right_b).sum()),
            "both_wrong": int((~right_a & ~right_b).sum()),
        },
        "metrics": {name: _compared(name, a[name], b[name]) for name in HEADLINES if name in a and name in b},
    }


def _compared(name: str, a: Sampled, b: Sampled) -> dict[str, Any]:
    found = (b - a).interval()
    better = "neither"
    if found.low > 0 or found.high < 0:
        better = "B" if (found.low > 0) != (name in LOWER_IS_BETTER) else "A"
    return {
        "a": a.interval().as_json(),
        "b": b.interval().as_json(),
        "difference": found.as_json(),
        "better": better,
    }


def _baseline_answers(parts: ReviewParts, test: RatedReviews) -> tuple[dict[str, Any], dict[str, Answers]]:
    """Return TF-IDF's settings, and what each baseline says of the test reviews."""
    from shelfwise.evaluate.tfidf import Tfidf

    try:
        train = rated(parts, "train")
        validation = rated(parts, "validation") if parts.parts["validation"] else train
        fitted = Tfidf.fit(train.texts, train.truth, validation.texts, validation.truth)
    except (DataError, ValueError) as error:  # scikit-learn's, of one class alone or no word that recurs
        why = str(error).splitlines()[0]
        raise DataError(
            f"the baselines cannot be fitted on the training part: {why}; use --no-baselines"
        ) from error
    answers = {"majority": majority(train.truth, len(test.reviews)), "tfidf": fitted.answers(test.texts)}
    return fitted.chosen, answers


def _beside(
    settings: dict[str, Any],
    answers: dict[str, Answers],
    model: dict[str, Sampled],
    truth: Truth,
    seed: int,
) -> dict[str, Any]:
    """Return the baselines' headlines, and the model's minus TF-IDF's."""
    sampled = {name: headlines_of(said, truth, seed=seed) for name, said in answers.items()}
    scores = {
        name: {**as_json(found), "other_decodings": other_decodings(answers[name], truth, seed=seed)}
        for name, found in sampled.items()
    }
    ahead = {name: some - sampled["tfidf"][name] for name, some in model.items() if name in sampled["tfidf"]}
    return {"tfidf_settings": settings, **scores, "model_minus_tfidf": as_json(ahead)}


def _lengths(bundle: ReviewsBundle, texts: Sequence[str]) -> tuple[Int64[ndarray, "N"], int]:
    """Return the tokens of each text as the bundle counts them, and how many it reads at once."""
    reader = TextReader(load_tokenizer(bundle.path / "tokenizer.json"), bundle.reading.max_tokens)
    return reader.lengths(texts), reader.room


def _identity(predictor: ReviewPredictor) -> dict[str, Any]:
    return {"name": predictor.bundle.name, "version": predictor.bundle.version}


def _data(test: RatedReviews, part: Part, source: str) -> dict[str, Any]:
    return {
        "source": source,
        "part": part,
        "rows": len(test.reviews),
        "products": len(np.unique(test.truth.products)),
        "without_stars": test.without_stars,
        "without_text": test.without_text,
        "constructed": sum(review.constructed for review in test.reviews),
    }
