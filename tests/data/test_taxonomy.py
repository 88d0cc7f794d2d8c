"""Trees of classes: what is a class, what is a slip, and what a row with missing labels still knows."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.data.taxonomy import Taxonomy, balanced_rows, distinct_names
from shelfwise.errors import DataError

LEVELS = ("master", "sub", "article")
SHIRT = ("Apparel", "Topwear", "Tshirts")
JEANS = ("Apparel", "Bottomwear", "Jeans")
WATCH = ("Accessories", "Watches", "Watches")
SMALL = Taxonomy.of([SHIRT, JEANS, WATCH, ("Apparel", "Topwear", "Shirts")], LEVELS)

names = st.sampled_from("abc")
full_rows = st.lists(st.tuples(names, names, names), min_size=1, max_size=40)


def test_paths_are_sorted_and_nodes_are_their_prefixes() -> None:
    assert SMALL.paths == (WATCH, JEANS, ("Apparel", "Topwear", "Shirts"), SHIRT)
    assert SMALL.nodes(0) == (("Accessories",), ("Apparel",))
    assert SMALL.nodes(1) == (("Accessories", "Watches"), ("Apparel", "Bottomwear"), ("Apparel", "Topwear"))
    assert SMALL.nodes(2) == SMALL.paths
    assert SMALL.ancestors.tolist() == [[0, 0, 0], [1, 1, 1], [1, 2, 2], [1, 2, 3]]
    assert len(SMALL) == 4


def test_a_rare_second_parent_is_a_slip_and_reads_as_the_first() -> None:
    odd = ("Apparel", "Bottomwear", "Tshirts")
    tree = Taxonomy.of([SHIRT] * 98 + [odd, odd, JEANS], LEVELS)
    assert tree.paths == (JEANS, SHIRT)
    assert tree.strays == {odd: 2}
    assert tree.encode(odd) == tree.encode(SHIRT)


def test_a_second_parent_that_is_not_rare_is_a_second_class() -> None:
    other = ("Apparel", "Innerwear", "Tshirts")
    tree = Taxonomy.of([SHIRT] * 97 + [other] * 3, LEVELS)
    assert tree.paths == (other, SHIRT)
    assert tree.strays == {}
    assert Taxonomy.of([SHIRT] * 97 + [other] * 3, LEVELS, stray=0.03).paths == (SHIRT,)


def test_without_strays_every_path_is_a_class() -> None:
    other = ("Apparel", "Innerwear", "Tshirts")
    assert Taxonomy.of([SHIRT] * 10_000 + [other], LEVELS, stray=0.0).paths == (other, SHIRT)


@pytest.mark.parametrize(
    ("row", "numbers"),
    [
        (SHIRT, (1, 2, 3)),
        (("Apparel", "Topwear", None), (1, 2, -1)),
        (("Apparel", None, None), (1, -1, -1)),
        ((None, None, None), (-1, -1, -1)),
        (("Apparel", "Topwear", "Ponchos"), (1, 2, -1)),
        (("Apparel", "Saree", "Sarees"), (1, -1, -1)),
        (("Home", None, None), (-1, -1, -1)),
        ((None, None, "Tshirts"), (1, 2, 3)),
        (("Apparel", None, "Tshirts"), (1, 2, 3)),
        ((None, "Topwear", None), (1, 2, -1)),
        (("Accessories", None, None), (0, -1, -1)),
        (("Apparel", "Bottomwear", "Tshirts"), (1, 1, -1)),
    ],
)
def test_a_row_knows_the_deepest_node_that_it_names(
    row: tuple[str | None, ...], numbers: tuple[int, ...]
) -> None:
    assert SMALL.encode(row) == (numbers[-1], numbers)


def test_a_leaf_of_two_classes_without_its_parent_knows_what_they_share() -> None:
    tree = Taxonomy.of([("a", "x", "same"), ("a", "y", "same"), ("b", "z", "other")], LEVELS)
    assert tree.encode((None, None, "same")) == (-1, (0, -1, -1))
    assert tree.encode((None, "y", "same")) == (1, (0, 1, 1))
    apart = Taxonomy.of([("a", "x", "same"), ("b", "y", "same")], LEVELS)
    assert apart.encode((None, None, "same")) == (-1, (-1, -1, -1))


def test_one_level_is_an_ordinary_target() -> None:
    colours = Taxonomy.of([("Red",), (None,), ("Blue",), ("Red",)], ("colour",))
    assert colours.paths == (("Blue",), ("Red",))
    assert colours.encode_rows([("Red",), (None,), ("Mauve",), ("Blue",)])[:, 0].tolist() == [1, -1, -1, 0]
    assert np.array_equal(colours.parents(0), np.eye(2, dtype=bool))


def test_sets_of_values_are_ones_and_a_missing_set_is_unknown() -> None:
    tags = Taxonomy.of([("new",), ("sale",), ("vegan",)], ("tags",))
    encoded = tags.encode_sets([("sale", "new"), (), None, ("never seen", "vegan")])
    assert encoded.tolist() == [[1, 1, 0], [0, 0, 0], [-1, -1, -1], [0, 0, 1]]
    with pytest.raises(ValueError, match="one level"):
        SMALL.encode_sets([()])


def test_no_complete_row_is_an_error_that_names_the_levels() -> None:
    with pytest.raises(DataError, match="no row has a label of every level of master > sub > article"):
        Taxonomy.of([("a", None, "b")], LEVELS)


def test_slips_of_the_programmer_are_found() -> None:
    with pytest.raises(ValueError, match="3 labels"):
        Taxonomy.of([("a", "b")], LEVELS)
    with pytest.raises(ValueError, match="3 labels"):
        SMALL.encode(("a",))
    with pytest.raises(ValueError, match="sorted"):
        Taxonomy(("x",), (("b",), ("a",)))
    with pytest.raises(ValueError, match="one name for each"):
        Taxonomy(("x",), (("a", "b"),))
    with pytest.raises(ValueError, match="below a half"):
        Taxonomy.of([SHIRT], LEVELS, stray=0.5)


@given(full_rows, st.floats(0, 0.49))
def test_json_brings_back_the_same_tree(rows: list[tuple[str, str, str]], stray: float) -> None:
    tree = Taxonomy.of(rows, LEVELS, stray=stray)
    again = Taxonomy.from_json(json.loads(json.dumps(tree.as_json())))
    assert again == tree
    assert hash(again) == hash(tree)
    assert [again.encode(row) for row in rows] == [tree.encode(row) for row in rows]


@given(full_rows, st.floats(0, 0.49))
def test_paths_and_strays_are_the_obvious_loop(rows: list[tuple[str, str, str]], stray: float) -> None:
    tree = Taxonomy.of(rows, LEVELS, stray=stray)
    counts = Counter(rows)
    for path, count in counts.items():
        same = {other: n for other, n in counts.items() if other[2] == path[2]}
        total = sum(same.values())
        slip = any(n > count and total - n <= stray * total for other, n in same.items() if other != path)
        assert (path in tree.strays) == slip
        assert (path in tree.paths) != slip
    assert all(tree.encode(row)[0] >= 0 for row in rows)


@given(full_rows)
def test_every_leaf_lies_under_one_node_of_each_level(rows: list[tuple[str, str, str]]) -> None:
    tree = Taxonomy.of(rows, LEVELS)
    for level in range(3):
        members = tree.parents(level)
        assert (members.sum(0) == 1).all()
        assert (members.sum(1) > 0).all()
        for number, node in enumerate(tree.nodes(level)):
            assert [path for path in tree.paths if path[: level + 1] == node] == [
                tree.paths[k] for k in np.flatnonzero(members[number])
            ]


@given(full_rows, st.tuples(*[st.none() | st.sampled_from("abcd")] * 3))
def test_what_a_row_knows_contradicts_nothing_it_says_above(
    rows: list[tuple[str, str, str]], row: tuple[str | None, ...]
) -> None:
    tree = Taxonomy.of(rows, LEVELS, stray=0.0)
    leaf, numbers = tree.encode(row)
    depth = sum(number >= 0 for number in numbers)
    assert numbers[depth:] == (-1,) * (3 - depth)
    assert leaf == numbers[-1]
    if depth:
        node = tree.nodes(depth - 1)[numbers[depth - 1]]
        assert all(said is None or said == name for said, name in zip(row, node, strict=False))
    assert tree.encode_rows([row, row]).tolist() == [list(numbers)] * 2


def test_balanced_rows_draw_classes_evenly_at_one_and_rows_evenly_at_zero() -> None:
    labels = np.array([0, 0, 0, 1, -1])
    assert balanced_rows(labels, 0.0) == pytest.approx([0.2] * 5)
    chances = balanced_rows(labels, 1.0)
    assert chances[:3].sum() == pytest.approx(chances[3])
    assert chances[4] == pytest.approx(chances[:4].mean())
    assert chances.sum() == pytest.approx(1)
    root = balanced_rows(labels, 0.5)
    assert root[3] / root[0] == pytest.approx(np.sqrt(3))


def test_balanced_rows_without_labels_are_even() -> None:
    assert balanced_rows(np.array([-1, -1]), 1.0).tolist() == [0.5, 0.5]
    assert balanced_rows(np.zeros(0, dtype=np.int64), 1.0).shape == (0,)


def test_classes_of_one_name_are_told_apart_by_the_end_of_their_paths() -> None:
    paths = (("A", "Men", "Other"), ("A", "Women", "Other"), ("B", "Men", "Other"), ("B", "Men", "Hats"))
    assert distinct_names(paths) == ("A > Men > Other", "Women > Other", "B > Men > Other", "Hats")
