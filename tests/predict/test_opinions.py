"""Opinions from token scores: the fast path against the obvious loop, and quotes that are verbatim."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.bundle import AspectsInfo
from shelfwise.data.review_tokens import TextReader, review_text, text_start, train_word_tokenizer
from shelfwise.predict.opinions import OpinionFinder
from shelfwise.predict.token_scores import TokenScores, token_places
from shelfwise.reviews.sentences import sentences
from shelfwise.schema import Review

ASPECTS = ("fit", "price")
THRESHOLDS = (0.6, 0.7)
INFO = AspectsInfo(aspects=ASPECTS, thresholds=THRESHOLDS, terms=True)
WORDS = "the fit is great but fabric thin don't i sent it back price zipper ½ größer 很好 . ! , ; ( ) ..."
TOKENIZER = train_word_tokenizer([WORDS], vocabulary=100, min_count=1)
READER = TextReader(TOKENIZER, 64)


def scored(reviews: list[Review], seed: int = 0, *, loud: float = 3.0) -> TokenScores:
    """Random scores of the reviews' own tokens."""
    random = np.random.default_rng(seed)
    places = token_places(READER.windows([review_text(review) for review in reviews]).encodings)
    count = int(places.first[-1])
    return TokenScores(
        places,
        random.normal(-2, loud, (count, 4)).astype(np.float32),
        random.integers(0, 7, count),
        np.zeros((len(reviews), 3), np.float32),
    )


def pieces() -> st.SearchStrategy[str]:
    odd = st.sampled_from([*WORDS.split(), ".", "! ", "\n\n", "Café", "ﬁts", "e\u0301", "🙂", "\u200b", "İ"])
    return st.lists(odd, max_size=14).map(" ".join)


REVIEWS = st.lists(
    st.builds(lambda title, text: Review(id="r", title=title, text=text), pieces(), pieces()),
    min_size=1,
    max_size=4,
)


@given(REVIEWS, st.integers(0, 5))
def test_quotes_and_terms_are_verbatim_and_stay_in_their_part(reviews: list[Review], seed: int) -> None:
    for review, opinions in zip(
        reviews, OpinionFinder(INFO).opinions(reviews, scored(reviews, seed)), strict=True
    ):
        for opinion in opinions:
            text = review.title if opinion.part == "title" else review.text
            assert text[opinion.start : opinion.end] == opinion.quote
            assert opinion.quote.strip() == opinion.quote != ""
            assert opinion.term is None or opinion.term in opinion.quote
            assert opinion.model_validate(opinion.model_dump()) == opinion


@given(REVIEWS, st.integers(0, 5))
def test_every_sentence_is_judged_by_its_largest_token(reviews: list[Review], seed: int) -> None:
    """One sentence and one token after the other, as it is said in a docstring."""
    scores = scored(reviews, seed)
    found = OpinionFinder(INFO).opinions(reviews, scores)
    for number, review in enumerate(reviews):
        span = slice(*scores.places.first[number : number + 2])
        tokens = list(zip(scores.places.starts[span], scores.places.ends[span], strict=True))
        expected = []
        for part, text, shift in (("title", review.title, 0), ("text", review.text, text_start(review))):
            for start, end in sentences(text):
                rows = [i for i, (a, b) in enumerate(tokens) if b > start + shift and a < end + shift]
                for label in range(4):
                    largest = max((scores.aspects[span][i, label] for i in rows), default=-np.inf)
                    probability = 1 / (1 + np.exp(-largest))
                    if probability >= THRESHOLDS[label // 2]:
                        expected.append(((start, part, label // 2), label % 2, float(probability)))
        said = [(o.aspect, o.part, int(o.polarity == "negative"), o.probability) for o in found[number]]
        left = iter([*said, None])
        one = next(left)
        for place, sign, probability in expected:
            same = one is not None and one[:3] == (ASPECTS[place[2]], place[1], sign)
            if same and one is not None and abs(one[3] - probability) < 2e-4:
                one = next(left)
            else:  # the surer of two that said the same words
                assert any(p >= probability - 2e-4 for at, s, p in expected if at == place and s != sign)
        assert one is None


def test_the_same_words_do_not_praise_and_blame_one_aspect() -> None:
    one = Review(id="r", text="the fit is great")
    scores = scored([one])
    scores.aspects[:] = -5
    scores.aspects[1, :2] = (2.0, 3.0)
    (opinions,) = OpinionFinder(INFO).opinions([one], scores)
    assert [(said.aspect, said.polarity) for said in opinions] == [("fit", "negative")]
    scores.aspects[1, :2] = (3.0, 2.0)
    (opinions,) = OpinionFinder(INFO).opinions([one], scores)
    assert [(said.aspect, said.polarity) for said in opinions] == [("fit", "positive")]


def test_the_quote_is_the_clause_that_decides_and_the_term_is_in_it() -> None:
    review = Review(id="r", title="Fabric", text="The fit is great, but the fabric is thin. I sent it back.")
    scores = scored([review], loud=0.0)
    words = [review_text(review)[a:b] for a, b in zip(scores.places.starts, scores.places.ends, strict=True)]
    scores.aspects[words.index("thin"), 3] = 4.0
    scores.aspects[words.index("great"), 0] = 3.0
    scores.tags[:] = 0
    scores.tags[words.index("fit")] = 1
    scores.tags[words.index("fabric")] = 3
    good, bad = OpinionFinder(INFO).opinions([review], scores)[0]
    assert (good.aspect, good.polarity, good.quote, good.term) == (
        "fit",
        "positive",
        "The fit is great",
        "fit",
    )
    assert (bad.aspect, bad.polarity, bad.term) == ("price", "negative", "fabric")
    assert bad.quote == "but the fabric is thin."
    plain = OpinionFinder(INFO.model_copy(update={"terms": False})).opinions([review], scores)[0]
    assert [opinion.term for opinion in plain] == [None, None]


def test_what_is_not_probable_enough_is_not_said() -> None:
    review = Review(id="r", text="The fit is great.")
    scores = scored([review, Review(id="none")], loud=0.0)
    scores.aspects[:] = -3.0
    scores.aspects[0] = 0.5  # 62%: enough for fit, not for price
    found = OpinionFinder(INFO).opinions([review, Review(id="none")], scores)
    assert [(opinion.aspect, opinion.polarity) for opinion in found[0]] == [("fit", "positive")]
    assert found[1] == ()
