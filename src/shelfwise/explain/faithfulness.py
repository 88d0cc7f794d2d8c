"""Is a map true to the model? Deletion and insertion curves, of pictures and of words.

After RISE (arXiv:1806.07421, section 4.1): the most important pixels are taken away first, and the
probability of the class should fall fast; or they are put in first, and it should rise fast. What is taken
away becomes blank background, as a shop's picture has it where no product is. Insertion begins with a blank
picture too, or with a blurred one: pixels put on a blank one make edges of their own, which flatters an order
by edges, and a blurred one may give the answer away, so both are worth a look.
N pictures of H x W pixels, S steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int64, UInt8
from numpy import ndarray

from shelfwise.explain.words import without_spans

STEPS = 20
BLUR = 1 / 8
"""Deviation of the Gaussian that insertion's first picture is blurred with, of the height. At 1/16 those of
Fashion-MNIST kept a probability of .47 of their class, at 1/8 of .13, where a blank one has .10."""

AskEach = Callable[[UInt8[ndarray, "N H W C"]], Float[ndarray, "N"]]
"""One version of each picture to the probability of that picture's class."""


def replacement_curve(
    ask: AskEach,
    before: UInt8[ndarray, "N H W C"],
    after: UInt8[ndarray, "N H W C"],
    maps: Float[ndarray, "N H W"],
    steps: int = STEPS,
) -> Float[ndarray, "N S_plus_1"]:
    """Probabilities while pixels of `before` become those of `after`, an equal share in each step.

    The highest of the map come first, and of equals the upper left. Deletion goes from the picture to a
    blank one, insertion from a blank or blurred one to the picture."""
    place = _ranks(maps)[..., None]
    pixels = maps.shape[1] * maps.shape[2]
    asked = [ask(np.where(place < round(step / steps * pixels), after, before)) for step in range(steps + 1)]
    return np.stack(asked, axis=1)


def area(curve: Float[ndarray, "N S"]) -> Float[ndarray, "N"]:
    """The area under each curve over 0 to 1, by trapezoids."""
    return np.asarray(np.trapezoid(curve, axis=1) / (curve.shape[1] - 1))


def word_curves(
    ask: Callable[[Sequence[str]], Float[ndarray, "B"]],
    text: str,
    spans: Sequence[tuple[int, int]],
    order: Sequence[int],
) -> tuple[float, float]:
    """Areas under deletion and insertion of words in an order, a word a step; `ask` gives the class's p.

    ValueError for a text without words: there is one order of none, and nothing to compare it with."""
    if not order:
        raise ValueError(f"'{text}' has no word that could be taken away")
    gone = [without_spans(text, [spans[k] for k in order[:count]]) for count in range(len(order) + 1)]
    kept = [without_spans(text, [spans[k] for k in order[count:]]) for count in range(len(order) + 1)]
    found = ask([*gone, *kept])
    curves = np.stack([found[: len(gone)], found[len(gone) :]]).astype(np.float64)
    deletion, insertion = area(curves).tolist()
    return deletion, insertion


def _ranks(maps: Float[ndarray, "N H W"]) -> Int64[ndarray, "N H W"]:
    """The place of every pixel in the order of its map, 0 the highest."""
    flat = maps.reshape(len(maps), -1)
    order = np.argsort(-flat, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(flat.shape[1])[None], axis=1)
    return ranks.reshape(maps.shape)
