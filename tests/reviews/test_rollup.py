"""The roll-up against an obvious count: shares, quotes, contradictions, and change over time."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime

import pytest
from answered import PlantedReader, answer, failed, opinion

from shelfwise.data.synthetic_reviews import DRIFTING, DRIFTING_ASPECT, synthetic_opinions
from shelfwise.reviews.quotes import KEPT
from shelfwise.reviews.rollup import Rollup
from shelfwise.reviews.tally import CONTRADICTIONS
from shelfwise.reviews.wilson import wilson_interval
from shelfwise.schema import AspectSummary, ProductSummary, Review, ReviewPrediction

WORDS = [
    f"{start}{end}" for start in ("so", "war", "li", "ai") for end in ("ft", "m", "ght", "ry", "th", "nug")
]


def review(number: int, text: str = "", product: str | None = "a", **more: object) -> Review:
    return Review.model_validate({"id": f"r{number}", "product": product, "text": text, **more})


def rolled(*answers: tuple[Review, ReviewPrediction], min_mentions: int = 5) -> Rollup:
    rollup = Rollup(min_mentions=min_mentions)
    for pair in answers:
        rollup.add(*pair)
    return rollup


def aspect_of(summary: ProductSummary, name: str) -> AspectSummary:
    return next(aspect for aspect in summary.aspects if aspect.aspect == name)


@pytest.fixture(scope="module")
def planted() -> Rollup:
    """Two thousand constructed reviews of fifty products, read without an error."""
    found = list(synthetic_opinions(2000, seed=3, noise=0.05))
    reader = PlantedReader(found)
    reviews = [each.review for each in found]
    return rolled(*zip(reviews, reader.predict(reviews), strict=True))


def test_every_mention_is_counted_once_a_review() -> None:
    found = list(synthetic_opinions(400, seed=1))
    reader = PlantedReader(found)
    rollup = rolled(*((each.review, reader.predict([each.review])[0]) for each in found))
    expected = Counter(
        label for each in found for label in {(one.aspect, one.polarity) for one in each.opinions}
    )
    catalogue = rollup.catalogue()
    counted = {(a.aspect, "positive"): a.positive for a in catalogue.aspects}
    counted |= {(a.aspect, "negative"): a.negative for a in catalogue.aspects}
    assert {label: n for label, n in counted.items() if n} == expected
    assert sum(product.reviews for product in rollup.products()) == catalogue.reviews == 400
    assert rollup.aspects == tuple(sorted({aspect for aspect, _ in expected}))


def test_stars_sentiment_and_recommendation_are_plain_means(planted: Rollup) -> None:
    product = max(planted.products(), key=lambda summary: summary.reviews)
    found = [e for e in synthetic_opinions(2000, seed=3, noise=0.05) if e.review.product == product.product]
    assert product.reviews == len(found)
    assert product.given_mean == pytest.approx(sum(e.review.rating or 0 for e in found) / len(found))
    assert product.stars == pytest.approx(sum(1.2 + 0.9 * (e.told - 1) for e in found) / len(found))
    assert product.stars_low is not None
    assert product.stars_high is not None
    assert product.stars_low < product.stars < product.stars_high
    assert product.sentiment["negative"] == pytest.approx(sum(e.told < 3 for e in found) / len(found))
    assert sum(product.sentiment.values()) == pytest.approx(1)
    said = sum(bool(e.review.recommended) for e in found) / len(found)
    assert product.recommended_given == pytest.approx(said)


def test_products_come_most_reviewed_first(planted: Rollup) -> None:
    sizes = [product.reviews for product in planted.products()]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == len(planted)


def test_a_share_has_its_interval_and_few_mentions_have_none() -> None:
    text = "it fits well and it is soft"
    many = [(review(i, text), answer(review(i), 4, [opinion(text, "fits well", "fit+")])) for i in range(5)]
    rollup = rolled(*many, (review(9, text), answer(review(9), 4, [opinion(text, "soft", "comfort-")])))
    fit, comfort = (aspect_of(rollup.catalogue(), name) for name in ("fit", "comfort"))
    assert (fit.share_positive, fit.suppressed) == (1.0, False)
    assert (fit.low, fit.high) == wilson_interval(5, 5)
    assert (comfort.mentions, comfort.suppressed) == (1, True)
    assert (comfort.share_positive, comfort.low, comfort.high) == (None, None, None)
    assert comfort.blame[0].text == "soft"
    assert not aspect_of(rolled(*many[:1], min_mentions=1).catalogue(), "fit").suppressed


def test_praise_and_blame_in_one_review_are_two_mentions_and_a_repeat_is_none() -> None:
    text = "too long but fits the bust, fits the hips"
    found = [
        opinion(text, "too long", "fit-"),
        opinion(text, "fits the bust", "fit+", 0.6),
        opinion(text, "fits the hips", "fit+", 0.8),
    ]
    fit = aspect_of(rolled((review(1, text), answer(review(1), 3, found))).catalogue(), "fit")
    assert (fit.mentions, fit.positive, fit.negative) == (2, 1, 1)
    assert [quote.text for quote in fit.praise] == ["fits the hips"]


def test_quotes_are_the_surest_readable_ones_and_verbatim() -> None:
    dice = random.Random(0)
    pairs = []
    for i in range(200):
        text = f"number {i} {' '.join(dice.sample(WORDS, 6))}"
        quote = text if i % 2 else text[:9]
        pairs.append(
            (review(i, text), answer(review(i), 5, [opinion(text, quote, "comfort+", dice.random())]))
        )
    comfort = aspect_of(rolled(*pairs).catalogue(), "comfort")
    by_id = {one.id: (one, said.opinions[0]) for one, said in pairs}
    assert len(comfort.praise) == 5
    for quote in comfort.praise:
        one, said = by_id[quote.review]
        assert one.text[quote.start : quote.end] == quote.text == said.quote
        assert len(quote.text) >= 20
    sure = [quote.probability for quote in comfort.praise]
    assert sure == sorted(sure, reverse=True)
    assert sure[0] == max(
        said.opinions[0].probability for _, said in pairs if len(said.opinions[0].quote) >= 20
    )


def test_quotes_are_of_different_reviews_and_do_not_repeat_each_other() -> None:
    texts = [
        "Love how soft this sweater feels",
        "love how soft this sweater feels!!",
        "so soft this sweater feels",
    ]
    texts += ["it has kept me warm all winter long"] * 30
    pairs = [
        (review(i, text), answer(review(i), 5, [opinion(text, text, "comfort+", 0.9 + i / 1000)]))
        for i, text in enumerate(texts)
    ]
    praise = aspect_of(rolled(*pairs).catalogue(), "comfort").praise
    assert [quote.text for quote in praise] == [texts[3], texts[2]]


def test_a_review_that_contradicts_its_stars_is_listed_with_its_evidence() -> None:
    text = "Soft, but it fell apart. The seams are bad."
    found = [
        opinion(text, "Soft", "comfort+", 0.99),
        opinion(text, "The seams are bad", "quality-", 0.7),
        opinion(text, "fell apart", "quality-", 0.8),
    ]
    wrong = review(1, text, rating=5, title="<b>Bad</b>")
    milder = review(2, text, rating=4)
    agrees = review(3, text, rating=2)
    unsure = review(4, text, rating=5)
    pairs = [(milder, answer(milder, 1.9, found)), (wrong, answer(wrong, 1.2, found))]
    pairs += [(agrees, answer(agrees, 1.2)), (review(5, text), answer(review(5), 1))]
    pairs += [(unsure, answer(unsure, 2.9, star_probabilities=(0.3, 0.2, 0.1, 0.2, 0.2)))]
    summary = rolled(*pairs).catalogue()
    assert summary.contradictions == 2
    first, second = summary.contradicting
    assert (first.review, first.given, first.stars, first.title) == ("r1", 5, 1.2, "<b>Bad</b>")
    assert second.review == "r2"
    assert [said.quote for said in first.evidence] == ["fell apart", "The seams are bad", "Soft"]


def test_the_list_of_contradictions_is_bounded_and_the_most_extreme_first() -> None:
    pairs = []
    for i in range(300):
        one = review(i, product=f"p{i % 2}", rating=5)
        pairs.append((one, answer(one, 1 + i / 300)))
    rollup = rolled(*pairs)
    whole = rollup.catalogue()
    assert whole.contradictions == 300
    assert [found.review for found in whole.contradicting] == [f"r{i}" for i in range(50)]
    for product in rollup.products():
        assert product.contradictions == 150
        assert len(product.contradicting) == CONTRADICTIONS


def test_a_very_long_contradicting_text_is_kept_as_far_as_its_evidence_goes() -> None:
    text = "bad seams " + "x" * 50_000 + " awful"
    found = [opinion(text, "awful", "quality-"), opinion(text, "bad seams", "quality-")]
    one = review(1, text, rating=5)
    kept = rolled((one, answer(one, 1, found))).catalogue().contradicting[0]
    assert len(kept.text) < 5000
    assert [kept.text[said.start : said.end] for said in kept.evidence] == ["bad seams"]


def test_a_planted_fall_is_flagged_and_steady_products_are_seldom(planted: Rollup) -> None:
    products = {product.product: product for product in planted.products()}
    fall = products[DRIFTING]
    assert fall.change is not None
    assert fall.change.flagged
    assert fall.change.high < 0
    assert fall.later_since is not None
    assert "2024-06" <= fall.later_since <= "2025-06"
    quality = aspect_of(fall, DRIFTING_ASPECT)
    assert quality.change is not None
    assert quality.change.difference < -0.3
    steady = [product for name, product in products.items() if name != DRIFTING and product.change]
    assert sum(bool(product.change and product.change.flagged) for product in steady) <= len(steady) / 5


def test_periods_add_up_and_are_in_order(planted: Rollup) -> None:
    periods = planted.catalogue().periods
    assert [period.period for period in periods] == [
        f"{y}-{m:02}" for y in (2024, 2025) for m in range(1, 13)
    ]
    assert sum(period.reviews for period in periods) == 2000
    for period in periods:
        for aspect, share in period.share_positive.items():
            assert (share is None) == (period.mentions[aspect] < 5)


@pytest.mark.parametrize(
    ("years", "names"),
    [(1, ["2020-03", "2021-03"]), (4, ["2020-Q1", "2024-Q1"]), (12, ["2020", "2032"]), (0, ["2020-03"])],
)
def test_long_spans_are_told_by_quarter_or_year(years: int, names: list[str]) -> None:
    times = sorted({datetime(2020, 3, 5), datetime(2020 + years, 3, 1, tzinfo=UTC).replace(tzinfo=None)})
    times = times if years else times[:1]
    pairs = [(review(i, time=time), answer(review(i), 3)) for i, time in enumerate(times)]
    summary = rolled(*pairs).catalogue()
    assert [period.period for period in summary.periods] == names
    assert summary.change is None


def test_reviews_without_a_product_count_for_the_catalogue_alone() -> None:
    pairs = [(review(i, product=None if i else "a"), answer(review(i), 4)) for i in range(3)]
    rollup = rolled(*pairs)
    assert rollup.catalogue().reviews == 3
    assert [product.product for product in rollup.products()] == ["a"]
    assert (len(rollup), rollup.unassigned) == (1, 2)


def test_a_failed_review_counts_as_failed_and_nothing_else() -> None:
    one = review(1, "good", rating=5)
    summary = rolled((one, failed(one))).catalogue()
    assert (summary.failed, summary.reviews, sum(summary.given)) == (1, 0, 0)
    assert summary.stars is None


def test_who_wrote_nothing_gave_stars_all_the_same() -> None:
    one = review(1, "", rating=2)
    wordless = failed(one).model_copy(update={"error_kind": "empty_text"})
    summary = rolled((one, wordless)).catalogue()
    assert (summary.failed, summary.reviews, summary.given) == (1, 0, (0, 1, 0, 0, 0))


def test_nothing_is_a_summary_too() -> None:
    rollup = Rollup()
    summary = rollup.catalogue()
    assert (summary.reviews, summary.aspects, summary.periods, summary.sentiment) == (0, (), (), {})
    assert list(rollup.products()) == []
    assert rollup.aspects == ()


def test_constructed_reviews_are_marked_everywhere(planted: Rollup) -> None:
    for summary in (planted.catalogue(), next(planted.products())):
        assert summary.constructed == summary.reviews
        assert all(quote.constructed for aspect in summary.aspects for quote in aspect.praise + aspect.blame)
    assert planted.catalogue().contradicting[0].constructed


def test_a_tally_stays_small_however_many_reviews_there_are() -> None:
    rollup = Rollup()
    for i in range(3000):
        text = f"it is a soft one, as numbers like {i * 7919 % 3001} go"
        one = review(i, text, rating=1, time=datetime(2024, 1 + i % 12, 1))
        rollup.add(one, answer(one, 5, [opinion(text, text, "comfort+", 0.5 + i % 97 / 200)]))
    (tally,) = rollup._tallies.values()
    assert len(tally.mentions[("comfort", "positive")].quotes) == KEPT
    assert len(tally.contradicting) == CONTRADICTIONS
    assert len(tally.months) == 12
