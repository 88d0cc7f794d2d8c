"""How well are shop aspects and aspect terms found, beside the lexicon, and how far do two readers agree?

    SHELFWISE_DATA=DIR python benchmarks/aspects.py [NAME ...] [--part validation|test]

Asks the lexicon and every bundle that benchmarks/reviews.py left in runs/bench (all seeds of each NAME; the
distilled encoder and MiniLM unless told otherwise) on the same texts:

shop aspects   sentences of benchmarks/labels. A model reads a sentence with what stands before it in the
               review, the lexicon the sentence. Joint: aspect and polarity; detection: the aspect alone.
aspect terms   DMASTE's fashion reviews, whose dev file is the test: exact words of the term with polarity,
               and implied opinions as (implied, polarity). None on validation: the bundles learned from all
               of the train file.

F1 is micro. A mean over seeds has an interval over seeds (`ci95`), and one over sentences or reviews
(`ci95_rows`). Test is looked at only with --part test, which adds the agreement of the two readers of its
sentences and writes results/bench/aspects.json.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Hashable, Sequence
from collections.abc import Set as AnySet
from pathlib import Path
from typing import Any

import numpy as np
import record
from set_scores import difference, kappa, sampled_f1, scores, tally
from training_runs import RUNS, data_folder, finished_bundles

from shelfwise.data.dmaste import TermReview, read_term_reviews
from shelfwise.predict.reviews import ReviewPredictor
from shelfwise.reviews.aspects import ASPECTS, LABELS, AspectLabel, LabelledSentence, read_labelled_sentences
from shelfwise.reviews.lexicon import sentence_labels
from shelfwise.reviews.terms import find_terms
from shelfwise.schema import Review

NAMES = ("reviews-distilled", "reviews", "reviews-minilm", "reviews-minilm-taught")
LABEL_FILES = Path(__file__).resolve().parent / "labels"
REVIEWS = Path("reviews") / "womens-clothing.csv"
TERMS = Path("reviews") / "aspects-fashion-dev.txt"
POLARITIES = {"positive": "POS", "negative": "NEG"}

Bundles = dict[str, dict[int, Path]]
"""Paths by name and seed."""
Said = Sequence[AnySet[Hashable]]
"""What one system says of each sentence or review, or what is true of it."""
Term = tuple[str | tuple[int, int], str]
"""First and last word of a term, or "implied", and its polarity."""


def main() -> None:
    """Ask, score, print, and on test record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--part", choices=["validation", "test"], default="validation")
    options = parser.parse_args()
    folder = data_folder("reviews")
    bundles = {name: finished_bundles(name) for name in options.names}
    if not any(bundles.values()):
        sys.exit(f"no bundle of {', '.join(options.names)} in {RUNS}; run benchmarks/reviews.py first")
    values = measure(bundles, folder, options.part)
    show(values)
    if options.part == "test":
        path = record.write("aspects", values)
        print(f"written to {path.relative_to(record.ROOT)}")


def measure(bundles: Bundles, folder: Path, part: str) -> dict[str, Any]:
    """All figures of one part."""
    sentences = read_labelled_sentences(LABEL_FILES / f"shop-aspects-{part}.jsonl", folder / REVIEWS)
    values: dict[str, Any] = {
        "part": part,
        "seeds": {name: sorted(paths) for name, paths in bundles.items()},
        "sentences": len(sentences),
        "shop": shop_aspects(bundles, sentences),
    }
    if part == "test":
        second = read_labelled_sentences(LABEL_FILES / "shop-aspects-test-second.jsonl", folder / REVIEWS)
        values["agreement"] = agreement(sentences, second)
        reviews = read_term_reviews(folder / TERMS)
        values |= {"term_reviews": len(reviews), "terms": terms(bundles, reviews)}
    return values


def shop_aspects(bundles: Bundles, sentences: Sequence[LabelledSentence]) -> dict[str, Any]:
    """Scores of the lexicon and of every system on labelled sentences."""
    true = [sentence.labels for sentence in sentences]
    lexicon = [[sentence_labels(sentence.text) for sentence in sentences]]
    found = {"lexicon": shop_scores(lexicon, true)}
    for name, paths in bundles.items():
        if not paths:
            continue
        exact = [model_labels(ReviewPredictor.load(path, threads=1), sentences) for path in paths.values()]
        rough = [
            model_labels(ReviewPredictor.load(path, threads=1, precision="int8"), sentences)
            for path in paths.values()
        ]
        found[name] = shop_scores(exact, true) | {
            "minus_lexicon": difference(tallies(exact, true), tallies(lexicon, true)),
            "int8_change": difference(tallies(rough, true), tallies(exact, true)),
        }
    return found


def model_labels(
    predictor: ReviewPredictor, sentences: Sequence[LabelledSentence]
) -> list[frozenset[AspectLabel]]:
    """What a bundle says of each sentence when it reads it with what stands before it."""
    reviews = [
        Review(id=str(i), text=sentence.before + sentence.text) for i, sentence in enumerate(sentences)
    ]
    return [
        frozenset((one.aspect, one.polarity) for one in answer.opinions if one.end > len(sentence.before))
        for sentence, answer in zip(sentences, predictor.predict(reviews), strict=True)
    ]


