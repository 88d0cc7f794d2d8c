"""Pieces of HTML: what a visitor or a shop wrote is never markup, and marks lie where they belong."""

from __future__ import annotations

import io
import re
from html import unescape

import pytest
from hypothesis import given, strategies
from PIL import Image

from shelfwise.schema import LabelScore, Opinion, ReviewPrediction, TargetAnswer
from shelfwise.schema.explanation import Explanation, WordWeight
from shelfwise.schema.search import Facet, FacetRange, Hit, SearchPage, Span
from shelfwise.schema.serving import Analysis, GivenReview, ModelCard
from shelfwise.search.filter_parser import parse
from shelfwise.ui import answer_view, buyers_view, counts, explain_view, hits_view, models_page, pieces
from shelfwise.ui.advice import advice_on
from shelfwise.ui.client import ApiError
from shelfwise.ui.example import example, example_picture
from shelfwise.ui.finding import bounds, facet_fields, filter_of
from shelfwise.ui.pieces import Mark, marked

EVIL = "<script>alert('x')</script>"


def text_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


def test_a_reviews_marks_lie_on_the_text_that_was_read() -> None:
    said = Opinion(aspect="fit", polarity="negative", quote="runs small", start=3, end=13, probability=0.9)
    answer = ReviewPrediction(id="1", status="ok", opinions=(said,), read_text="It runs small.")
    html = buyers_view.review_block(GivenReview(text="<p>It  runs small.</p>"), answer)
    assert re.search(r"<mark[^>]*>runs small", html)


@given(
    strategies.text(max_size=40),
    strategies.lists(strategies.tuples(strategies.integers(0, 40), strategies.integers(0, 40)), max_size=5),
)
def test_marked_text_is_the_text(text: str, spans: list[tuple[int, int]]) -> None:
    marks = [Mark(a, b, "good") for a, b in spans if a < b <= len(text)]
    html = marked(text, marks)
    assert text_of(html) == text
    inside = {place for mark in marks for place in range(mark.start, mark.end)}
    found = "".join(unescape(piece) for piece in re.findall(r"<mark[^>]*>([^<]*)</mark>", html))
    assert found == "".join(text[place] for place in sorted(inside))


def test_where_praise_and_blame_meet_both_are_said() -> None:
    html = marked("soft but thin", [Mark(0, 8, "good", "feel"), Mark(5, 13, "bad", "quality")])
    assert re.findall(r'mark class="(\w+)"', html) == ["good", "both", "bad"]
    assert html.index("feel") < html.index("quality")


def test_nothing_that_is_shown_can_be_markup() -> None:
    answer = TargetAnswer(
        labels=(EVIL,), probabilities=(0.5,), top=(LabelScore(label=EVIL, probability=0.5),)
    )
    found = Analysis(
        id=EVIL,
        status="ok",
        category=answer,
        attributes={EVIL: answer},
        missing={"reviews": EVIL},
        warnings=(EVIL,),
    )
    hit = Hit(id=EVIL, score=1.0, title=EVIL, fields={EVIL: EVIL}, highlights=(Span(start=0, end=4),))
    card = ModelCard(id=EVIL, task="products", version=EVIL, domain=EVIL, targets={EVIL: (EVIL,)})
    for html in (
        answer_view.category_card(found),
        answer_view.attributes_card(found),
        answer_view.no_buyers_card(found),
        hits_view.tile(hit),
        hits_view.tile(hit, EVIL.encode(), room=True),
        models_page.model_card(card, EVIL),
        pieces.chip("", "", EVIL),
    ):
        assert "<script" not in html


def test_what_others_wrote_is_no_markdown() -> None:
    problem = ApiError(422, "search", "![x](http://elsewhere/x.png) :material/delete: `code`", field="a*b")
    told = advice_on(problem, "http://here")
    assert r"\!\[x\]" in told.text
    assert r"\:material" in told.text
    assert r"a\*b" in told.title


def test_what_is_not_all_is_never_rounded_to_all() -> None:
    assert [pieces.percent(share) for share in (0.0, 0.004, 0.5, 0.996, 1.0)] == [
        "0%",
        "<1%",
        "50%",
        ">99%",
        "100%",
    ]


def test_a_reason_for_several_parts_is_told_once() -> None:
    why = "told by `shelfwise explain` <b>"
    told = Explanation(
        bundle="b@1",
        id="x",
        target="category",
        label="shirt",
        path=("shirt",),
        probability=0.9,
        answer=LabelScore(label="shirt", probability=0.9),
        known=("picture",),
        missing={"words": why, "neighbours": why, "gradients": "no torch"},
    )
    html = explain_view.reasons_card(told)
    assert html.count("Words, neighbours</b>: told by <code>shelfwise explain</code> &lt;b&gt;") == 1
    assert html.count('class="missing"') == 2


