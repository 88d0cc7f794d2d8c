"""Repairs of texts: each does its own and no more, cleaning twice is cleaning once, the impact adds up."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shelfwise.config import CleanConfig
from shelfwise.data.cleaning import REPAIRS, clean
from shelfwise.data.cleaning_impact import SAMPLES, cleaning_impact

ALL = CleanConfig()
OFF = CleanConfig.model_validate(dict.fromkeys(REPAIRS, False))
PIECES = st.sampled_from(
    [
        "&amp;",
        "&lt;b&gt;",
        "<br>",
        "Ã©",
        "â€™",
        "aaaa",
        "!!!!",
        " ",
        "  ",
        "\x00",
        "http://a.b/c",
        "www.",
        "é",
    ]
)


@given(st.lists(PIECES | st.text(max_size=8), max_size=12).map("".join))
@example("&amp;amp;amp;lt;b&gt;")
@example("&Atilde;&copy;")
@example("<<b>b>bold")
def test_cleaning_again_changes_nothing(text: str) -> None:
    once = clean(text, ALL)
    assert clean(once, ALL) == once


@given(st.text())
def test_with_every_repair_off_nothing_changes(text: str) -> None:
    assert clean(text, OFF) == text


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("encoding", "cafÃ© and itâ€™s", "café and it’s"),
        ("encoding", "cafe\u0301", "café"),
        ("encoding", "nul\x00 here", "nul here"),
        ("markup", "<b>Great</b><br/>fit &amp; feel", "Great fit & feel"),
        ("markup", "size < 40 and <unknown>", "size < 40 and <unknown>"),
        ("markup", "two  spaces\nstay", "two  spaces\nstay"),
        ("urls", "see https://example.com/a?b=c, or www.example.com.", "see [link], or [link]."),
        ("urls", "example.com stays", "example.com stays"),
        ("repeats", "sooooo good!!!!!", "sooo good!!!"),
        ("repeats", "sooo good... 10000 times", "sooo good... 10000 times"),
        ("whitespace", "  a \t b\n\nc ", "a b c"),
        ("whitespace", "\u00a0", ""),
    ],
)
def test_each_repair_does_its_own_alone(name: str, before: str, after: str) -> None:
    assert REPAIRS[name](before) == after
    assert clean(before, OFF.model_copy(update={name: True})) == after


@pytest.mark.parametrize(
    "text",
    [
        "I do NOT love it; it isn't, wasn’t and won't be nice.",
        "NEVER again. Not bad, no complaints: “quoted” 'words' — 赤い 👗 5★",
        "Größe 38 à la carte, naïve",
        "",
    ],
)
def test_case_negation_quotes_and_other_scripts_stay(text: str) -> None:
    assert clean(text, ALL) == text


def test_every_key_of_the_config_is_a_repair() -> None:
    assert list(REPAIRS) == list(CleanConfig.model_fields)


def test_the_impact_counts_each_repair_and_all_together() -> None:
    texts = ["fine", "sooooo  good", "<p></p>", "a  b", ""]
    impact = cleaning_impact(texts, ALL)
    facts = impact.as_dict()
    json.dumps(facts)
    assert {name: repair["changed"] for name, repair in facts["repairs"].items()} == {
        **{"encoding": 0, "markup": 1, "urls": 0, "repeats": 1, "whitespace": 2}
    }
    overall = facts["overall"]
    assert (overall["texts"], overall["changed"], overall["emptied"]) == (5, 3, 1)
    assert overall["characters"]["before"]["total"] == sum(map(len, texts))
    assert overall["characters"]["after"]["total"] == len("fine" + "sooo good" + "a b")
    assert facts["repairs"]["repeats"]["samples"] == [{"before": "sooooo  good", "after": "sooo  good"}]


def test_the_impact_returns_what_clean_returns_and_leaves_out_what_is_off() -> None:
    config = CleanConfig(markup=False)
    impact = cleaning_impact([], config)
    for text in ("a  <b>b</b>", "cafÃ©", "&Atilde;&copy;"):
        assert impact.add(text) == clean(text, config)
    assert "markup" not in impact.as_dict()["repairs"]


def test_the_impact_of_no_text_is_zero() -> None:
    overall = cleaning_impact([], ALL).as_dict()["overall"]
    assert overall["characters"]["before"] == {"total": 0, "mean": 0.0}


def test_samples_are_few_short_and_around_the_difference() -> None:
    long = "word " * 400 + "sooooooo good" + " word" * 400
    samples = cleaning_impact([long] * 20, ALL).overall.samples
    assert len(samples) == SAMPLES
    before, after = samples[0]
    assert "sooooooo" in before
    assert "sooo good" in after
    assert len(before) <= 102
    (removed,) = cleaning_impact(["the end is gone     "], ALL).overall.samples
    assert removed[0].endswith("gone     ")
