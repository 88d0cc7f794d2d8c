"""Tokens: any text becomes ids in range, the same ones every time, whatever stands beside it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shelfwise.data.tokens import TokenizerConfig, tokenize

# Lone surrogates too: they come from files read with errors="surrogateescape".
TEXTS = st.text(st.characters(exclude_categories=()) | st.sampled_from("aAßİſﬁ é-'1٣"), max_size=60)
CONFIGS = st.builds(TokenizerConfig, buckets=st.integers(2, 5000), max_tokens=st.integers(1, 40))


@given(st.lists(TEXTS, max_size=6), CONFIGS)
def test_any_text_becomes_ids_in_range(texts: list[str], config: TokenizerConfig) -> None:
    ids = tokenize(texts, config)
    assert ids.dtype == np.int64
    assert ids.shape[0] == len(texts)
    assert 1 <= ids.shape[1] <= config.max_tokens
    assert (ids >= 0).all()
    assert (ids < config.buckets).all()


@given(st.lists(TEXTS, min_size=1, max_size=6), CONFIGS)
def test_a_text_has_the_same_ids_alone_and_in_company(texts: list[str], config: TokenizerConfig) -> None:
    together = tokenize(texts, config)
    for row, text in zip(together, texts, strict=True):
        alone = tokenize([text], config)[0]
        length = int((alone > 0).sum())
        assert (row[:length] == alone[:length]).all()
        assert (row[length:] == 0).all()
        assert (alone[:length] > 0).all()


def test_words_come_first_then_their_trigrams() -> None:
    config = TokenizerConfig()
    both = tokenize(["red bag"], config)[0]
    assert len(both) == 2 + 3 + 3
    assert (tokenize(["red bag"], TokenizerConfig(max_tokens=2))[0] == both[:2]).all()


@pytest.mark.parametrize(("one", "other"), [("Red BAG!", "red, bag"), ("STRASSE", "straße"), ("a_b", "a b")])
def test_case_and_punctuation_do_not_count(one: str, other: str) -> None:
    assert (tokenize([one], TokenizerConfig()) == tokenize([other], TokenizerConfig())).all()


def test_different_words_have_different_ids() -> None:
    words = ["shirt", "shoe", "bag", "trousers", "coat", "dress"]
    assert len({int(row[0]) for row in tokenize(words, TokenizerConfig())}) == len(words)


def test_nothing_is_padding_only() -> None:
    assert tokenize([], TokenizerConfig()).shape == (0, 1)
    assert tokenize(["", "!?"], TokenizerConfig()).tolist() == [[0], [0]]


def test_another_process_gives_the_same_ids() -> None:
    code = (
        "from shelfwise.data.tokens import *; print(tokenize(['Grüne Tasche'], TokenizerConfig()).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tokenize(["Grüne Tasche"], TokenizerConfig()).tolist())


@pytest.mark.parametrize("values", [{"buckets": 1}, {"max_tokens": 0}])
def test_a_tokenizer_without_room_is_refused(values: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        TokenizerConfig.model_validate(values)
