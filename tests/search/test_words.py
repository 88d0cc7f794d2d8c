"""The words of a text as search compares them."""

from __future__ import annotations

import pytest

from shelfwise.search.facets import range_edges
from shelfwise.search.words import spans_of, term_of, terms_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Shoes", "shoe"),
        ("dresses", "DRESS"),
        ("Boxes", "box"),
        ("watches", "watch"),
        ("berries", "berry"),
        ("Schürzen", "schurzen"),
        ("CAFÉ", "cafe"),
        ("ＷＩＤＥ", "wide"),
        ("glass", "glass"),
        ("jeans", "jean"),
        ("hoodies", "hoodie"),
        ("Beanies", "beanie"),
        ("ties", "tie"),
        ("sizes", "size"),
        ("axes", "axe"),
        ("scarves", "scarf"),
        ("gloves", "glove"),
        ("bikinis", "bikini"),
        ("blouses", "blouse"),
        ("lenses", "lens"),
        ("canvases", "canvas"),
        ("buses", "bus"),
        ("menus", "menu"),
        ("toys", "toy"),
        ("women", "woman"),
        ("womens", "women"),
        ("Schu\u0308rze", "Schürze"),
    ],
)
def test_forms_of_a_word_are_one_term(one: str, other: str) -> None:
    assert term_of(one) == term_of(other)


def test_different_words_stay_different() -> None:
    assert len({term_of(word) for word in ("bus", "bu", "gas", "this", "shoe", "shop", "v2", "v3")}) == 8
    assert (
        len({term_of(word) for word in ("ski", "sky", "scarf", "scar", "case", "cast", "glove", "glow")}) == 8
    )


def test_marks_belong_to_their_letters_and_the_possessive_is_no_word() -> None:
    assert len(terms_of("Schu\u0308rze")) == 1
    assert len(terms_of("जूते काले")) == 2
    assert terms_of("Women's, men’s and 5's S") == ["woman", "man", "and", "5", "s"]
    assert terms_of("it'sy o'clock") == ["it", "sy", "o", "clock"]
    title = "Women's shoe"
    assert [title[span.start : span.end] for span in spans_of(title, frozenset(["woman"]))] == ["Women"]


def test_words_are_found_where_they_stand() -> None:
    title = "Ein Ärmel, zwei ÄRMEL; ein-ärmelig"
    spans = list(spans_of(title, frozenset(terms_of("ärmel"))))
    assert [title[span.start : span.end] for span in spans] == ["Ärmel", "ÄRMEL"]


def test_edges_are_round_and_hold_every_number() -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    for numbers in (rng.lognormal(3, 1, 500), rng.normal(0, 1e-3, 200), np.array([5.0]), np.arange(1e6)):
        edges = range_edges(numbers)
        assert (np.diff(edges) > 0).all()
        assert edges[0] <= numbers.min()
        assert edges[-1] >= numbers.max()
        assert 2 <= len(edges) <= 14
    assert len(range_edges(np.array([np.nan]))) == 0
