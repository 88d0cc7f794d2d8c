"""Why a reviews bundle reads a review as so many stars: which words, by leaving them out."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from shelfwise.bundle import ReviewsBundle
from shelfwise.data.review_tokens import review_text
from shelfwise.errors import DataError
from shelfwise.explain import words
from shelfwise.explain.question import question_about
from shelfwise.explain.result import Explained
from shelfwise.predict.review_backend import OnnxReviewBackend
from shelfwise.predict.reviews import ReviewPredictor
from shelfwise.schema import LabelScore, Review
from shelfwise.schema.explanation import Explanation

STARS = ("1 star", "2 stars", "3 stars", "4 stars", "5 stars")
MISSING = {
    "modalities": "the bundle answers from the text alone",
    "maps": "a reviews bundle looks at no picture",
    "attention": "the bundle answers from the text alone",
    "neighbours": "a reviews bundle keeps no training reviews",
}


def explain_review(
    bundle: ReviewsBundle, review: Review, *, label: str | None = None, threads: int | None = None
) -> Explained:
    """Why the bundle says these stars, by default the likeliest ones; `label` is such as `4 stars`.

    DataError for a review without a word, and for stars that there are not."""
    predictor = ReviewPredictor(bundle, OnnxReviewBackend(bundle, threads))
    text = review_text(review)
    if not words.word_spans(text):
        raise DataError("the review has no word: give --text")
    said = predictor.distributions([text]).stars
    if label is not None and label.strip().isdigit():
        label = STARS[int(label) - 1] if 1 <= int(label) <= len(STARS) else label
    question = question_about([(name,) for name in STARS], _logits(said)[0], label)
    found = words.words_left_out(
        lambda texts: _logits(predictor.distributions(texts).stars), text, question, _logits(said)[0]
    )
    scores = [LabelScore(label=name, probability=float(p)) for name, p in zip(STARS, said[0], strict=True)]
    assert question.rival is not None
    explanation = Explanation(
        bundle=bundle.label,
        id=review.id,
        target="stars",
        label=STARS[question.number],
        path=(STARS[question.number],),
        probability=scores[question.number].probability,
        answer=scores[int(said[0].argmax())],
        rival=scores[question.rival],
        known=("text",),
        text=text,
        words=found,
        missing=MISSING,
        methods=(words.METHOD,),
    )
    return Explained(explanation)


def _logits(probabilities: Float[ndarray, "B 5"]) -> Float[ndarray, "B 5"]:
    """Logits that a softmax makes these of."""
    return np.asarray(np.log(np.maximum(probabilities, 1e-30)))
