"""Filters: text to tree and back, masks against the obvious loop, and nothing that escapes the grammar."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.errors import FilterError
from shelfwise.search.columns import (
    ColumnsBuilder,
    OddValue,
    TextColumn,
    column_values,
    folded,
    odd_value,
)
from shelfwise.search.filter_mask import mask_of
from shelfwise.search.filter_parser import DEEPEST, MOST_VALUES, parse
from shelfwise.search.filter_tree import Among, And, Compare, Exists, Filter, Not, Or, render

ROWS = [
    {"price": "9.50", "brand": "Puma", "colour": "Red", "tags": ("new", "sale"), "product type": "shoe"},
    {"price": "50", "brand": "Nike", "colour": None, "tags": (), "product type": "shoe"},
    {"price": None, "brand": "puma ", "colour": "Blue", "tags": ("Sale",)},
    {"price": "-1e2", "brand": None, "colour": "red", "tags": ("new",), "product type": 'a"b\\c'},
    {"price": 12.0, "brand": "O'Neill", "colour": "'; DROP TABLE products; --", "product type": "and"},
]


def columns_of(rows: list[dict[str, object]]):  # type: ignore[no-untyped-def]
    builder = ColumnsBuilder()
    for row in rows:
        builder.add(row)  # type: ignore[arg-type]
    return builder.columns()


COLUMNS = columns_of(ROWS)


@pytest.mark.parametrize("blank", ["N/A", "na", "-", " none ", "NULL", "", "NaN"])
def test_blanks_among_numbers_are_missing_and_among_texts_are_texts(blank: str) -> None:
    rows: list[dict[str, object]] = [{"price": "9.5", "size": "M"}, {"price": blank, "size": blank}]
    columns = columns_of(rows)
    assert column_values(columns["price"], 2) == [9.5, None]
    assert mask_of(parse("not exists(price)"), columns, 2).tolist() == [False, True]
    assert mask_of(parse("price < 50"), columns, 2).tolist() == [True, False]
    assert column_values(columns["size"], 2)[0] == "M"
    assert odd_value(columns["price"]) is None
    assert odd_value(columns["size"]) is None
    assert isinstance(columns_of([{"price": blank}])["price"], TextColumn)  # no number at all


def test_the_first_odd_value_among_numbers_is_found() -> None:
    rows: list[dict[str, object]] = [{"price": str(n)} for n in range(30)]
    rows[3] = {"price": "n/a"}
    rows[7], rows[9] = {"price": "9,50 EUR"}, {"price": "inf"}
    found = odd_value(columns_of(rows)["price"])
    assert found == OddValue(value="9,50 EUR", row=7, numbers=27, texts=2)
    assert odd_value(columns_of([*rows[:10]])["price"]) is None  # 7 of 9 are not nearly all
    assert odd_value(columns_of([{"tags": ("1", "x")}] * 20)["tags"]) is None


def found(text: str) -> list[int]:
    return np.flatnonzero(mask_of(parse(text), COLUMNS, len(ROWS))).tolist()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('price < 50 and brand in ("Puma", "Nike") and not colour = "Blue"', [0]),
        ("price <= 50", [0, 1, 3, 4]),
        ("price > 9.5 or price = -100", [1, 3, 4]),
        ("exists(colour)", [0, 2, 3, 4]),
        ("not exists(price)", [2]),
        ('brand = "PUMA"', [0, 2]),
        ('brand != "puma"', [1, 3, 4]),
        ('not (brand = "puma")', [1, 3, 4]),
        ('brand not in ("puma", "nike")', [3, 4]),
        ('tags = "sale"', [0, 2]),
        ('tags in ("new", "none")', [0, 3]),
        ("not tags = 'sale' AND Price >= 12", [1, 4]),
        ("`product type` = 'shoe'", [0, 1]),
        ("""`product type` = "a\\"b\\\\c" """, [3]),
        ('brand = "O\'Neill"', [4]),
        ("brand = 'O\\'Neill'", [4]),
        ("price in (12, 50, 7)", [1, 4]),
        ('colour = "red" or colour = "blue" and price < 0', [0, 3]),
        ('(colour = "red" or colour = "blue") and price < 0', [3]),
        ("not not exists(brand)", [0, 1, 2, 4]),
    ],
)
def test_a_filter_finds_what_it_says(text: str, rows: list[int]) -> None:
    text = text.replace("Price", "price")
    assert found(text) == rows


