"""What the tagger learns from: labelled sentences, reviews with term triplets, and the lexicon's weak labels.

Every row is one text, tokenised, with spans of tokens that are sentences.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy import ndarray
from torch import Tensor

from shelfwise.data.dmaste import TermReview
from shelfwise.data.review_tokens import TextReader, padded
from shelfwise.nn.tagger import IMPLIED, TAGS
from shelfwise.nn.text_loader import WIDTHS, deal
from shelfwise.reviews.aspects import LABELS, AspectLabel, LabelledSentence
from shelfwise.reviews.lexicon import sentence_labels
from shelfwise.reviews.sentences import sentences


@dataclass(frozen=True)
class Sentence:
    """A run of tokens with its shop-aspect labels."""

    first: int
    last: int
    labels: Float[ndarray, "A"]
    weight: float = 1.0


@dataclass(frozen=True)
class AspectRow:
    """One text; what is not known of it is empty or None."""

    ids: Int64[ndarray, "L"]
    sentences: tuple[Sentence, ...] = ()
    tags: Int64[ndarray, "L"] | None = None
    implied: Float[ndarray, "3"] | None = None


@dataclass(frozen=True)
class AspectBatch:
    """One batch as the objective takes it in; S sentences of B texts."""

    ids: Int64[Tensor, "B L"]
    owner: Int64[Tensor, "S"]
    inside: Float[Tensor, "S L"]
    labels: Float[Tensor, "S A"]
    weights: Float[Tensor, "S"]
    tags: Int64[Tensor, "B L"]
    """-100 where unknown."""
    implied: Float[Tensor, "B 3"]
    knows_implied: Float[Tensor, "B"]

    def __len__(self) -> int:
        return len(self.ids)


def rows_digest(rows: Sequence[AspectRow]) -> str:
    """A hash of the texts and of everything that is known of them."""
    digest = hashlib.sha256()
    for row in rows:
        for values in (row.ids, row.tags, row.implied, *(span.labels for span in row.sentences)):
            digest.update(b"-" if values is None else str(values.shape).encode() + values.tobytes())
        digest.update(repr([(span.first, span.last, span.weight) for span in row.sentences]).encode())
    return digest.hexdigest()[:16]


class AspectLoader:
    """Batches of rows of like length; order as `nn.text_loader.TextLoader`."""

    def __init__(self, rows: Sequence[AspectRow], batch_size: int, *, pad: int, seed: int) -> None:
        self.rows, self.batch_size, self.pad, self.seed = rows, batch_size, pad, seed
        self._lengths = np.array([len(row.ids) for row in rows], dtype=np.int64)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return max(1, (len(self.rows) + self.batch_size - 1) // self.batch_size)

    def batches(self, epoch: int, start: int = 0) -> Iterator[AspectBatch]:
        """Batch `start` of the epoch and those after it."""
        random = np.random.default_rng([self.seed, epoch])
        drawn = random.permutation(len(self.rows))
        for rows in deal(drawn, self._lengths, self.batch_size, random)[start:]:
            yield collate([self.rows[i] for i in rows], self.pad)


def collate(rows: Sequence[AspectRow], pad: int) -> AspectBatch:
    """Rows of one batch, padded."""
    ids = padded([row.ids for row in rows], pad, multiple=WIDTHS)
    spans = [(i, span) for i, row in enumerate(rows) for span in row.sentences]
    inside = np.zeros((len(spans), ids.shape[1]), np.float32)
    for k, (_, span) in enumerate(spans):
        inside[k, span.first : span.last] = 1
    tags = np.full(ids.shape, -100, np.int64)
    implied, known = np.zeros((len(rows), len(IMPLIED)), np.float32), np.zeros(len(rows), np.float32)
    for i, row in enumerate(rows):
        if row.tags is not None:
            tags[i, : len(row.tags)] = row.tags
        if row.implied is not None:
            implied[i], known[i] = row.implied, 1
    labels = np.array([span.labels for _, span in spans], np.float32).reshape(len(spans), len(LABELS))
    return AspectBatch(
        ids=torch.from_numpy(ids),
        owner=torch.tensor([i for i, _ in spans], dtype=torch.int64),
        inside=torch.from_numpy(inside),
        labels=torch.from_numpy(labels),
        weights=torch.tensor([span.weight for _, span in spans], dtype=torch.float32),
        tags=torch.from_numpy(tags),
        implied=torch.from_numpy(implied),
        knows_implied=torch.from_numpy(known),
    )


def labelled_rows(labelled: Sequence[LabelledSentence], reader: TextReader) -> list[AspectRow]:
    """Each sentence with what stands before it in the review."""
    texts = [sentence.before + sentence.text for sentence in labelled]
    rows = []
    for sentence, window in zip(labelled, _last_windows(texts, reader), strict=True):
        span = window.tokens(len(sentence.before), len(sentence.before) + len(sentence.text))
        labels = label_vector(sentence.labels)
        rows.append(AspectRow(window.ids, (Sentence(*span, labels),) if span else ()))
    return rows


def weak_rows(texts: Sequence[str], reader: TextReader, *, count: int, weight: float) -> list[AspectRow]:
    """About `count` sentences of the texts, labelled by the lexicon."""
    rows, seen = [], 0
    for text in texts:
        if seen >= count:
            break
        window = _last_windows([text], reader)[0]
        found = []
        for start, end in sentences(text):
            span = window.tokens(start, end)
            if span:
                found.append(Sentence(*span, label_vector(sentence_labels(text[start:end])), weight))
        seen += len(found)
        rows.append(AspectRow(window.ids, tuple(found)))
    return rows


def term_rows(reviews: Sequence[TermReview], reader: TextReader) -> list[AspectRow]:
    """Reviews with term triplets as tags of each token, and which polarities are implied."""
    rows = []
    for review, window in zip(reviews, _last_windows([r.text for r in reviews], reader), strict=True):
        tags = np.zeros(len(window.ids), np.int64)
        implied = np.zeros(len(IMPLIED), np.float32)
        for opinion in review.opinions:
            kind = IMPLIED.index(opinion.polarity)
            span = None if opinion.aspect is None else window.tokens(*opinion.aspect)
            if opinion.aspect is None:
                implied[kind] = 1
            elif span:
                tags[span[0]] = TAGS.index(f"B-{opinion.polarity}")
                tags[span[0] + 1 : span[1]] = TAGS.index(f"I-{opinion.polarity}")
        rows.append(AspectRow(window.ids, (), tags, implied))
    return rows


def label_vector(labels: frozenset[AspectLabel]) -> Float[ndarray, "A"]:
    """1 for each label that is there, in the order of LABELS."""
    return np.array([label in labels for label in LABELS], np.float32)


@dataclass(frozen=True)
class _Window:
    """The end of a text as ids, with the characters of each token; special ids have none."""

    ids: Int64[ndarray, "L"]
    offsets: Int64[ndarray, "L 2"]

    def tokens(self, start: int, end: int) -> tuple[int, int] | None:
        """First and last (excluded) token of some characters, or None where none is in the window."""
        inside = np.flatnonzero((self.offsets[:, 1] > start) & (self.offsets[:, 0] < end))
        return (int(inside[0]), int(inside[-1]) + 1) if len(inside) else None


def _last_windows(texts: Sequence[str], reader: TextReader) -> list[_Window]:
    """The last `max_tokens` of each text."""
    found = []
    for encoding in reader.tokenizer.encode_batch(list(texts), add_special_tokens=False):
        tokens, offsets = encoding.ids[-reader.room :], encoding.offsets[-reader.room :]
        ids = [*reader.prefix, *tokens, *reader.suffix] or [0]
        places = [(-1, -1)] * len(reader.prefix) + list(offsets) + [(-1, -1)] * len(reader.suffix)
        found.append(
            _Window(np.array(ids, np.int64), np.array(places or [(-1, -1)], np.int64).reshape(-1, 2))
        )
    return found
