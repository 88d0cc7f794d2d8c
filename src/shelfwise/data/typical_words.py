"""Words of texts by the stars that came with them, and those most typical of bad and of good ones.

Log-odds ratios with an informative Dirichlet prior, as z-scores (Monroe, Colaresi and Quinn 2008, "Fightin'
Words", eqs. 16, 20 and 22): the prior is the language of all texts, so that rare words do not come first.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain

MOST_WORDS = 200_000
"""Distinct words kept of each group; past these the rarer half is forgotten."""
LONGEST = 40
"""Letters; a longer run is no word."""
PRIOR = 1_000.0
"""Words that the prior counts for."""
LEAST = 5
"""A word that occurs less often is typical of nothing."""
SURE = 1.96
"""The z-score from which a word is listed."""
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


@dataclass(frozen=True)
class TypicalWord:
    """One word, how often it occurs with 1 or 2 and with 4 or 5 stars, and how sure the difference is."""

    word: str
    low: int
    high: int
    log_odds: float
    """Positive: typical of 4 and 5 stars."""
    z: float
    """`log_odds` by its standard deviation."""


@dataclass
class WordCounts:
    """Words of texts with 1 or 2 stars (low), 4 or 5 (high), and all others."""

    low: Counter[str] = field(default_factory=Counter)
    high: Counter[str] = field(default_factory=Counter)
    other: Counter[str] = field(default_factory=Counter)
    total: int = 0
    forgotten: int = 0
    """Occurrences of words that were forgotten to keep memory bounded."""

    def add(self, words: list[str], rating: int | None) -> None:
        """Count the words of one text."""
        group = self.other if rating in (None, 3) else self.low if (rating or 0) <= 2 else self.high
        group.update(word for word in words if len(word) <= LONGEST)
        self.total += len(words)
        if len(group) > MOST_WORDS:
            self._forget_rare(group)

    def overall(self) -> Counter[str]:
        """All words, whatever the stars."""
        return self.low + self.high + self.other

    def _forget_rare(self, group: Counter[str]) -> None:
        kept = dict(group.most_common(MOST_WORDS // 2))
        self.forgotten += group.total() - sum(kept.values())
        group.clear()
        group.update(kept)


def words_of(text: str) -> list[str]:
    """The words of a text, lower-cased; `don't` is one."""
    return _WORD.findall(text.lower().replace("’", "'"))


def typical_words(counts: WordCounts, most: int = 20) -> tuple[list[TypicalWord], list[TypicalWord]]:
    """The words most typical of 1 and 2 stars, and of 4 and 5, the surest first; empty where one has none."""
    everything = counts.overall()
    low, high, total = counts.low.total(), counts.high.total(), everything.total()
    if not low or not high:
        return [], []
    judged = []
    for word in set(chain(counts.low, counts.high)):
        if everything[word] >= LEAST:
            prior = PRIOR * everything[word] / total
            judged.append(_judged(word, counts.low[word], counts.high[word], low, high, prior))
    judged.sort(key=lambda each: (each.z, each.word))
    worst = [each for each in judged[:most] if each.z <= -SURE]
    return worst, [each for each in judged[::-1][:most] if each.z >= SURE]


def _judged(word: str, low: int, high: int, lows: int, highs: int, prior: float) -> TypicalWord:
    """The word's log-odds among `highs` words against `lows` words."""
    odds_low = (low + prior) / (lows + PRIOR - low - prior)
    odds_high = (high + prior) / (highs + PRIOR - high - prior)
    log_odds = math.log(odds_high / odds_low)
    return TypicalWord(
        word, low, high, log_odds, log_odds / math.sqrt(1 / (low + prior) + 1 / (high + prior))
    )
