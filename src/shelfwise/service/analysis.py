"""One product's answers put together: what it is, what buyers say, and what cannot be told, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shelfwise.bundle import ProductsBundle
from shelfwise.data.cleaning import clean
from shelfwise.predict.predictor import Predictor
from shelfwise.predict.products import ProductPredictor
from shelfwise.predict.reviews import ReviewPredictor
from shelfwise.reviews.rollup import Rollup
from shelfwise.schema import (
    Prediction,
    Product,
    ProductAnswer,
    ProductSummary,
    Review,
    ReviewPrediction,
    TargetAnswer,
)
from shelfwise.schema.serving import Analysis, Answered
from shelfwise.service.models import OpenModel

NO_ATTRIBUTES = (
    "the bundle {bundle} has learned categories only; train one on your own catalogue for attributes"
)
NO_TARGETS = "the bundle {bundle} has learned no targets, only what is alike"
NO_PRODUCT_MODEL = "no bundle of pictures or products is open"
NO_REVIEW_MODEL = "no bundle of reviews is open"
NOTHING_GIVEN = "neither a picture nor a title was given"
NO_PICTURE = "no picture was given, and the bundle {bundle} reads pictures only"
NO_REVIEWS = "no reviews were given"


def analyze(
    product: Product,
    reviews: Sequence[Review],
    *,
    product_model: OpenModel | None,
    review_model: OpenModel | None,
    image_root: Path = Path(),
    top: int = 3,
) -> Analysis:
    """Ask the bundles about one product and put together what they say."""
    given = bool(product.images or product.title or product.description or product.fields)
    answer: Prediction | ProductAnswer | None = None
    predictor = None if product_model is None else product_model.predictor
    if given and isinstance(predictor, ProductPredictor):
        answer = next(predictor.predict([product], image_root, top=top))
    elif product.images and isinstance(predictor, Predictor):
        (answer,) = predictor.predict([product], top=top, image_root=image_root)
    reviewed: list[tuple[Review, ReviewPrediction]] = []
    if review_model is not None and isinstance(review_model.predictor, ReviewPredictor):
        reviewed = answer_cleaned(review_model.predictor, reviews)
    return analysis_of(
        product.id, answer, reviewed, product_model=product_model, review_model=review_model, given=given
    )


def answer_cleaned(
    predictor: ReviewPredictor, reviews: Sequence[Review]
) -> list[tuple[Review, ReviewPrediction]]:
    """Each review with its texts cleaned as those that the bundle has learned from, and what it says.

    Quotes count in the cleaned texts, so an answer has those that cleaning changed."""
    repairs = predictor.bundle.config.data.clean
    texts = [{"title": clean(one.title, repairs), "text": clean(one.text, repairs)} for one in reviews]
    cleaned = [one.model_copy(update=read) for one, read in zip(reviews, texts, strict=True)]
    told = []
    for given, review, answer in zip(reviews, cleaned, predictor.predict(cleaned), strict=True):
        changed = {} if review.title == given.title else {"read_title": review.title}
        changed |= {} if review.text == given.text else {"read_text": review.text}
        told.append((review, answer.model_copy(update=changed) if changed else answer))
    return told


def analysis_of(
    id: str,
    answer: Prediction | ProductAnswer | None,
    reviewed: Sequence[tuple[Review, ReviewPrediction]],
    *,
    product_model: OpenModel | None,
    review_model: OpenModel | None,
    given: bool,
) -> Analysis:
    """The analysis of one product from what each bundle said of it.

    `answer` is None where no bundle was asked: `given` says whether there was anything to ask about. The
    product has failed where no bundle could answer."""
    missing: dict[str, str] = {}
    category, attributes, known = _of_product(answer, product_model, missing, given=given)
    summary = _of_reviews(id, reviewed, review_model, missing)
    error, kind = (None, None) if answer is None else (answer.error, answer.error_kind)
    told = (answer is not None and answer.status == "ok") or (summary is not None and summary.reviews > 0)
    if not told and error is None:
        error, kind = _why_nothing(reviewed, missing)
    by: dict[str, Answered] = {}
    if category is not None and product_model is not None:
        by["product"] = product_model.answered
    if summary is not None and review_model is not None:
        by["reviews"] = review_model.answered
    return Analysis(
        id=id,
        status="ok" if told else "failed",
        category=category,
        attributes=attributes,
        reviews=summary,
        opinions=tuple(prediction for _, prediction in reviewed),
        known=known,
        missing=missing,
        warnings=answer.warnings if answer is not None else (),
        by=by,
        error=error,
        error_kind=kind,
    )


def _why_nothing(
    reviewed: Sequence[tuple[Review, ReviewPrediction]], missing: dict[str, str]
) -> tuple[str, str | None]:
    """Message and kind, where neither the product nor its reviews say anything."""
    if reviewed:
        first = reviewed[0][1]
        return f"none of its {len(reviewed)} reviews can be used; the first: {first.error}", first.error_kind
    return f"{missing['category']}; {missing['reviews']}", "nothing_known"


def _of_product(
    answer: Prediction | ProductAnswer | None,
    model: OpenModel | None,
    missing: dict[str, str],
    *,
    given: bool,
) -> tuple[TargetAnswer | None, dict[str, TargetAnswer] | None, tuple[str, ...]]:
    """Category, attributes and what they are from; why not, in `missing`."""
    if answer is None or answer.status == "failed":
        if model is None:
            why = NO_PRODUCT_MODEL
        elif answer is not None:
            why = answer.error or "the bundle could say nothing"
        else:
            why = NO_PICTURE.format(bundle=model.bundle.label) if given else NOTHING_GIVEN
        missing |= {"category": why, "attributes": why}
        return None, None, ()
    assert model is not None
    if isinstance(answer, Prediction):
        missing["attributes"] = NO_ATTRIBUTES.format(bundle=model.bundle.label)
        assert answer.label is not None
        assert answer.probability is not None
        category = TargetAnswer(labels=(answer.label,), probabilities=(answer.probability,), top=answer.top)
        return category, None, ("picture",)
    assert isinstance(model.bundle, ProductsBundle)
    main = next(iter(model.bundle.reading.targets), None)
    if main is None:
        why = NO_TARGETS.format(bundle=model.bundle.label)
        missing |= {"category": why, "attributes": why}
        return None, None, answer.known
    attributes = {name: target for name, target in answer.targets.items() if name != main}
    if not attributes:
        missing["attributes"] = NO_ATTRIBUTES.format(bundle=model.bundle.label)
    return answer.targets[main], attributes or None, answer.known


def _of_reviews(
    id: str,
    reviewed: Sequence[tuple[Review, ReviewPrediction]],
    model: OpenModel | None,
    missing: dict[str, str],
) -> ProductSummary | None:
    """What buyers say; why nothing, in `missing`."""
    if not reviewed:
        missing["reviews"] = NO_REVIEWS if model is not None else NO_REVIEW_MODEL
        return None
    rollup = Rollup(min_mentions=1)
    for review, prediction in reviewed:
        rollup.add(review.model_copy(update={"product": id}), prediction)
    return next(iter(rollup.products()))
