"""What visitors paste and drop: every row is used or named."""

from __future__ import annotations

import json

import pytest
from hypothesis import given as any_of
from hypothesis import strategies

from shelfwise.ui.given import (
    Table,
    fields_of_text,
    guess_columns,
    read_table,
    reviews_of_table,
    reviews_of_text,
)


def test_a_line_is_a_review_and_stars_may_stand_in_front() -> None:
    found = reviews_of_text("4: Runs small\n\n 5 stars | Lovely \nNo stars here\n6: out of range\n3:")
    assert [(one.rating, one.text) for one in found] == [
        (4, "Runs small"),
        (5, "Lovely"),
        (None, "No stars here"),
        (None, "6: out of range"),
    ]


def test_fields_are_numbers_where_they_can_be_and_bad_lines_are_named() -> None:
    fields, bad = fields_of_text("brand: Puma\nprice: 79.90\nratio: nan\nnonsense\nurl: http://x")
    assert fields == {"brand": "Puma", "price": 79.9, "ratio": "nan", "url": "http://x"}
    assert [one.row for one in bad] == [4]


def test_a_shops_columns_are_found_by_their_names() -> None:
    guessed = guess_columns(("Clothing ID", "Title", "Review Text", "Rating", "Age"))
    assert guessed == {
        "text": "Review Text",
        "title": "Title",
        "rating": "Rating",
        "product": "Clothing ID",
        "id": None,
    }


def test_rows_of_a_csv_add_up() -> None:
    table = read_table('﻿text;stars\n"a; b";5\n;4\none cell\nfine;3.0\nodd;4.5\n'.encode(), "x.csv")
    reviews, bad = reviews_of_table(table, guess_columns(table.columns))
    assert [(one.text, one.rating) for one in reviews] == [("a; b", 5), ("fine", 3), ("odd", None)]
    assert [one.row for one in bad] == [3, 4]


def test_rows_of_jsonl_add_up() -> None:
    lines = ['{"text": "good", "rating": 5, "extra": null}', "[1]", "{broken", "", '{"text": "bad"}']
    table = read_table("\n".join(lines).encode(), "x.jsonl")
    reviews, bad = reviews_of_table(table, guess_columns(table.columns))
    assert [(one.text, one.rating) for one in reviews] == [("good", 5), ("bad", None)]
    assert [one.row for one in bad] == [2, 3]


@pytest.mark.parametrize("data", [b"", b"text,stars\n", b"\x89PNG\0\0", b"{broken"])
def test_what_is_no_table_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"x\.csv"):
        read_table(data, "x.csv")


@any_of(strategies.binary(max_size=400), strategies.sampled_from(["x.csv", "x.jsonl"]))
def test_any_bytes_are_a_table_or_refused(data: bytes, name: str) -> None:
    try:
        table = read_table(data, name)
    except ValueError:
        return
    assert isinstance(table, Table)
    reviews, bad = reviews_of_table(table, guess_columns(table.columns))
    assert len(reviews) + len(bad) == len(table.rows) + len(table.bad)


@pytest.mark.parametrize("indent", [None, 1])
def test_a_json_list_of_objects_is_a_table(indent: int | None) -> None:
    table = read_table(json.dumps([{"text": "a"}, 3, {"text": "b"}], indent=indent).encode(), "x.json")
    assert [cells["text"] for _, cells in table.rows] == ["a", "b"]
    assert [one.row for one in table.bad] == [2]


def test_a_list_among_lines_is_named() -> None:
    table = read_table((json.dumps([{"text": "a"}]) + '\n{"text": "b"}').encode(), "x.json")
    assert len(table.bad) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_table_as_office_programs_write_it_is_read(encoding: str) -> None:
    text = 'Text;"Stars, given"\nSchöne Größe – toll;4,0\nok;5/5;\n'
    table = read_table(text.encode(encoding), "x.csv")
    assert table.columns == ("Text", "Stars, given")
    assert not table.bad
    reviews, _ = reviews_of_table(table, {"text": "Text", "rating": "Stars, given"})
    assert [(one.text, one.rating) for one in reviews] == [("Schöne Größe – toll", 4), ("ok", 5)]
