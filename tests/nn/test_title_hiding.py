"""Hidden names of classes: a word goes with all that would give it away, and nothing else does."""

from __future__ import annotations

import numpy as np
import pytest

from shelfwise.config import ProductsConfig
from shelfwise.data.product_input import piece_words, text_input, words_and_pieces
from shelfwise.data.taxonomy import Taxonomy
from shelfwise.nn.title_hiding import hidden_names

TITLES = ("Nike red Shirts", "the blue bag", "")
CLASSES = {
    "type": Taxonomy(("type",), (("Bag",), ("Shirt",))),
    "colour": Taxonomy(("colour",), (("Blue",), ("Red",))),
}


def config(share: float, **settings: int) -> ProductsConfig:
    targets = {name: {"labels": [name], "hide": share} for name in CLASSES}
    title = {"buckets": 1 << 20, **settings}
    data = {"columns": {"labels": {name: name for name in CLASSES}}}
    return ProductsConfig.model_validate({"data": data, "targets": targets, "title": title})


@pytest.mark.parametrize("text", ["", "a", "Nike red Shirts", "one two three four five six " * 5])
@pytest.mark.parametrize("pieces", [3, 160])
def test_every_piece_has_its_words(text: str, pieces: int) -> None:
    asked = config(0.1, pieces=pieces).title
    assert len(piece_words(text, asked)) == len(words_and_pieces(text, asked)[1])


def test_a_name_goes_with_its_pairs_and_grams() -> None:
    asked = config(1 - 1e-9)
    words, pieces = text_input(TITLES, asked.title)
    hide = hidden_names(TITLES, asked, CLASSES, pieces.shape[1])
    assert hide is not None
    order = np.array([1, 0, 2])
    some, rest = hide(order, words[order], pieces[order], np.random.default_rng(0))
    for row, said in enumerate(("the", "Nike", "")):
        left, left_pieces = words_and_pieces(said, asked.title)
        assert some[row][some[row] > 0].tolist() == left
        assert sorted(rest[row][rest[row] > 0].tolist()) == sorted(left_pieces)


def test_a_title_of_nothing_but_names_stays_whole() -> None:
    asked = config(1 - 1e-9)
    words, pieces = text_input(("blue bag",), asked.title)
    hide = hidden_names(("blue bag",), asked, CLASSES, pieces.shape[1])
    assert hide is not None
    found = hide(np.array([0]), words, pieces, np.random.default_rng(0))
    assert found[0].tolist() == words.tolist()
    assert found[1].tolist() == pieces.tolist()


def test_a_share_of_titles_loses_them_for_each_target_by_itself() -> None:
    asked = config(0.25)
    titles = ("red shirt now",) * 4000
    words, pieces = text_input(titles, asked.title)
    hide = hidden_names(titles, asked, CLASSES, pieces.shape[1])
    assert hide is not None
    found, _ = hide(np.arange(4000), words, pieces, np.random.default_rng(0))
    gone = found == 0
    assert gone.mean(0) == pytest.approx([0.25, 0.25, 0], abs=0.03)
    assert gone[:, :2].all(1).mean() == pytest.approx(0.0625, abs=0.02)


def test_pairs_and_grams_of_words_that_are_not_read_themselves_go_too() -> None:
    asked = config(1 - 1e-9, words=1)
    words, pieces = text_input(("Nike shirt",), asked.title)
    hide = hidden_names(("Nike shirt",), asked, CLASSES, pieces.shape[1])
    assert hide is not None
    found, rest = hide(np.array([0]), words, pieces, np.random.default_rng(0))
    assert found.tolist() == words.tolist()
    assert sorted(rest[rest > 0].tolist()) == sorted(words_and_pieces("Nike", asked.title)[1])


def test_nothing_is_hidden_unless_asked() -> None:
    assert hidden_names(TITLES, config(0.0), CLASSES, 10) is None