def shop_scores(systems: Sequence[Said], true: Said) -> dict[str, Any]:
    """Joint, detection and by aspect, of one system's seeds."""

    def some(labels: Said, aspect: str) -> Said:
        return [{label for label in row if label[0] == aspect} for row in labels]  # type: ignore[index]

    def detected(labels: Said) -> Said:
        return [{aspect for aspect, _ in row} for row in labels]  # type: ignore[misc]

    return {
        "joint": scores(tallies(systems, true)),
        "detection": scores(tallies([detected(said) for said in systems], detected(true))),
        "by_aspect": {
            aspect: scores(tallies([some(said, aspect) for said in systems], some(true, aspect)))
            for aspect in ASPECTS
        },
    }


def agreement(first: Sequence[LabelledSentence], second: Sequence[LabelledSentence]) -> dict[str, Any]:
    """Cohen's kappa of two readers on the sentences that both labelled, pooled and by label, and their F1."""
    known = {place(sentence): sentence.labels for sentence in first}
    pairs = [(known[place(s)], s.labels) for s in second if place(s) in known]
    marks = np.array([[[label in labels for label in LABELS] for labels in pair] for pair in pairs])
    one, other = marks[:, 0], marks[:, 1]
    by_label = {f"{a}{'+' if sign == 'positive' else '-'}": k for k, (a, sign) in enumerate(LABELS)}
    return {
        "sentences": len(pairs),
        "kappa": kappa(one.ravel(), other.ravel()),
        "kappa_by_label": {name: kappa(one[:, k], other[:, k]) for name, k in by_label.items()},
        "f1": sampled_f1([tally(*zip(*pairs, strict=True))]).value,
        "identical": float((one == other).all(axis=1).mean()),
    }


def place(sentence: LabelledSentence) -> tuple[str, int, int]:
    """What tells one sentence from another."""
    return sentence.row, sentence.start, sentence.end


def terms(bundles: Bundles, reviews: Sequence[TermReview]) -> dict[str, Any]:
    """Scores of the lexicon and of every system on reviews with terms."""
    texts = [review.text for review in reviews]
    true = [{term_of(one.aspect, one.polarity, review.text) for one in review.opinions} for review in reviews]
    lexicon = [[lexicon_terms(text) for text in texts]]
    found = {"lexicon": term_scores(lexicon, true)}
    for name, paths in bundles.items():
        if paths:
            systems = [model_terms(ReviewPredictor.load(path, threads=1), texts) for path in paths.values()]
            found[name] = term_scores(systems, true) | {
                "minus_lexicon": difference(tallies(systems, true), tallies(lexicon, true))
            }
    return found


def model_terms(predictor: ReviewPredictor, texts: Sequence[str]) -> list[set[Term]]:
    """What a bundle finds in each text."""
    return [
        {term_of((start, end), polarity, text) for start, end, polarity in found.terms}
        | {term_of(None, polarity, text) for polarity in found.implied}
        for text, found in zip(texts, predictor.terms(texts), strict=True)
    ]


def lexicon_terms(text: str) -> set[Term]:
    """What the lexicon finds in a text; it knows no neutral judgement."""
    return {term_of(found.term, POLARITIES[found.polarity], text) for found in find_terms(text)}


def term_of(span: tuple[int, int] | None, polarity: str, text: str) -> Term:
    """A term by its first and last word; the file's words stand between single spaces."""
    if span is None:
        return ("implied", polarity)
    start, end = span
    return ((text.count(" ", 0, start), text.count(" ", 0, end)), polarity)


def term_scores(systems: Sequence[Said], true: Said) -> dict[str, Any]:
    """Of all opinions, of those with a term and of the implied ones."""

    def some(opinions: Said, implied: bool) -> Said:
        return [{one for one in row if (one[0] == "implied") == implied} for row in opinions]  # type: ignore[index]

    return {
        "all": scores(tallies(systems, true)),
        "named": scores(tallies([some(said, False) for said in systems], some(true, False))),
        "implied": scores(tallies([some(said, True) for said in systems], some(true, True))),
    }


def tallies(systems: Sequence[Said], true: Said) -> list[Any]:
    """A tally for each seed of a system."""
    return [tally(said, true) for said in systems]


def show(values: dict[str, Any]) -> None:
    """One line for every system and question, kappa, and last how far the systems are ahead."""
    print(f"{values['part']}: {values['sentences']} sentences, seeds {values['seeds']}")
    tables = [("shop", "joint"), ("shop", "detection"), ("terms", "all")]
    for table, question in (pair for pair in tables if pair[0] in values):
        for name, found in values[table].items():
            one = found[question]
            f1, (low, high) = one["f1"]["mean"], one["f1"]["ci95_rows"]
            print(
                f"{table} {question:10s} {name:18s} precision {one['precision']['mean']:.3f} "
                f"recall {one['recall']['mean']:.3f} F1 {f1:.3f} ({low:.3f} to {high:.3f})"
            )
    for name, found in values["shop"].items():
        of_aspects = (f"{aspect} {one['f1']['mean']:.2f}" for aspect, one in found["by_aspect"].items())
        print(f"shop by aspect  {name:18s} {', '.join(of_aspects)}")
    if "agreement" in values:
        print(f"two readers: kappa {values['agreement']['kappa']:.3f}, F1 {values['agreement']['f1']:.3f}")
    for table in ("shop", "terms"):
        for name, found in values.get(table, {}).items():
            if "minus_lexicon" in found:
                more = found["minus_lexicon"]
                print(f"{table} {name} minus lexicon: {more['value']:+.3f} {more['ci95_rows']}")


if __name__ == "__main__":
    main()
