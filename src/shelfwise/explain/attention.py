"""Where the title's words look in the pictures: the weights of a fusion by cross-attention, word by word.

Weights say where the network looks, not what that changes: read them beside what leaving a word out does
(Jain and Wallace, arXiv:1902.10186). L words, h x w places of a picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from shelfwise.data.class_words import WORD
from shelfwise.explain.asked_product import AskedProduct
from shelfwise.explain.networks import Gaze, OpenProduct
from shelfwise.explain.words import word_spans
from shelfwise.schema.explanation import Explanation, Method, WordGaze

METHOD = Method(
    name="cross-attention",
    source="weights of the last block, the mean over heads (nn.fusion.CrossAttention.attend)",
)


def with_gaze(explanation: Explanation, asked: AskedProduct, network: OpenProduct) -> Explanation:
    """The explanation with where each word looks, or with why that is not known."""
    found = _gaze(asked, network)
    if isinstance(found, str):
        return explanation.model_copy(update={"missing": {**explanation.missing, "attention": found}})
    return explanation.model_copy(update={"gaze": found, "methods": (*explanation.methods, METHOD)})


def _gaze(asked: AskedProduct, network: OpenProduct) -> tuple[WordGaze, ...] | str:
    """Where each word looks in each picture; or why nobody knows."""
    kind = asked.fusion
    if kind != "cross_attention":
        return f"the bundle's fusion is '{kind}'; only in 'cross_attention' words look at a picture"
    gazes = network.gaze()
    if isinstance(gazes, str):
        return gazes
    tokens = _places(asked)[: len(gazes[0].places)]
    if len(tokens) != len(gazes[0].places):
        return "the title tower's tokens are not those of the title"
    words = word_spans(asked.text)
    own = [tokens_within(span, tokens) for span in words]
    return tuple(
        _gaze_of(asked.text, span, rows, gazes) for span, rows in zip(words, own, strict=True) if rows
    )


def _places(asked: AskedProduct) -> Sequence[tuple[int, int] | None]:
    """Where the tokens are that the title tower reads: those of a pretrained one, else words."""
    return asked.tokens or [match.span() for match in WORD.finditer(asked.text)]


def tokens_within(word: tuple[int, int], tokens: Sequence[tuple[int, int] | None]) -> list[int]:
    """Which tokens hold characters of a word: a pretrained tower reads it in pieces, or with its space."""
    start, end = word
    return [
        number
        for number, place in enumerate(tokens)
        if place is not None and place[0] < end and place[1] > start
    ]


def _gaze_of(text: str, word: tuple[int, int], rows: list[int], gazes: Sequence[Gaze]) -> WordGaze:
    """The mean over the tokens that a word is read in."""
    return WordGaze(
        text=text[word[0] : word[1]],
        start=word[0],
        end=word[1],
        pictures=tuple(_grid(gaze.places[rows].mean(axis=0)) for gaze in gazes),
        elsewhere=tuple(float(gaze.elsewhere[rows].mean()) for gaze in gazes),
    )


def _grid(shares: Float[ndarray, "h w"]) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, np.asarray(shares, np.float64).tolist()))
