"""Reviews as they are read: quotes count in the texts that an answer names."""

from __future__ import annotations

from shelfwise.bundle import default_bundle
from shelfwise.predict.reviews import ReviewPredictor
from shelfwise.schema import Review
from shelfwise.service.analysis import answer_cleaned


def test_quotes_count_in_the_cleaned_text_which_the_answer_has_where_it_differs() -> None:
    predictor = ReviewPredictor.load(default_bundle("reviews"), threads=1)
    text = "<p>The   colour is <b>lovely</b> &amp; soft.</p>  But it runs small."
    given = [Review(id="html", text=text), Review(id="plain", title="Great fit", text="It runs small.")]
    (read, html), (same, plain) = answer_cleaned(predictor, given)
    assert html.read_text == read.text == "The colour is lovely & soft. But it runs small."
    assert {opinion.aspect for opinion in html.opinions} == {"comfort", "fit", "look"}
    assert [read.text[one.start : one.end] for one in html.opinions] == [one.quote for one in html.opinions]
    assert (same, plain.read_title, plain.read_text) == (given[1], None, None)
