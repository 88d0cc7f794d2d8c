"""Search spaces: every key and value is checked before anything is trained."""

from __future__ import annotations

import re
from typing import Any

import pytest

from shelfwise.config import Config, TuneConfig, parse_run
from shelfwise.errors import ConfigError
from shelfwise.tune.space import check_space, own_values
from shelfwise.tune.usual import usual_space


def config(space: dict[str, Any]) -> Config:
    found = parse_run({"tune": {"space": space}}, where="shop.toml")
    assert isinstance(found, Config)
    return found


def test_tables_in_tables_are_whole_names() -> None:
    nested = {"train": {"lr": {"low": 0.1, "high": 1.0}}, "text": {"align": {"choices": [True, False]}}}
    assert list(config(nested).tune.space) == ["train.lr", "text.align"]
    assert config(nested).tune.space == config({"train.lr": nested["train"]["lr"]} | nested).tune.space


@pytest.mark.parametrize(
    ("range_", "said"),
    [
        ({"low": 1}, "needs low and high, or choices"),
        ({"low": 2, "high": 1}, "low must be less than high"),
        ({"low": 0.1, "high": float("nan")}, "finite number"),
        ({"low": 0, "high": 1, "log": True}, "log needs a low above 0"),
        ({"low": 0, "high": 1, "step": 0.3}, "whole steps of 0.3"),
        ({"low": 0, "choices": [1]}, "low, high, log and step are for numbers"),
        ({"choices": [1, 2, 1]}, "a choice twice"),
        ({"lowest": 1, "high": 2}, "did you mean 'low'"),
    ],
)
def test_a_range_that_is_none_is_named(range_: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=r"tune\.space\.train\.lr.*") as error:
        config({"train.lr": range_})
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("key", "range_", "said"),
    [
        ("train.learning_rate", {"low": 0.1, "high": 1}, "train.learning_rate: is no setting"),
        ("train.lr", {"low": -1, "high": 1}, "train.lr = -1': train.lr: Input should be greater than 0"),
        ("train.batch_size", {"low": 8.0, "high": 64.0}, "should be a valid integer"),
        ("train.optimizer", {"choices": ["muon", "lion"]}, "train.optimizer = 'lion'"),
        ("model.widths", {"choices": [[8, 16]]}, "model: widths, depths and downsample need one"),
        ("split.salt", {"choices": ["a", "b"]}, "would not be judged alike"),
        ("train.lr.peak", {"low": 0, "high": 1}, "'lr' is not a table"),
    ],
)
def test_a_value_that_a_setting_refuses_is_named(key: str, range_: dict[str, Any], said: str) -> None:
    asked = config({key: range_})
    with pytest.raises(ConfigError) as error:
        check_space(asked, asked.tune.space)
    assert said in str(error.value)
    assert key in str(error.value)


def test_a_value_between_that_a_setting_refuses_is_named() -> None:
    values = {"task": "products", "fusion": {"kind": "cross_attention"}}
    widths = {"low": 128, "high": 256}
    for step, refused in ((None, True), (64, False)):
        asked = parse_run(
            values | {"tune": {"space": {"fusion.width": widths | {"step": step}}}}, where="shop"
        )
        if refused:
            with pytest.raises(ConfigError, match=r"fusion\.width = 129': .*take a multiple of 4"):
                check_space(asked, asked.tune.space)
        else:
            check_space(asked, asked.tune.space)


def test_an_empty_space_says_how_to_fill_it() -> None:
    with pytest.raises(ConfigError, match=r"tune\.space is empty.*--set"):
        check_space(config({}), {})


@pytest.mark.parametrize(
    ("range_", "inside"),
    [
        ({"low": 1, "high": 8}, True),
        ({"low": 2.0, "high": 3.0}, False),
        ({"low": 1, "high": 7, "step": 2}, False),
        ({"choices": [1, 2]}, False),
        ({"choices": [1, 4]}, True),
    ],
)
def test_own_values_lie_in_the_space_or_not(range_: dict[str, Any], inside: bool) -> None:
    asked = config({"train.epochs": range_})
    assert own_values(asked, asked.tune.space) == ({"train.epochs": 4.0}, inside)


def test_a_mixture_of_weights_is_no_trial() -> None:
    asked = config({"zero_shot.wise": {"choices": [0.0, 0.5]}})
    with pytest.raises(ConfigError, match="'auto' chooses it on validation"):
        check_space(asked, asked.tune.space)


@pytest.mark.parametrize(
    ("values", "without"),
    [
        ({"task": "reviews", "data": {"columns": {"rating": "stars"}}}, {"train.label_smoothing"}),
        ({"task": "products", "fusion": {"kind": "picture"}}, {"fusion.kind", "shared.weight"}),
        (
            {"task": "products", "targets": {"a": {"labels": ["a"], "several": True}}},
            {"train.label_smoothing"},
        ),
        ({"task": "products"}, set()),
        ({}, set()),
    ],
)
def test_the_usual_space_has_nothing_that_changes_nothing(values: dict[str, Any], without: set[str]) -> None:
    if values.get("task") == "products":
        values = {"data": {"columns": {"labels": {"a": "a"}}}} | values
    space = set(usual_space(parse_run(values, where="shop.toml")))
    every = {"train.lr", "train.weight_decay", "train.label_smoothing"}
    if values.get("task") == "products":
        every |= {"fusion.kind", "shared.weight"}
    assert space == every - without


def test_an_unset_value_lies_in_no_range() -> None:
    asked = config({"train.clip": {"low": 0.5, "high": 2.0}})
    assert own_values(asked, asked.tune.space) == ({"train.clip": None}, False)


def test_a_bundle_knows_nothing_of_tuning() -> None:
    asked = config({"train.lr": {"low": 0.1, "high": 1.0}})
    assert asked.tune != TuneConfig()
    assert "tune" not in asked.model_dump()


@pytest.mark.parametrize(
    ("key", "choices"),
    [
        ("targets.category.labels", [["type"], ["master", "type"]]),
        ("targets.category.several", [False, True]),
        ("targets.category", [{"labels": ["type"]}]),
        ("data.source", ["a.csv", "b.csv"]),
        ("split.salt", ["a", "b"]),
    ],
)
def test_what_is_asked_and_of_what_is_never_tried(key: str, choices: list[Any]) -> None:
    labels = {"master": "master", "type": "type"}
    values = {
        "task": "products",
        "data": {"source": "a.csv", "columns": {"title": "t", "labels": labels}},
        "targets": {"category": {"labels": ["master", "type"]}},
        "tune": {"space": {key: {"choices": choices}}},
    }
    asked = parse_run(values, where="shop")
    with pytest.raises(
        ConfigError, match=f"'{re.escape(key)}' cannot be tried: trials would not be judged alike"
    ):
        check_space(asked, asked.tune.space)
