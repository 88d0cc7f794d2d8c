"""Light features of surveyed rows: enough for a quick model that judges labels and splits."""

from __future__ import annotations

import hashlib

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from numpy import ndarray

from shelfwise.data.families import normalise_title
from shelfwise.data.hashing import THUMBNAIL, shrink
from shelfwise.errors import MissingExtraError
from shelfwise.reports.survey import Survey

try:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
except ImportError as missing:
    raise MissingExtraError("scikit-learn", "report") from missing

TITLE_DIMENSIONS = 200
_CELLS = 8
_ORIENTATIONS = 8
_BLOCK = 2_048


def sample_rows(survey: Survey, cap: int) -> Int64[ndarray, "M"]:
    """At most `cap` rows, in the order of their hashed ids, so that row order has no say."""
    keys = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in survey.prints.ids]
    return np.argsort(np.frombuffer(b"".join(keys), ">u8"), kind="stable")[:cap].astype(np.int64)


def features(survey: Survey, rows: Int64[ndarray, "M"]) -> Float32[ndarray, "M D"]:
    """Standardised features: gradient orientations and colours of the thumbnail, and title topics."""
    small = survey.prints.thumbnails
    blocks = [_picture_features(small[rows[i : i + _BLOCK]]) for i in range(0, len(rows), _BLOCK)]
    parts = [np.concatenate(blocks) if blocks else np.empty((0, 1), np.float32)]
    titles = [normalise_title(survey.title(int(row))) for row in rows]
    topics = title_topics(titles)
    if topics is not None:
        parts.append(topics)
    return np.concatenate([_standardised(part) for part in parts], axis=1)


def title_topics(titles: list[str]) -> Float32[ndarray, "M T"] | None:
    """TF-IDF of words and pairs of words, reduced to at most 200 dimensions; None without titles."""
    if sum(bool(title) for title in titles) < 2:
        return None
    try:
        counts = TfidfVectorizer(
            ngram_range=(1, 2), min_df=2, max_features=20_000, sublinear_tf=True, dtype=np.float32
        ).fit_transform(titles)
    except ValueError:  # no word occurs twice
        return None
    dimensions = min(TITLE_DIMENSIONS, counts.shape[1] - 1, counts.shape[0] - 1)
    if dimensions < 1:
        return None
    reduced = TruncatedSVD(dimensions, random_state=0, n_iter=3).fit_transform(counts)
    return np.asarray(reduced, dtype=np.float32)


def _picture_features(small: UInt8[ndarray, "N 32 32 3"]) -> Float32[ndarray, "N D"]:
    """8x8 colours, and histograms of gradient orientation over 4-pixel cells (Dalal and Triggs, 2005)."""
    pixels = np.asarray(small, dtype=np.float32)
    colours = np.stack([shrink(pixels[..., c], _CELLS, _CELLS) for c in range(3)], axis=3)
    grey = pixels.mean(axis=3)
    across, down = np.gradient(grey, axis=2), np.gradient(grey, axis=1)
    strength = np.hypot(across, down)
    angle = np.arctan2(down, across) % np.pi / np.pi * _ORIENTATIONS
    bins = []
    for k in range(_ORIENTATIONS):
        distance = np.abs(angle - k)
        share = np.maximum(0, 1 - np.minimum(distance, _ORIENTATIONS - distance))
        bins.append(_cell_sums(strength * share))
    cells = np.stack(bins, axis=3)
    norm = np.sqrt((cells**2).sum(axis=3, keepdims=True)) + 40.0
    flat = [np.sqrt(cells / norm), colours / 255]
    return np.concatenate([part.reshape(len(small), -1) for part in flat], axis=1).astype(np.float32)


def _cell_sums(planes: Float32[ndarray, "N 32 32"]) -> Float32[ndarray, "N 8 8"]:
    side = THUMBNAIL // _CELLS
    return np.asarray(planes.reshape(len(planes), _CELLS, side, _CELLS, side).sum(axis=(2, 4)))


def _standardised(part: Float32[ndarray, "M D"]) -> Float32[ndarray, "M D"]:
    """Centred columns, scaled so that the whole part has unit mean square per row."""
    centred = part - part.mean(axis=0) if len(part) else part
    scale = float(np.sqrt((centred**2).sum(axis=1).mean())) if len(part) else 1.0
    return np.asarray(centred / max(scale, 1e-6), dtype=np.float32)