@pytest.mark.parametrize(
    ("text", "position", "why"),
    [
        ("xyzzy < 50", 0, "no field 'xyzzy'. The fields are: brand, colour, price"),
        ("prise < 50", 0, "no field 'prise'; did you mean price? The fields are: brand, colour, price"),
        ("price < 50 and colour", 21, "after 'colour' expected one of = != < <= > >= in, not the end"),
        ("price < ", 8, "expected a number or a text in quotes, not the end"),
        ("price < cheap", 8, 'texts stand in quotes: "cheap"'),
        ('price = "50"', 0, "price holds numbers; write '50' as a number"),
        ("brand = 5", 0, 'brand holds texts; write brand = "5"'),
        ('brand < "b"', 0, "brand holds texts, which '<' does not order"),
        ("brand = “Puma”", 8, "typographic quote"),
        ('brand = "Puma', 8, 'the quote " is not closed'),
        ('brand = "Pu\\ma"', 12, "after a backslash"),
        ("(price < 5", 10, "expected ')'"),
        ("price < 5)", 9, "expected 'and', 'or' or the end, not ')'"),
        ("price < 5 price > 1", 10, "expected 'and', 'or' or the end, not 'price'"),
        ("price < 5; price > 1", 9, "did you mean 'and'?"),
        ("price < 5 -- comment", 10, "'-' is not understood"),
        ("price < 5 /* comment */", 10, "'/' is not understood"),
        ("price == 5", 7, "expected a number or a text in quotes, not '='"),
        ("price < 5 and and", 14, "expected a field"),
        ("price in ()", 10, "expected a number or a text"),
        ("price < 5x", 8, "neither a number nor a name"),
        ("price < 1e999", 8, "too large"),
        ("`price < 5", 0, "the backquote ` is not closed"),
        ("exists price", 7, "expected '('"),
        ("", 0, "expected a field"),
        ("price in (" + "1," * MOST_VALUES + "1)", None, "more than 1,000 values"),
        ("(" * 60 + "price < 5" + ")" * 60, None, "more than 50 parentheses"),
        ("not " * 60 + "price < 5", None, "more than 50 times 'not'"),
        ("price < 5 or " * 2_000, None, "at most 10,000"),
    ],
)
def test_an_error_says_where_and_what_was_expected(text: str, position: int | None, why: str) -> None:
    with pytest.raises(FilterError) as error:
        found(text)
    assert why in str(error.value)
    if position is not None:
        assert error.value.position == position
        assert f"character {position + 1}:" in str(error.value)


@pytest.mark.parametrize(
    "value",
    [
        "'; DROP TABLE products; --",
        "' OR '1'='1",
        '" or exists(price) or brand = "',
        "\\",
        '\\" or 1=1',
        "a /* b */ c",
        "’; delete from products",
        "＇ or 1=1",
        "select * from products where true",
        "not in (and) or",
        "\x00\n\t",
        "%_*?",
    ],
)
def test_a_value_is_only_ever_a_value(value: str) -> None:
    """Whatever it holds, it comes back as the one literal, and matches the product that says just that."""
    columns = columns_of([{"brand": "other"}, {"brand": value}])
    tree = parse(render(Compare("brand", "=", value)))
    assert tree == Compare("brand", "=", value)
    assert mask_of(tree, columns, 2).tolist() == [False, True]


NAMES = st.sampled_from(["price", "brand", "colour", "tags", "product type"])
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(max_size=12)
ANY_NAME = st.text(min_size=1, max_size=8)
OPERATORS = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
SCALARS = st.one_of(NUMBERS, TEXTS)
ANY_LEAF = st.one_of(
    st.tuples(st.just(Compare), ANY_NAME, OPERATORS, SCALARS),
    st.tuples(st.just(Among), ANY_NAME, st.lists(SCALARS, min_size=1, max_size=4)),
    st.tuples(st.just(Exists), ANY_NAME),
)


