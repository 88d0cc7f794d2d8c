"""What a model takes in of products: hashed words and pieces, and table values."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.config import TableConfig, TitleTowerConfig
from shelfwise.data.product_input import FieldScale, scale_of, table_input, text_input, words_and_pieces

CONFIG = TitleTowerConfig(buckets=512, words=4, pieces=20)


def test_words_keep_their_order_and_case_is_no_matter() -> None:
    words, pieces = words_and_pieces("Nike Men blue shirt", CONFIG)
    again, _ = words_and_pieces("SHIRT blue", CONFIG)
    assert len(words) == 4
    assert again == [words[3], words[2]]
    assert len(pieces) == 20


def test_a_pair_of_words_is_not_the_pair_turned_round() -> None:
    one, other = (words_and_pieces(text, CONFIG)[1][0] for text in ("red shoe", "shoe red"))
    assert one != other


@given(st.lists(st.text(max_size=60), max_size=4))
def test_any_text_becomes_ids_within_bounds(texts: list[str]) -> None:
    words, pieces = text_input(texts, CONFIG)
    assert len(words) == len(pieces) == len(texts)
    assert words.shape[1] <= 4
    assert pieces.shape[1] <= 20
    for ids in (words, pieces):
        assert ids.min(initial=0) >= 0
        assert ids.max(initial=0) < 512


def test_table_values_are_hashed_numbers_are_standardised_and_gaps_are_padding() -> None:
    config = TableConfig(fields=("brand", "price"), buckets=64)
    fields = {
        "brand": ("Elder", None, "elder", ("b", "a")),
        "price": (10.0, 14.0, None, float("nan")),
    }
    values, numbers = table_input(fields, 4, config, {"price": FieldScale(mean=12.0, std=2.0)})
    assert values[0, 0] == values[2, 0] > 0
    assert values[1, 0] == values[2, 1] == values[3, 1] == 0
    assert values[0, 1] == values[1, 1]
    assert numbers[:, 1].tolist() == [-1, 1, 0, 0]
    assert not numbers[:, 0].any()
    same, _ = table_input({"brand": (("a", "b"),), "price": (None,)}, 1, config, {})
    assert same[0, 0] == values[3, 0]
    assert values.dtype == np.int64


def test_a_number_is_the_same_as_a_number_and_as_text_of_any_form() -> None:
    config = TableConfig(fields=("price",), buckets=64)
    scales = {"price": FieldScale(mean=30.0, std=10.0)}
    values, numbers = table_input({"price": (36.5, "36.5", "36,5", "1,234")}, 4, config, scales)
    assert np.allclose(numbers[:, 0], [0.65, 0.65, 0.65, 0])
    assert len({*values[:3, 0].tolist()}) == 1
    assert values[3, 0] not in (0, values[0, 0])


def test_one_code_that_reads_as_a_number_does_not_set_the_scale() -> None:
    prices = np.array([10.0, 12.0, 14.0, 30.0, 500.0])
    plain = FieldScale(mean=float(prices.mean()), std=float(prices.std()))
    assert scale_of(prices) == plain
    assert scale_of(np.append(prices, [123e45, -1e308])) == plain


@given(st.lists(st.floats(-1e6, 1e6).map(lambda number: round(number, 2)), min_size=1))
def test_the_scale_is_mean_and_deviation_of_ordinary_numbers(values: list[float]) -> None:
    numbers = np.array(values)
    assert scale_of(numbers) == FieldScale(mean=float(numbers.mean()), std=float(numbers.std()) or 1.0)