def test_a_tile_has_its_picture_or_leaves_its_place_empty() -> None:
    hit = Hit(id="a", score=1.0, title="Shoe")
    assert '<img alt="" src="data:image/jpeg;base64,anBn">' in hits_view.tile(hit, b"jpg", room=True)
    assert '<div class="picture"></div>' in hits_view.tile(hit, room=True)
    assert "picture" not in hits_view.tile(hit)


def test_what_is_missing_is_told_with_its_reason() -> None:
    found = Analysis(id="x", status="ok", missing={"category": "no picture was given"})
    assert "no picture was given" in answer_view.category_card(found)
    assert answer_view.NO_REASON in answer_view.attributes_card(found)


@given(strategies.text(min_size=1, max_size=12), strategies.text(max_size=12))
def test_any_choice_is_a_filter_that_the_index_reads(field: str, value: str) -> None:
    written = filter_of({field: [value, "b"]}, {field: (1.0, 2.5)}, 'price < 3 or brand = "x"')
    assert written is not None
    tree = repr(parse(written))
    assert repr(field) in tree
    assert repr(value) in tree


def test_no_choice_is_no_filter() -> None:
    assert filter_of({"brand": []}, {}, "  ") is None


def test_facets_are_offered_for_short_values_and_real_ranges() -> None:
    hits = [Hit(id="a", score=0, fields={"brand": "Puma", "text": "x" * 100, "none": None, "price": 3.0})]
    assert facet_fields(hits) == ("brand", "price")
    ranges = (FacetRange(low=0, high=10, count=1), FacetRange(low=10, high=20, count=2))
    assert bounds(Facet(field="price", kind="number", ranges=ranges)) == (0, 20)
    assert bounds(Facet(field="brand", kind="text")) is None


def test_an_empty_page_says_that_nothing_was_found() -> None:
    from shelfwise.ui.finding import count_line

    assert count_line(SearchPage(total=0, offset=0, hits=(), index="i")) == "Nothing was found."


COUNTS = """# HELP shelfwise_requests_total Requests answered.
shelfwise_requests_total{method="GET",route="/v1/models",status="200"} 8.0
shelfwise_requests_total{method="GET",route="/v1/models",status="429"} 2.0
shelfwise_request_seconds_bucket{le="0.01",route="/v1/models"} 5.0
shelfwise_request_seconds_bucket{le="0.1",route="/v1/models"} 9.0
shelfwise_request_seconds_bucket{le="+Inf",route="/v1/models"} 10.0
shelfwise_queue_items{model="a b\\"c"} 3.0
"""


def test_the_servers_counts_are_read() -> None:
    (found,) = counts.routes(COUNTS)
    assert (found.requests, found.refused, found.failed, found.median_s) == (10, 2, 0, 0.01)
    assert found.p95_s is None  # beyond the last bound
    assert counts.by_model(COUNTS, "shelfwise_queue_items") == {'a b\\"c': 3.0}
    assert "/v1/models" in models_page.server_card(COUNTS)
    assert "none were counted" in models_page.server_card("")


def test_a_heat_map_is_teal_where_the_class_is_seen() -> None:
    white = io.BytesIO()
    Image.new("RGB", (20, 10), "white").save(white, "PNG")
    drawn = Image.open(io.BytesIO(explain_view.heat_map(white.getvalue(), ((2.0, -1.0),))))
    assert drawn.size == (320, 160)
    left, right = drawn.getpixel((10, 80)), drawn.getpixel((310, 80))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    assert left[1] > left[0]
    assert right[0] > right[1]
    with pytest.raises(ValueError, match="cannot be drawn"):
        explain_view.heat_map(b"no picture", ((1.0,),))
    with pytest.raises(ValueError, match="no cells"):
        explain_view.heat_map(white.getvalue(), ())


def test_reasons_name_modalities_words_and_what_is_missing() -> None:
    why = Explanation(
        bundle="b@1",
        id="x",
        target="category",
        label="shirt",
        path=("shirt",),
        probability=0.9,
        answer=LabelScore(label="shirt", probability=0.9),
        rival=LabelScore(label="bag", probability=0.1),
        known=("picture", "text"),
        modalities={"picture": 0.5, "text": -0.1},
        text="blue shirt",
        words=(
            WordWeight(text="shirt", start=5, end=10, weight=2.0, probability=0.2),
            WordWeight(text="blue", start=0, end=4, weight=0.01, probability=0.9),
        ),
        missing={"gaze": "no attention"},
    )
    card = explain_view.reasons_card(why)
    assert explain_view.best_map(why) is None
    assert ">shirt</mark>" in card
    assert ">blue</mark>" not in card
    assert "rather than bag" in text_of(card)
    assert "no attention" in card
    assert "-10" in card


def test_the_example_is_a_picture_with_words() -> None:
    assert Image.open(io.BytesIO(example_picture())).size == (224, 224)
    assert len(example().reviews) == 4
