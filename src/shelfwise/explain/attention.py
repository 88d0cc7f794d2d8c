"""Where the title's words look in the pictures: the weights of a fusion by cross-attention, word by word.

Weights say where the network looks, not what that changes: read them beside what leaving a word out does
(Jain and Wallace, arXiv:1902.10186). L words, h x w places of a picture.
"""

from __future__ import annotations

import re

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from shelfwise.explain.asked_product import AskedProduct
from shelfwise.explain.networks import OpenProduct
from shelfwise.explain.words import word_spans
from shelfwise.schema.explanation import Explanation, Method, WordGaze

METHOD = Method(
    name="cross-attention",
    source="weights of the last block, the mean over heads (nn.fusion.CrossAttention.attend)",
)
_TOKEN = re.compile(r"[^\W_]+")


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
    grids = network.gaze()
    if grids is None:
        return "it takes a title and a picture"
    tokens = [match.span() for match in _TOKEN.finditer(asked.text)][: len(grids[0])]
    if len(tokens) != len(grids[0]):
        return "the title tower's tokens are no words"
    found = []
    for start, end in word_spans(asked.text):
        own = [place for place, (first, last) in enumerate(tokens) if start <= first and last <= end]
        if own:
            shown = tuple(_grid(grid[own].mean(axis=0)) for grid in grids)
            found.append(WordGaze(text=asked.text[start:end], start=start, end=end, pictures=shown))
    return tuple(found)


def _grid(shares: Float[ndarray, "h w"]) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, np.asarray(shares, np.float64).tolist()))
