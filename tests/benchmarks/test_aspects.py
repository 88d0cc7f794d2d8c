"""The aspects benchmark: what is scored is what a bundle states of the sentence, and of nothing before it."""

from __future__ import annotations

import json
from pathlib import Path

import aspects
import pytest
import tables
from small_reviews import untrained_reviews_bundle

from shelfwise.data.dmaste import TermOpinion, TermReview
from shelfwise.data.synthetic_reviews import synthetic_opinions
from shelfwise.predict.reviews import ReviewPredictor
from shelfwise.reviews.aspects import AspectLabel, LabelledSentence
from shelfwise.reviews.sentences import sentences

GOOD: AspectLabel = ("fit", "positive")
BAD: AspectLabel = ("fit", "negative")
SOFT: AspectLabel = ("comfort", "positive")


def sentence(text: str, *labels: AspectLabel, before: str = "", row: str = "1") -> LabelledSentence:
    start = len(before)
    end = start + len(text)
    return LabelledSentence(row=row, start=start, end=end, text=text, before=before, labels=frozenset(labels))


def planted_sentences(count: int) -> list[LabelledSentence]:
    found = []
    for planted in synthetic_opinions(count, seed=77):
        text = planted.review.text
        for start, end in sentences(text):
            said = [o for o in planted.opinions if o.part == "text" and start <= o.start < end]
            labels = ((o.aspect, o.polarity) for o in said)
            found.append(sentence(text[start:end], *labels, before=text[:start], row=planted.review.id))
    return found


def test_a_bundle_is_asked_for_the_sentence_alone(tiny_reviews_bundle: Path) -> None:
    asked = planted_sentences(60)
    predictor = ReviewPredictor.load(tiny_reviews_bundle, threads=1)
    said = aspects.model_labels(predictor, asked)
    assert len(said) == len(asked)
    true = [one.labels for one in asked]
    right, by_chance = (
        aspects.shop_scores([said], some)["joint"]["f1"]["mean"] for some in (true, [*true[7:], *true[:7]])
    )
    assert right > 2 * by_chance
    # What stands before is read, but not answered for.
    whole = [one.model_copy(update={"text": one.before + one.text, "before": ""}) for one in asked]
    assert sum(map(len, aspects.model_labels(predictor, whole))) > sum(map(len, said))


def test_the_aspect_alone_may_be_right_where_the_polarity_is_not() -> None:
    found = aspects.shop_scores([[{GOOD}, {SOFT}]], [{BAD}, {SOFT}])
    assert found["joint"]["f1"]["mean"] == 0.5
    assert found["detection"]["f1"]["mean"] == 1
    assert {name: one["f1"]["mean"] for name, one in found["by_aspect"].items() if one["true"]} == {
        "fit": 0,
        "comfort": 1,
    }


def test_readers_agree_on_the_sentences_that_both_read() -> None:
    first = [sentence("a.", GOOD), sentence("b.", SOFT, row="2"), sentence("c.", row="3")]
    second = [sentence("c.", row="3"), sentence("b.", SOFT, GOOD, row="2"), sentence("d.", row="9")]
    found = aspects.agreement(first, second)
    assert found["sentences"] == 2
    assert found["kappa_by_label"]["comfort+"] == 1
    assert found["kappa_by_label"]["fit+"] == 0
    assert found["kappa_by_label"]["price-"] is None
    assert found["f1"] == pytest.approx(2 / 3)
    assert found["identical"] == 0.5


def test_terms_are_told_by_their_words() -> None:
    text = "The T-shirt 's fit is great ."
    assert aspects.term_of((4, 18), "POS", text) == ((1, 3), "POS")
    # A tokenizer may find a part of a word: it stands for the word.
    assert aspects.term_of((6, 18), "POS", text) == ((1, 3), "POS")
    assert aspects.term_of(None, "NEG", text) == ("implied", "NEG")


def test_named_and_implied_terms_are_scored_apart() -> None:
    true = [{((1, 1), "POS"), ("implied", "NEG")}]
    found = aspects.term_scores([[{((1, 1), "POS"), ("implied", "POS")}]], true)
    scores = {kind: one["f1"]["mean"] for kind, one in found.items()}
    assert scores == {"all": 0.5, "named": 1, "implied": 0}


def test_lexicon_and_bundle_are_asked_for_the_same_texts(tmp_path: Path) -> None:
    text = "The fit is perfect ."
    reviews = [TermReview(text, (TermOpinion((4, 7), (11, 18), "POS"),))]
    bundle = untrained_reviews_bundle(tmp_path)
    found = aspects.terms({"drawn": {0: bundle, 1: bundle}, "missing": {}}, reviews)
    assert set(found) == {"lexicon", "drawn"}
    assert found["lexicon"]["named"]["f1"]["mean"] == 1
    assert len(found["drawn"]["all"]["f1"]["values"]) == 2


def test_every_row_of_the_table_finds_its_numbers(tiny_reviews_bundle: Path, tmp_path: Path) -> None:
    asked = planted_sentences(10)
    name = tables.RECIPES[0]
    shop = aspects.shop_aspects({name: {0: tiny_reviews_bundle}}, asked)
    terms = {"all": shop["lexicon"]["joint"]}
    values = {
        "part": "test",
        "seeds": {name: [0]},
        "sentences": len(asked),
        "shop": shop,
        "agreement": aspects.agreement(asked, asked),
        "term_reviews": 3,
        "terms": {"lexicon": terms, name: terms},
    }
    assert shop[name]["int8_change"].keys() == shop[name]["minus_lexicon"].keys()
    (tmp_path / "aspects.json").write_text(json.dumps(values, allow_nan=False))
    rows = len(tables.FIGURES["aspects"]) / len(tables.RECIPES)
    assert tables.render("aspects", tmp_path).count("\n") == 2 + rows
    aspects.show(values)
