"""Numbers in text cells: points, commas and thousands, and what may be two numbers and so is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.data.numbers import could_be_two, number_in
from shelfwise.data.product_input import number_of


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("39.90", 39.9),
        ("39,90", 39.9),
        ("36,5", 36.5),
        (" -36,5 ", -36.5),
        ("\u22125", -5.0),
        (".5", 0.5),
        (",5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("1,5E+03", 1500.0),
        ("1.234", 1.234),
        ("0,125", 0.125),
        ("1234,567", 1234.567),
        ("1,2345", 1.2345),
        ("1.234,50", 1234.5),
        ("1,234.50", 1234.5),
        ("1.234,567", 1234.567),
        ("1,234.567", 1234.567),
        ("1,234,567", 1_234_567.0),
        ("1.234.567,8", 1_234_567.8),
        ("1 234,50", 1234.5),
        ("1\u00a0234,50", 1234.5),
        ("1\u202f234.50", 1234.5),
        ("1 234", 1234.0),
        ("1'234.50", 1234.5),
        ("1\u2019234", 1234.0),
    ],
)
def test_a_number_is_read_however_it_is_written(text: str, number: float) -> None:
    assert number_in(text) == number
    assert number_of(text) == number


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "-",
            ",",
            "1,",
            "36, 37",
            "36,37,38",
            "1.234.56",
            "1,23,456",
            "0.123.456",
            "1,234,50",
            "1.234.50",
        ),
        *("1 23", "12 345 67", "1,234 567", "39,90 €", "$5", "5%", "1.2.2024", "2024-01-31", "nan", "inf"),
        *("1_000", "٣", "0x10", "12e400", "-1,5e999", "9" * 400, "1." + ".".join(["234"] * 120) + ",5"),
    ],
)
def test_other_texts_are_no_numbers(text: str) -> None:
    assert number_in(text) is None
    assert not could_be_two(text)


@pytest.mark.parametrize("text", ["1,234", "-12,500", "999,999"])
def test_a_comma_before_three_digits_may_mean_either_and_is_not_read(text: str) -> None:
    assert number_in(text) is None
    assert could_be_two(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_is_written_with_a_decimal_comma_is_read_back(number: float) -> None:
    text = repr(number).replace(".", ",")
    assert could_be_two(text) or number_in(text) == number


@given(st.floats(min_value=-1e12, max_value=1e12))
def test_thousands_and_two_decimals_are_read_back_in_either_form(number: float) -> None:
    english = f"{number:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    assert number_in(english) == number_in(german) == float(f"{number:.2f}")


@given(st.text(alphabet="0123456789.,' -+e", max_size=12))
def test_any_text_is_a_number_none_or_one_of_two(text: str) -> None:
    assert number_in(text) is None or not could_be_two(text)
