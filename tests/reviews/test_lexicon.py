"""The lexicon's opinions: phenomenon by phenomenon, verbatim, and whatever the text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.reviews.aspects import ASPECTS, read_labelled_sentences
from shelfwise.reviews.lexicon import find_opinions, sentence_labels
from shelfwise.reviews.terms import find_terms
from shelfwise.reviews.words import lexicon, tokens

WORDS = (
    *(
        "the fit",
        "color",
        "fabric",
        "soft",
        "not",
        "itchy",
        "too",
        "runs",
        "small",
        "but",
        "love",
        "wish",
        "if",
    ),
    *(
        "great",
        "pretty",
        "than",
        "longer",
        "or",
        "it",
        ",",
        ".",
        "dress",
        "enough",
        "to be",
        "a bit",
        "İ",
        "😍",
    ),
)
TEXTS = st.text() | st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join)


def _labels(text: str) -> str:
    return " ".join(sorted(aspect + "-+"[sign == "positive"] for aspect, sign in sentence_labels(text)))


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        # words that imply their aspect
        ("Such a gorgeous dress!", "look+"),
        ("So cozy and warm.", "comfort+"),
        ("It is see-through.", "quality-"),
        ("I got so many compliments!", "look+"),
        ("Worth every penny.", "price+"),
        ("Way overpriced for what it is.", "price-"),
        ("They sent the wrong item.", "shipping-"),
        ("Frumpy.", "look-"),
        # general words and what they stand by
        ("The length is perfect.", "fit+"),
        ("Great quality, terrible fit.", "fit- quality+"),
        ("Love the fit, the color and the feel.", "comfort+ fit+ look+"),
        ("The fit, color, and quality are great.", "fit+ look+ quality+"),
        ("Love how it hangs.", "look+"),
        ("The fit of this dress is terrible.", "fit-"),
        ("The fabric is heavy.", "quality-"),
        ("Customer service was great.", "shipping+"),
        # negation
        ("The fabric is not itchy at all.", "comfort+"),
        ("Not itchy or stiff.", "comfort+"),
        ("Neither itchy nor stiff.", "comfort+"),
        ("It isn't as soft as I hoped.", "comfort-"),
        ("It isn’t flattering.", "look-"),
        ("It is never tight anywhere.", "fit+"),
        ("Hardly flattering.", "look-"),
        ("I don't like the color.", "look-"),
        ("It is not only soft but beautiful.", "comfort+ look+"),
        ("It didn't fit.", "fit-"),
        # sizes
        ("It runs small.", "fit-"),
        ("Runs a little bit large.", "fit-"),
        ("They run true to size.", "fit+"),
        ("I had to size up.", "fit-"),
        ("It is a bit loose.", "fit-"),
        ("It fits like a glove.", "fit+"),
        ("The sleeves are long enough.", "fit+"),
        ("Not too long.", "fit+"),
        # "too"
        ("It is too tight in the hips.", "fit-"),
        ("It is too busy for me.", "look-"),
        ("It is too tight to be comfortable.", "comfort- fit-"),
        # contrast
        ("Soft but see-through.", "comfort+ quality-"),
        ("The waist is too big although the length is great.", "fit+ fit-"),
        # comparison
        ("Softer than I expected.", "comfort+"),
        ("It is shorter than pictured.", "fit-"),
        ("The colour is better than in the picture.", "look+"),
        # wishes
        ("I wish it were longer.", "fit-"),
        ("I wish it was softer.", "comfort-"),
        ("I wanted to love the color.", "look-"),
        # "pretty" and "like" are two words each
        ("Pretty soft.", "comfort+"),
        ("Pretty and soft.", "comfort+ look+"),
        # no judgement of an aspect
        ("I love this dress.", ""),
        ("Great top!", ""),
        ("I bought the blue one in a small.", ""),
        ("I am a bit short.", ""),
        ("I was worried it would be itchy.", ""),
        ("It has long sleeves.", ""),
        ("I wish they had it in red.", ""),
    ],
)
def test_a_sentence_gets_the_labels_of_the_rules(text: str, labels: str) -> None:
    assert _labels(text) == labels


def test_an_opinion_quotes_its_clause_and_names_its_term() -> None:
    text = "Wore it once. The color is gorgeous, however the seams are poorly sewn."
    look, quality = find_opinions(text)
    assert (look.aspect, look.polarity, look.term) == ("look", "positive", "color")
    assert look.quote == "The color is gorgeous"
    assert (quality.aspect, quality.polarity, quality.term) == ("quality", "negative", "seams")
    assert quality.quote == "however the seams are poorly sewn."
    assert find_opinions("So itchy!")[0].term is None


def test_a_sentence_gives_an_aspect_one_praise_and_one_blame_at_most() -> None:
    text = "Soft, cozy and warm but itchy, scratchy and stiff. Soft."
    found = [(one.aspect, one.polarity) for one in find_opinions(text)]
    assert found == [("comfort", "positive"), ("comfort", "negative"), ("comfort", "positive")]


@given(TEXTS)
def test_every_quote_and_term_is_verbatim(text: str) -> None:
    for one in find_opinions(text):
        assert one.quote == text[one.start : one.end]
        assert one.quote
        assert one.aspect in ASPECTS
        assert one.term is None or one.term in text
    for term, _ in find_terms(text):
        assert term is None or text[slice(*term)].strip()


@given(TEXTS)
def test_opinions_and_labels_agree(text: str) -> None:
    assert {(one.aspect, one.polarity) for one in find_opinions(text)} == sentence_labels(text)


@given(st.text())
def test_tokens_stand_where_they_say(text: str) -> None:
    words = tokens(text)
    at = 0
    for word, start, end in zip(*words, strict=True):
        assert at <= start < end <= len(text)
        assert "’" in text or "&#" in text or len(word) == end - start
        at = end


def test_a_long_text_without_punctuation_is_read_in_pieces() -> None:
    text = "the fabric is soft and lovely color not itchy or stiff " * 5_000
    found = find_opinions(text)
    assert {(one.aspect, one.polarity) for one in found} >= {("comfort", "positive"), ("look", "positive")}
    assert all(one.end - one.start < 3_000 for one in found)


def test_no_phrase_of_the_lexicon_both_praises_and_blames_an_aspect() -> None:
    known = lexicon()
    nodes = [((word,), node) for word, node in known.root.items()]
    torn = []
    while nodes:
        words, node = nodes.pop()
        nodes += [((*words, word), child) for word, child in node.children.items()]
        judged = [] if node.entry is None else [aspect for aspect, _ in set(node.entry.opinions)]
        if len(judged) != len(set(judged)):
            torn.append(" ".join(words))
    assert torn == []


def test_terms_name_the_product_where_opinions_do_not() -> None:
    text = "Great shoes . The price is good . Too small . I love them ."
    found = [(None if term is None else text[slice(*term)], polarity) for term, polarity in find_terms(text)]
    assert found == [("shoes", "positive"), ("price", "positive"), (None, "negative"), (None, "positive")]


@pytest.mark.skipif("SHELFWISE_DATA" not in os.environ, reason="SHELFWISE_DATA names no folder of real data")
def test_the_lexicon_keeps_its_level_on_the_validation_sentences() -> None:
    labels = Path(__file__).parents[2] / "benchmarks/labels/shop-aspects-validation.jsonl"
    source = Path(os.environ["SHELFWISE_DATA"]) / "reviews/womens-clothing.csv"
    truth = [(sentence_labels(one.text), one.labels) for one in read_labelled_sentences(labels, source)]
    right = sum(len(found & labelled) for found, labelled in truth)
    f1 = 2 * right / sum(len(found) + len(labelled) for found, labelled in truth)
    assert f1 > 0.72
