"""Titles that do not say what a product is, made of those that do.

B products of a batch, N of the data set, L words, S pieces, T targets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8
from numpy import ndarray

from shelfwise.config import ProductsConfig
from shelfwise.data.class_words import class_words, words_among
from shelfwise.data.product_input import piece_words
from shelfwise.data.taxonomy import Taxonomy

MOST = 255
"""Words that are told apart; later ones, and what is made of them, are never hidden."""


@dataclass(frozen=True, eq=False)
class HiddenNames:
    """Takes the words of a target's class names from a share of titles, for each target by itself.

    A word goes with its n-grams and pairs, which would give it away. A title of which no word would be left
    stays whole."""

    shares: Float[ndarray, "T"]
    """Of titles that lose the names of each target."""
    ends: UInt8[ndarray, "N S 2"]
    """The first and the last word that each piece is of."""
    named: Bool[ndarray, "N L T"]
    """Which words are in class names of which target."""

    def __call__(
        self,
        rows: Int64[ndarray, "B"],
        words: Int64[ndarray, "B L"],
        pieces: Int64[ndarray, "B S"],
        random: np.random.Generator,
    ) -> tuple[Int64[ndarray, "B L"], Int64[ndarray, "B S"]]:
        """The ids of these rows, 0 where hidden."""
        named = self.named[rows]
        asked = random.random((len(rows), 1, named.shape[2])) < self.shares
        gone = np.zeros((len(rows), MOST + 1), bool)
        gone[:, : named.shape[1]] = (named & asked).any(2)
        gone &= ((words > 0) & ~gone[:, : words.shape[1]]).any(1, keepdims=True)
        of_pieces = np.take_along_axis(gone, self.ends[rows].reshape(len(rows), -1).astype(np.int64), 1)
        hidden = of_pieces.reshape(len(rows), -1, 2).any(2)
        return np.where(gone[:, : words.shape[1]], 0, words), np.where(hidden, 0, pieces)


def hidden_names(
    titles: Sequence[str], config: ProductsConfig, classes: Mapping[str, Taxonomy], pieces: int
) -> HiddenNames | None:
    """What hides names in these titles, of which at most so many `pieces` are read; None where not asked."""
    shares = {
        name: config.effective_targets[name].hide for name in classes if config.effective_targets[name].hide
    }
    if not shares:
        return None
    names = [class_words(name for path in classes[target].paths for name in path) for target in shares]
    ends = np.zeros((len(titles), pieces, 2), np.uint8)
    for row, title in enumerate(titles):
        found = piece_words(title, config.title)
        if found:
            ends[row, : len(found)] = np.minimum(found, MOST)
    # Pairs and n-grams are of later words, too, than those that are read one by one.
    told = min(MOST, max(config.title.words, int(ends.max(initial=0)) + 1))
    return HiddenNames(np.array(list(shares.values())), ends, words_among(titles, names, told))
