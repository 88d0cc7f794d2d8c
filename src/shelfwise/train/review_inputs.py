"""What a reviews run learns from: tokenised texts with stars, recommendations and a teacher's answers."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray
from tokenizers import Tokenizer

from shelfwise.config import DistillConfig, ReviewsConfig
from shelfwise.config.training import NO_EFFECT
from shelfwise.data.review_tokens import (
    TextReader,
    choose_max_tokens,
    length_statistics,
    review_text,
    train_word_tokenizer,
)
from shelfwise.data.reviews import load_reviews
from shelfwise.errors import ConfigError, ErrorBudgetError
from shelfwise.nn.text_loader import TextRows
from shelfwise.predict.reviews import ReviewPredictor
from shelfwise.reviews.sentences import sentences
from shelfwise.schema import Review

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReviewInputs:
    """The reviews of a run; those with neither headline nor text are left out of both."""

    train: list[Review]
    validation: list[Review]
    source: str


@dataclass(frozen=True)
class Reading:
    """How a run turns texts into ids."""

    tokenizer: Tokenizer
    reader: TextReader
    statistics: dict[str, float]


def load_inputs(config: ReviewsConfig, *, max_errors: int = 0) -> ReviewInputs:
    """Training and validation reviews of the configured file.

    ConfigError where there is nothing to learn, ErrorBudgetError past `max_errors` bad rows."""
    loaded = load_reviews(config)
    log.info("%s", loaded.count)
    if loaded.count.failed > max_errors:
        raise ErrorBudgetError(
            f"'{config.data.source}': {loaded.count}; the first is {loaded.errors[0]}. "
            f"Mend them, or train without them: --max-errors {loaded.count.failed}"
        )
    train, validation = (
        [review for review in loaded.parts[part] if review_text(review)] for part in ("train", "validation")
    )
    if not any(review.rating is not None for review in train):
        raise ConfigError(f"'{config.data.source}' has no training review with both text and stars")
    return ReviewInputs(train, validation, Path(config.data.source).name)


def make_reading(config: ReviewsConfig, texts: Sequence[str]) -> Reading:
    """The tokenizer, our own from `texts` or the checkpoint's, and how many tokens are read at once."""
    encoder = config.encoder
    longest = encoder.longest
    if encoder.kind == "words":
        tokenizer = train_word_tokenizer(texts, vocabulary=encoder.vocabulary, min_count=encoder.min_count)
    else:
        from shelfwise.nn.pretrained import load_tokenizer

        tokenizer = load_tokenizer(encoder.checkpoint)
    lengths = TextReader(tokenizer, longest).lengths(texts)
    max_tokens = encoder.max_tokens or choose_max_tokens(lengths, longest=longest)
    return Reading(tokenizer, TextReader(tokenizer, max_tokens), length_statistics(lengths, max_tokens))


def text_rows(reviews: Sequence[Review], reader: TextReader) -> TextRows:
    """Tokenised reviews; every window of a long one is a row with the review's own labels."""
    windows = reader.windows([review_text(review) for review in reviews])
    stars = np.array([-1 if r.rating is None else r.rating - 1 for r in reviews], dtype=np.int64)
    liked = np.array([-1 if r.recommended is None else int(r.recommended) for r in reviews], dtype=np.int64)
    pad = reader.tokenizer.token_to_id("[PAD]")
    return TextRows(windows.ids, stars[windows.owner], liked[windows.owner], pad=_pad(reader, pad))


def _pad(reader: TextReader, pad: int | None) -> int:
    """The padding id, whatever the tokenizer calls it."""
    if pad is not None:
        return pad
    named = reader.tokenizer.token_to_id("<pad>")
    return 0 if named is None else int(named)


def with_teacher(
    rows: TextRows, reviews: Sequence[Review], reader: TextReader, config: DistillConfig, *, seed: int
) -> TextRows:
    """The rows with the teachers' answers to the same texts, and `config.pieces` further texts for each."""
    texts = [review_text(review) for review in reviews]
    cut = pieces(texts, config.pieces, seed=seed)
    stars, liked = _answers(config, [*texts, *cut])
    own, more = reader.windows(texts), reader.windows(cut)
    owner = np.concatenate([own.owner, more.owner + len(texts)])
    none = np.full(len(more.ids), -1, dtype=np.int64)
    return replace(
        rows,
        ids=[*own.ids, *more.ids],
        stars=np.concatenate([rows.stars, none]),
        recommended=np.concatenate([rows.recommended, none]),
        teacher_stars=stars[owner],
        teacher_recommended=liked[owner],
    )


def _answers(
    config: DistillConfig, texts: Sequence[str]
) -> tuple[Float[ndarray, "N 5"], Float[ndarray, "N"]]:
    """The mean of the teachers' star distributions and chances of a recommendation."""
    found = []
    for path in config.teachers:
        teacher = ReviewPredictor.load(path, precision=config.precision)
        log.info("asking %s for %d texts", teacher.bundle.label, len(texts))
        found.append(teacher.distributions(texts))
    stars = np.mean([scores.stars for scores in found], axis=0)
    return stars, np.mean([scores.recommended for scores in found], axis=0)


def pieces(texts: Sequence[str], count: int, *, seed: int) -> list[str]:
    """`count` random runs of sentences of each text that has more than one."""
    random = np.random.default_rng(seed)
    found = []
    for text in texts if count else ():
        spans = sentences(text)
        if len(spans) < 2:
            continue
        for _ in range(count):
            length = int(random.integers(1, len(spans)))
            first = int(random.integers(0, len(spans) - length + 1))
            found.append(text[spans[first][0] : spans[first + length - 1][1]])
    return found


def fingerprint(config: ReviewsConfig, rows: TextRows) -> dict[str, Any]:
    """What must be the same when a run goes on: all settings that change its weights, and the data."""
    dumped = config.model_dump(mode="json", include={"split", "encoder", "heads", "distill", "train"})
    for free in NO_EFFECT:
        dumped["train"].pop(free, None)
    flat = {f"{table}.{key}": value for table, values in dumped.items() for key, value in values.items()}
    digest = hashlib.sha256(_joined(rows.ids).tobytes())
    digest.update(rows.stars.tobytes() + rows.recommended.tobytes())
    return {**flat, "data": digest.hexdigest()[:16]}


def _joined(ids: Sequence[Int64[ndarray, "_"]]) -> Int64[ndarray, "_"]:
    return np.concatenate(ids) if len(ids) else np.zeros(0, np.int64)
