"""Shapley values: the textbook's game, and what they promise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.explain.shapley import shapley_values, subsets_of

PLAYERS = ("picture", "text", "table")


def test_the_glove_game_of_the_textbooks() -> None:
    """One owns a left glove, two own a right one each; a pair is worth 1."""
    values = {
        some: float("picture" in some and ("text" in some or "table" in some)) for some in subsets_of(PLAYERS)
    }
    found = shapley_values(values, PLAYERS)
    assert found == pytest.approx({"picture": 2 / 3, "text": 1 / 6, "table": 1 / 6})


@given(st.lists(st.floats(-1, 1), min_size=8, max_size=8))
def test_they_add_up_to_what_all_are_worth_beyond_none(drawn: list[float]) -> None:
    values = dict(zip(subsets_of(PLAYERS), drawn, strict=True))
    assert sum(shapley_values(values, PLAYERS).values()) == pytest.approx(
        values[PLAYERS] - values[()], abs=1e-9
    )


def test_one_who_changes_nothing_gets_nothing() -> None:
    values = {some: float("text" in some) for some in subsets_of(PLAYERS)}
    assert shapley_values(values, PLAYERS) == pytest.approx({"picture": 0, "text": 1, "table": 0})


def test_nobody_and_one_alone() -> None:
    assert shapley_values({(): 0.2}, ()) == {}
    assert shapley_values({(): 0.2, ("text",): 0.7}, ("text",)) == pytest.approx({"text": 0.5})
