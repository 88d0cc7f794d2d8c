"""Text to token ids without a vocabulary: hashed words and character trigrams, numpy only."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64
from numpy import ndarray
from pydantic import Field

from shelfwise.config import Section

_WORD = re.compile(r"[^\W_]+")


class TokenizerConfig(Section):
    """How texts become ids; a bundle keeps a copy."""

    buckets: int = Field(default=4096, ge=2)
    """Ids are 1 to buckets - 1; 0 pads."""
    max_tokens: int = Field(default=96, ge=1)


def tokenize(texts: Sequence[str], config: TokenizerConfig) -> Int64[ndarray, "B L"]:
    """Ids of each text's words and their character trigrams (as in fastText, arXiv:1607.04606, section 3.2).

    L is the longest text's length, at least 1; longer texts than `max_tokens` are cut."""
    rows = [_ids(text, config) for text in texts]
    ids = np.zeros((len(rows), max([1, *map(len, rows)])), dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    return ids


def _ids(text: str, config: TokenizerConfig) -> list[int]:
    """Ids of one text: every word first, then every trigram, so that a cut loses trigrams first."""
    words = _WORD.findall(text.casefold())
    trigrams = [f"<{word}>"[i : i + 3] for word in words for i in range(len(word))]
    pieces = [f"w:{word}" for word in words] + [f"c:{piece}" for piece in trigrams]
    return [hashed(piece, config.buckets) for piece in pieces[: config.max_tokens]]


def hashed(piece: str, buckets: int) -> int:
    """An id in 1 to buckets - 1."""
    return zlib.crc32(piece.encode("utf-8", "replace")) % (buckets - 1) + 1
