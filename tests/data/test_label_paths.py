"""Paths among columns of labels: found through dirt, and not where values agree by chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.data.label_paths import determination, longest_path


def shop(rows: int = 400, dirt: float = 0.0, seed: int = 0) -> dict[str, list[str | None]]:
    """A path of 3, 9 and 27 values, a colour that tells nothing, and the finest level in other words."""
    random = np.random.default_rng(seed)
    types = random.integers(27, size=rows)
    groups = np.where(random.random(rows) < dirt, random.integers(9, size=rows), types // 3)
    return {
        "type": [f"t{k}" for k in types],
        "colour": [f"c{k}" for k in random.integers(12, size=rows)],
        "department": [f"d{k // 9}" for k in types],
        "group": [f"g{k}" for k in groups],
        "code": [f"T-{k:03}" for k in types],
    }


@pytest.mark.parametrize("dirt", [0.0, 0.05])
def test_a_path_is_found_whatever_the_order_of_columns_and_a_few_slips(dirt: float) -> None:
    columns = shop(dirt=dirt)
    path = longest_path(columns)
    assert path[:2] == ("department", "group")
    assert path[2] in ("type", "code")  # the same under two names: once is enough
    assert len(path) == 3
    assert longest_path(dict(reversed(columns.items())))[:2] == path[:2]


def test_columns_that_are_wrong_half_of_the_time_are_no_path() -> None:
    columns = shop(dirt=0.5)
    assert determination(columns["type"], columns["group"]) == pytest.approx(0.5, abs=0.15)
    assert "group" not in longest_path(columns)


def test_a_commonest_value_and_values_that_occur_once_prove_nothing() -> None:
    names: list[str | None] = [f"n{i}" for i in range(300)]
    mostly: list[str | None] = ["men"] * 290 + ["women"] * 10
    assert determination(names, mostly) == 0
    twice: list[str | None] = [f"n{i // 2}" for i in range(300)]
    random = np.random.default_rng(0)
    assert determination(twice, [f"c{k}" for k in random.integers(4, size=300)]) < 0.2
    assert determination([f"x{i % 7}" for i in range(300)], mostly) < 0.1
    assert longest_path({"a": ["x", "y"] * 4, "b": ["p", "p"] * 4}) == ()
    assert longest_path({}) == ()


def test_gaps_do_not_speak() -> None:
    columns = shop()
    gaps = {name: [None if i % 3 == 0 else v for i, v in enumerate(c)] for name, c in columns.items()}
    assert determination(gaps["type"], columns["department"]) == 1
    assert determination([None] * 400, columns["department"]) == 0


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz")), max_size=60))
def test_determination_is_a_share_and_a_function_of_the_rows_alone(rows: list[tuple[str, str]]) -> None:
    fine, coarse = [a for a, _ in rows], [b for _, b in rows]
    found = determination(fine, coarse)
    assert 0 <= found <= 1
    assert determination(fine[::-1], coarse[::-1]) == pytest.approx(found)
    assert determination(fine, fine) in (0.0, 1.0)
