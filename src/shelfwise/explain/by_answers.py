"""What answers alone can tell of a product: which words, how much each modality, what it is like.

Free of torch, so a server can give it.
"""

from __future__ import annotations

from pathlib import Path

from shelfwise.bundle.modalities import subset_key
from shelfwise.bundle.neighbours import KnownProducts
from shelfwise.data.taxonomy import distinct_names
from shelfwise.errors import DataError
from shelfwise.explain import neighbours, words
from shelfwise.explain.asked_product import AskedProduct
from shelfwise.explain.question import Question, question_about
from shelfwise.explain.shapley import shapley_values, subsets_of
from shelfwise.predict.products import ProductPredictor
from shelfwise.schema import LabelScore, Product
from shelfwise.schema.explanation import Explanation, Method

SHAPLEY = Method(
    name="Shapley values of modalities",
    source="exact over all subsets; Shapley 1953, and Lundberg and Lee, arXiv:1705.07874, equation 4",
    settings={"nothing": "the class's share of the training products"},
)


def explain_by_answers(
    predictor: ProductPredictor,
    product: Product,
    image_root: Path,
    *,
    target: str | None = None,
    label: str | None = None,
    known: KnownProducts | str | None = None,
) -> tuple[Explanation, AskedProduct, Question]:
    """An explanation without maps and attention; with what may be asked further.

    `known` is what `neighbours.known_products` gives of the bundle, which is read where it is left out.
    DataError where nothing can be said of the product, or where there is no such target or class."""
    bundle = predictor.bundle
    name = chosen_target(predictor, target)
    answer = next(predictor.predict([product], image_root))
    if answer.status == "failed":
        raise DataError(f"'{product.id}' {answer.error}")
    asked = AskedProduct(predictor, product, image_root, name)
    info, missing = asked.info, {}
    question = question_about(info.paths, asked.whole, label, several=info.several)
    explained = _score(asked, question.number)
    if question.rival is None and info.several:
        missing["contrast"] = f"a product may have several values of '{name}' at once: none is a rival"
    elif question.rival is None:
        missing["contrast"] = "the target has one class only"
    explanation = Explanation(
        bundle=bundle.label,
        id=product.id,
        target=name,
        label=explained.label,
        path=info.paths[question.number],
        probability=explained.probability,
        answer=_score(asked, int(asked.whole.argmax())),
        rival=None if question.rival is None else _score(asked, question.rival),
        known=answer.known,
        text=asked.text,
        missing=missing,
        warnings=answer.warnings,
    )
    explanation = _with_words(_with_modalities(explanation, asked, question), asked, question)
    if known is None:
        known = neighbours.known_products(bundle)
    return _with_neighbours(explanation, asked, predictor, known), asked, question


def _score(asked: AskedProduct, number: int) -> LabelScore:
    """A class by the name that tells it apart, and its probability."""
    odds = Question(number, None, asked.info.several).probability(asked.whole[None])[0]
    return LabelScore(label=distinct_names(asked.info.paths)[number], probability=float(odds))


def chosen_target(predictor: ProductPredictor, target: str | None) -> str:
    """The target, by default the main one; DataError for one that the bundle has not learned."""
    targets = predictor.bundle.reading.targets
    if not targets:
        raise DataError(
            f"bundle '{predictor.bundle.label}' has learned no targets, so there is no answer to explain; "
            "`shelfwise predict` tells which products are alike"
        )
    if target is not None and target not in targets:
        raise DataError(f"target '{target}' is none of the bundle's: {', '.join(targets)}")
    return target or next(iter(targets))


def _with_modalities(explanation: Explanation, asked: AskedProduct, question: Question) -> Explanation:
    """With the class's probability from every subset of what is known, and each modality's part in it."""
    values = {
        subset: float(question.probability(asked.of_subset(subset)[None])[0])
        for subset in subsets_of(asked.there)
    }
    return explanation.model_copy(
        update={
            "prior": values[()],
            "subsets": {subset_key(subset): value for subset, value in values.items() if subset},
            "modalities": shapley_values(values, asked.there),
            "methods": (*explanation.methods, SHAPLEY),
        }
    )


def _with_words(explanation: Explanation, asked: AskedProduct, question: Question) -> Explanation:
    missing = dict(explanation.missing)
    if "text" not in asked.modalities_used:
        missing["words"] = "the bundle's fusion does not read the title"
    elif not words.word_spans(asked.text):
        missing["words"] = "there is no title"
    else:
        found = words.words_left_out(asked.of_texts, asked.text, question, asked.whole)
        methods = (*explanation.methods, words.METHOD)
        if unread := _unread(asked):
            missing["later words"] = unread
        return explanation.model_copy(update={"words": found, "methods": methods, "missing": missing})
    return explanation.model_copy(update={"missing": missing})


def _unread(asked: AskedProduct) -> str | None:
    """Which words of a long title weigh nothing because nobody read them, or are not asked about."""
    spans = words.word_spans(asked.text)
    if asked.tokens is not None:
        read = max((place[1] for place in asked.tokens if place is not None), default=0)
        behind = [asked.text[start:end] for start, end in spans if start >= read]
        if behind:
            return f"the title tower reads {len(asked.tokens)} tokens and none from '{behind[0]}' on"
    most = words.most_words(asked.text)
    if len(spans) > most:
        start, end = spans[most]
        return f"{most} words were left out one by one, and none from '{asked.text[start:end]}' on"
    return None


def _with_neighbours(
    explanation: Explanation, asked: AskedProduct, predictor: ProductPredictor, known: KnownProducts | str
) -> Explanation:
    vector = asked.vector
    if isinstance(known, str) or vector is None:
        why = known if isinstance(known, str) else "the bundle has no shared space"
        missing = {**explanation.missing, "neighbours": why}
        return explanation.model_copy(update={"missing": missing})
    near = neighbours.nearest_products(predictor.bundle, known, vector)
    methods = (*explanation.methods, neighbours.METHOD)
    return explanation.model_copy(update={"neighbours": near, "methods": methods})