def plans(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Trees to be made: checking their types draws random numbers, as no strategy may."""

    def grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        several = st.lists(inner, min_size=2, max_size=3)
        return st.one_of(
            st.tuples(st.just(Not), inner),
            st.tuples(st.just(And), several),
            st.tuples(st.just(Or), several),
        )

    return st.recursive(leaves, grown, max_leaves=8)


def made(plan: Any) -> Filter:
    kind, *rest = plan
    if kind is Not:
        return Not(made(rest[0]))
    if kind in (And, Or):
        return kind(tuple(map(made, rest[0])))
    return kind(*(tuple(value) if isinstance(value, list) else value for value in rest))


@settings(deadline=None, max_examples=100)
@given(plans(ANY_LEAF))
def test_what_is_rendered_is_read_back(plan: Any) -> None:
    tree = made(plan)
    assert parse(render(tree)) == tree


KNOWN_TEXTS = st.sampled_from(["Puma", "nike", "RED", "blue", "sale", "shoe", "unknown"])
PRICES = st.sampled_from([-100.0, 9.5, 12.0, 50.0, 0.0])
TEXT_NAMES = st.sampled_from(["brand", "colour", "tags"])
LEAF = st.one_of(
    st.tuples(st.just(Compare), st.just("price"), OPERATORS, PRICES),
    st.tuples(st.just(Among), st.just("price"), st.lists(PRICES, min_size=1)),
    st.tuples(st.just(Compare), TEXT_NAMES, st.sampled_from(["=", "!="]), KNOWN_TEXTS),
    st.tuples(st.just(Among), TEXT_NAMES, st.lists(KNOWN_TEXTS, min_size=1)),
    st.tuples(st.just(Exists), NAMES),
)


def holds(tree: Filter, row: dict[str, object]) -> bool:
    """The obvious way."""
    match tree:
        case And(parts):
            return all(holds(part, row) for part in parts)
        case Or(parts):
            return any(holds(part, row) for part in parts)
        case Not(part):
            return not holds(part, row)
        case Exists(name):
            return row.get(name) not in (None, ())
        case Among(name, values):
            return any(holds(Compare(name, "=", value), row) for value in values)
        case Compare(name, "!=", value):
            return not holds(Compare(name, "=", value), row)
        case Compare(name, operator, value):
            own = row.get(name)
            if isinstance(value, str):
                several = own if isinstance(own, tuple) else (own,)
                return any(one is not None and folded(str(one)) == folded(value) for one in several)
            if own is None:
                return False
            number = float(own)  # type: ignore[arg-type]
            orders = {"=": number == value, "<": number < value, "<=": number <= value}
            return (orders | {">": number > value, ">=": number >= value})[operator]


@settings(deadline=None, max_examples=100)
@given(plans(LEAF), st.lists(st.sampled_from(ROWS), max_size=12))
def test_the_mask_is_what_the_obvious_loop_says(plan: Any, rows: list[dict[str, object]]) -> None:
    tree, rows = made(plan), ROWS + rows
    mask = mask_of(tree, columns_of(rows), len(rows))
    assert mask.tolist() == [holds(tree, row) for row in rows]


def test_columns_have_the_kind_that_all_their_values_allow() -> None:
    from shelfwise.search.columns import kind_of

    assert {name: kind_of(column) for name, column in COLUMNS.items()} == {
        "price": "number",
        "brand": "text",
        "colour": "text",
        "tags": "texts",
        "product type": "text",
    }
    mixed = columns_of([{"size": "42"}, {"size": 43.0}, {"size": "M"}, {"size": float("nan")}])["size"]
    assert column_values(mixed, 4) == ["42", "43", "M", None]
    nothing = columns_of([{"size": None}, {}])["size"]
    assert column_values(nothing, 2) == [None, None]


def test_depth_within_the_bound_is_read() -> None:
    assert found("(" * DEEPEST + "price < 0" + ")" * DEEPEST) == [3]
