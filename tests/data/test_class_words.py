"""Words of class names: both numbers, any case, any alphabet."""

from __future__ import annotations

import numpy as np

from shelfwise.data.class_words import class_words, without_words, words_among


def test_a_word_is_taken_out_in_both_numbers_and_any_case() -> None:
    words = class_words(["Casual Shoes", "Tshirts", "Accessories", "Scarves", "Watches", "Dresses", "Key"])
    for word in ["casual", "shoe", "shoes", "tshirt", "accessory", "scarf", "watch", "dress", "keys", "key"]:
        assert word in words, word
    assert without_words("Nike WATCH - Men's red-shoe, Size 9", words) == "Nike Men s red Size 9"
    assert without_words("Shoes", words) == ""
    assert class_words(["Écharpes"]) == {"écharpe", "écharpes"}


def test_what_titles_say_is_told_by_place_and_collection() -> None:
    found = words_among(["Red Shirt", "", "a b c Shirt"], [{"shirt"}, {"red"}], 3)
    assert found.shape == (3, 3, 2)
    assert np.argwhere(found).tolist() == [[0, 0, 1], [0, 1, 0]]  # the last shirt is beyond what is read
