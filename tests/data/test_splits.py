"""Splits: the stated formula, families on one side, shares as configured, contradictions refused."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from shelfwise.config import SplitConfig
from shelfwise.data.splits import bucket_of, part_of, split_products
from shelfwise.errors import ConfigError


def test_bucket_is_the_hash_of_salt_and_family() -> None:
    expected = int(hashlib.sha256(b"split:1163").hexdigest(), 16) % 20
    assert bucket_of("1163", SplitConfig()) == expected


def test_split_keeps_a_family_on_one_side() -> None:
    families = [str(i // 3) for i in range(600)]
    parts = split_products(families, SplitConfig())
    sides = [{families[row] for row in rows} for rows in parts.values()]
    assert sides[0].isdisjoint(sides[1] | sides[2])
    assert sides[1].isdisjoint(sides[2])
    assert sum(len(rows) for rows in parts.values()) == 600


def test_parts_have_about_their_share() -> None:
    parts = split_products([f"f{i}" for i in range(20_000)], SplitConfig())
    shares = {part: len(rows) / 20_000 for part, rows in parts.items()}
    assert shares["test"] == pytest.approx(0.1, abs=0.01)
    assert shares["validation"] == pytest.approx(0.05, abs=0.01)


def test_a_grown_catalogue_moves_nobody() -> None:
    config = SplitConfig()
    few = [f"f{i}" for i in range(50)]
    before = [part_of(f, config) for f in few]
    after = split_products(["new", *few], config)
    assert all(row + 1 in after[part] for row, part in enumerate(before))


def test_another_salt_deals_anew() -> None:
    families = [f"f{i}" for i in range(500)]
    a = split_products(families, SplitConfig())["test"]
    b = split_products(families, SplitConfig(salt="other:"))["test"]
    assert not np.array_equal(a, b)


def test_no_rows_make_three_empty_parts() -> None:
    assert {part: rows.tolist() for part, rows in split_products([], SplitConfig()).items()} == {
        "train": [],
        "validation": [],
        "test": [],
    }


@pytest.mark.parametrize("config", [SplitConfig(validation=(1,)), SplitConfig(test=(20,))])
def test_contradicting_buckets_are_refused(config: SplitConfig) -> None:
    with pytest.raises(ConfigError, match="buckets"):
        split_products(["a"], config)


def test_fewer_training_rows_are_whole_families_among_those_of_more() -> None:
    families = [f"f{i // 3}" for i in range(900)]
    parts = {rows: split_products(families, SplitConfig(train_rows=rows)) for rows in (30, 31, 200, 5000)}
    every = split_products(families, SplitConfig())
    for rows, found in parts.items():
        assert found["validation"].tolist() == every["validation"].tolist()
        learned = {families[row] for row in found["train"]}
        assert sorted(found["train"]) == [r for r in every["train"] if families[r] in learned]
        assert min(rows, len(every["train"])) <= len(found["train"]) < rows + 3
    assert set(parts[30]["train"]) <= set(parts[31]["train"]) < set(parts[200]["train"])
    assert parts[5000]["train"].tolist() == every["train"].tolist()


def test_which_rows_are_learned_from_does_not_depend_on_their_order() -> None:
    config = SplitConfig(train_rows=10)
    families = [f"f{i}" for i in range(300)]
    some = {families[row] for row in split_products(families, config)["train"]}
    other = families[::-1]
    assert some == {other[row] for row in split_products(other, config)["train"]}
    assert len(split_products([], config)["train"]) == 0
