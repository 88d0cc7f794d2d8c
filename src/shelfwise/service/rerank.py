"""How well texts fit a query: shared words by BM25, and nearness in a bundle's space where there is one.

D documents.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from shelfwise.search.lexical import K1, B
from shelfwise.search.words import terms_of

ALPHA = 0.5
"""Weight of nearness where there is any."""


def word_scores(query: str, documents: Sequence[str]) -> Float[ndarray, "D"]:
    """BM25 of each document over the best that any text could have for this query: 0 to 1.

    Words are compared as in search; rarity is counted among these documents."""
    words = list(dict.fromkeys(terms_of(query)))
    counted = [Counter(terms_of(text)) for text in documents]
    lengths = np.array([sum(counts.values()) for counts in counted], float)
    mean = float(lengths.mean()) if len(lengths) else 0.0
    scores = np.zeros(len(documents))
    if not words or not mean:
        return scores
    best = 0.0
    for word in words:
        times = np.array([counts[word] for counts in counted], float)
        rarity = math.log(1 + (len(documents) - (times > 0).sum() + 0.5) / ((times > 0).sum() + 0.5))
        scores += rarity * times * (K1 + 1) / (times + K1 * (1 - B + B * lengths / mean))
        best += rarity * (K1 + 1)
    return np.asarray(scores / best)


def combined(
    words: Float[ndarray, "D"], cosines: Float[ndarray, "D"] | None, *, alpha: float = ALPHA
) -> Float[ndarray, "D"]:
    """Shared words and nearness together: 0 to 1."""
    if cosines is None:
        return words
    return np.asarray((1 - alpha) * words + alpha * (1 + cosines.clip(-1, 1)) / 2)
