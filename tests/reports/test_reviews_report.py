"""The reviews report: whole, self-contained, honest about what it does not know, and safe with any text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest
from answered import PlantedReader, answer, failed, opinion

from shelfwise.data.catalog import ReadCount
from shelfwise.data.synthetic_reviews import DRIFTING, synthetic_opinions
from shelfwise.enrich.summarize import Summary
from shelfwise.reports.reviews_report import (
    best,
    flagged_changes,
    highlighted,
    reviews_report,
    worst,
    write_reviews_report,
)
from shelfwise.reviews.rollup import Rollup
from shelfwise.schema import Review, ReviewPrediction

EVIL = "<script>alert('x')</script>"
Pair = tuple[Review, ReviewPrediction]


class Page(HTMLParser):
    """Which tags are open at the end, how often each came, and every address in the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [
            value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")
        ]
        if tag not in ("meta", "img", "source", "br", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def summary_of(pairs: Sequence[Pair], *, min_mentions: int = 5, listed: int = 200) -> Summary:
    """What `summarize` would hold of these reviews."""
    rollup = Rollup(min_mentions=min_mentions)
    for pair in pairs:
        rollup.add(*pair)
    failures = tuple(said for _, said in pairs if said.status == "failed")
    counts = ReadCount(ok=len(pairs) - len(failures), failed=len(failures))
    counts.errors.update(failure.error_kind or "" for failure in failures)
    return Summary(
        bundle="drawn@1",
        domain="womens-clothing.csv",
        source="shop/reviews.csv",
        counts=counts,
        failures=failures,
        min_mentions=min_mentions,
        unassigned=rollup.unassigned,
        products_total=len(rollup),
        catalogue=rollup.catalogue(),
        products=tuple(rollup.products())[:listed],
        seconds=1.5,
    )


@pytest.fixture(scope="module")
def planted() -> Summary:
    found = list(synthetic_opinions(1500, seed=3, noise=0.05))
    reviews = [each.review for each in found]
    return summary_of(list(zip(reviews, PlantedReader(found).predict(reviews), strict=True)))


@pytest.fixture(scope="module")
def planted_page(planted: Summary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reviews_report(planted, tmp_path_factory.mktemp("report"))


def test_the_page_is_one_whole_file_that_loads_nothing(planted_page: Path) -> None:
    page = Page(planted_page.read_text(encoding="utf-8"))
    assert page.open == []
    assert page.tags.count("script") == 1
    assert all(address.startswith(("#", "data:")) for address in page.addresses)
    assert [path.name for path in planted_page.parent.iterdir()] == ["report.html"]


def test_the_page_has_every_part_and_says_what_the_data_is(planted: Summary, planted_page: Path) -> None:
    html = planted_page.read_text(encoding="utf-8")
    sections = re.findall(r'<section id="(\w+)">', html)
    assert sections == [
        *("overview", "aspects", "quotes", "products", "contradictions", "change", "notes"),
    ]
    assert re.findall(r'<a href="#(\w+)">', html) == sections
    assert "No buyer wrote any of these reviews" in html
    assert "drawn@1" in html
    assert "womens-clothing.csv" in html
    for product in planted.products:
        assert f'data-name="{product.product}"' in html
    for aspect in planted.catalogue.aspects:
        assert all(quote.text in html for quote in aspect.praise + aspect.blame if "'" not in quote.text)


def test_whatever_users_write_is_escaped() -> None:
    text = f"{EVIL} is soft & bad"
    found = [opinion(text, EVIL, "comfort+"), opinion(text, "bad", "quality-")]
    one = Review(id=EVIL, product=EVIL, title=EVIL, text=text, rating=5)
    lost = Review(id=f"lost{EVIL}", text="")
    html = reviews_report(summary_of([(one, answer(one, 1, found))] * 6 + [(lost, failed(lost))]))
    assert EVIL not in html
    assert html.count("<script>") == 1
    assert Page(html).open == []
    assert "&lt;script&gt;" in html


def test_evidence_is_marked_in_the_text_and_nothing_is_lost() -> None:
    text = "Soft & warm, but it fell apart. <b>"
    found = [opinion(text, "fell apart", "quality-", 0.8), opinion(text, "Soft & warm", "comfort+")]
    assert highlighted(text, found) == (
        '<mark class="positive" title="comfort 90%">Soft &amp; warm</mark>, but it '
        '<mark class="negative" title="quality 80%">fell apart</mark>. &lt;b&gt;'
    )
    assert highlighted(text, []) == "Soft &amp; warm, but it fell apart. &lt;b&gt;"


def test_of_overlapping_evidence_the_longest_that_begins_first_is_marked() -> None:
    text = "runs small and short"
    found = [
        opinion(text, "small and short", "fit-"),
        opinion(text, "runs small", "fit-"),
        opinion(text, "runs small and short", "fit-"),
    ]
    assert highlighted(text, found) == f'<mark class="negative" title="fit 90%">{text}</mark>'


def test_a_long_contradicting_text_is_cut_around_its_evidence() -> None:
    text = "word " * 300 + "it fell apart " + "tail " * 300
    one = Review(id="r", text=text, rating=5)
    html = reviews_report(summary_of([(one, answer(one, 1, [opinion(text, "it fell apart", "quality-")]))]))
    shown = re.search(r'<p class="text">(.*?)</p>', html)
    assert shown is not None
    assert ">it fell apart</mark>" in shown[1]
    assert shown[1].startswith("… word")
    assert shown[1].endswith(" …")
    assert len(shown[1]) < 900


def test_few_mentions_are_quoted_but_have_no_share() -> None:
    text = "it is soft"
    one = Review(id="r", product="a", text=text)
    html = reviews_report(summary_of([(one, answer(one, 4, [opinion(text, text, "comfort+")]))]))
    assert "1 mention: too few for a share" in html
    assert "Fewer than 5 mentions, so no share: comfort (1)" in html
    assert "1 pair" not in html.split('id="notes"')[0]
    assert "share of mentions that praise" not in html


def test_reviews_without_dates_products_and_opinions_make_a_page_too() -> None:
    reviews = [Review(id=f"r{i}", text="fine") for i in range(3)]
    html = reviews_report(summary_of([(one, answer(one, 4)) for one in reviews]))
    assert re.findall(r'<section id="(\w+)">', html) == ["overview", "products", "notes"]
    assert "No review names a product." in html
    assert "Constructed data" not in html


def test_no_reviews_make_a_page_too() -> None:
    html = reviews_report(summary_of([]))
    assert "There is no review that could be read." in html
    assert Page(html).open == []
    lost = Review(id="lost", text="")
    html = reviews_report(summary_of([(lost, failed(lost))]))
    assert "1 could not be read" in html
    assert "no text" in html


def test_a_page_of_many_products_says_how_many_it_leaves_out() -> None:
    pairs = []
    for i in range(30):
        one = Review(id=f"r{i}", product=f"p{i}", text="fine")
        pairs.append((one, answer(one, 4)))
    html = reviews_report(summary_of(pairs, listed=10))
    assert "The 10 most reviewed of 30 products" in html
    assert html.count('class="product"') == 10


def test_a_planted_fall_leads_the_changes_and_chance_is_spoken_of(
    planted: Summary, planted_page: Path
) -> None:
    changes = flagged_changes(planted.products)
    assert changes[0].product == DRIFTING
    assert changes[0].change.difference < 0
    assert "would be by chance alone" in planted_page.read_text(encoding="utf-8")


def test_the_best_and_the_worst_aspect_are_sure_ones() -> None:
    text = "soft and fits and cheap"
    pairs = []
    for i in range(20):
        found = [opinion(text, "soft", "comfort+"), opinion(text, "cheap", "quality-")]
        found += [opinion(text, "fits", "fit+" if i % 2 else "fit-")]
        one = Review(id=f"r{i}", product="a", text=text)
        pairs.append((one, answer(one, 4, found)))
    product = summary_of(pairs).products[0]
    top, bottom = best(product), worst(product)
    assert top is not None
    assert bottom is not None
    assert (top.aspect, bottom.aspect) == ("comfort", "quality")
    unsure = summary_of(pairs[:2]).products[0]
    assert best(unsure) is worst(unsure) is None


def test_an_aspect_in_another_script_is_drawn_without_a_warning() -> None:
    text = "品質が良い"
    one = Review(id="r", product="靴", text=text)
    html = reviews_report(summary_of([(one, answer(one, 4, [opinion(text, text, "品質+")]))], min_mentions=1))
    assert "“品質が良い”" in html
