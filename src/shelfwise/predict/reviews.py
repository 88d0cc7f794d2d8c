"""`ReviewPredictor`: reviews in; stars, sentiment, recommendation and opinions with their evidence out.

N texts, W windows (rows of ids; a long text has several), B rows run together, L tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int64
from numpy import ndarray

from shelfwise.bundle import ReviewsBundle
from shelfwise.data.review_tokens import UNKNOWN, TextReader, Windows, load_tokenizer, padded, review_text
from shelfwise.decide.temperature import apply_temperature
from shelfwise.errors import BundleError, MissingExtraError
from shelfwise.predict.onnx_backend import Precision
from shelfwise.predict.opinions import OpinionFinder
from shelfwise.predict.review_backend import OnnxReviewBackend, ReviewBackend, batches, pad_id
from shelfwise.predict.token_scores import TermOpinions, TokenScores, term_opinions, token_places
from shelfwise.schema import Opinion, Review, ReviewPrediction, Sentiment

CHUNK = 256
"""Reviews worked on at once."""
CHUNK_CHARACTERS = 500_000
"""Fewer, where they are longer than that: bounds the memory of a large request."""
FEELINGS: tuple[Sentiment, ...] = ("negative", "neutral", "positive")
WIDTHS = (5, 3, 2)
"""Numbers for stars, sentiment and recommended."""
MOSTLY = 0.5
"""Share of unknown words from which a review is warned of: it may be in another language."""
_LEAST = 1e-7

T = TypeVar("T")


@dataclass(frozen=True)
class ReviewScores:
    """Calibrated probabilities, a row for each text."""

    stars: Float[ndarray, "N 5"]
    """Of 1 to 5 stars."""
    sentiment: Float[ndarray, "N 3"]
    """Of negative, neutral and positive."""
    recommended: Float[ndarray, "N"]
    """That the buyer recommends the product."""


@dataclass(frozen=True)
class _Read:
    """Texts as the networks take them in."""

    windows: Windows
    worded: Bool[ndarray, "N"]
    """Which texts have any token."""
    batches: list[tuple[Int64[ndarray, "_"], Int64[ndarray, "_ _"]]]
    """Numbers and padded ids of the rows that have one, rows of like length together."""


class ReviewPredictor:
    """A reviews bundle that answers. Safe to share between threads."""

    def __init__(self, bundle: ReviewsBundle, backend: ReviewBackend) -> None:
        self.bundle = bundle
        self._backend = backend
        self._pad = pad_id(bundle)
        tokenizer = load_tokenizer(bundle.path / "tokenizer.json")
        self._unknown = tokenizer.token_to_id(UNKNOWN)
        self._reader = TextReader(tokenizer, bundle.reading.max_tokens)
        aspects = bundle.reading.aspects
        self._finder = None if aspects is None else OpinionFinder(aspects)

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        threads: int | None = None,
        precision: Precision = "fp32",
        backend: Literal["onnx", "openvino", "torch"] = "onnx",
    ) -> ReviewPredictor:
        """Open a reviews bundle; `threads` bounds the cores of one call.

        `int8` is about twice as fast; how far it is off is in the bundle's info under `parity`. Torch,
        always in fp32, needs the `train` extra; OpenVINO, on the same files, the `openvino` extra."""
        bundle = ReviewsBundle.open(Path(path))
        if backend != "torch":
            return cls(bundle, OnnxReviewBackend(bundle, threads, precision, backend))
        try:
            from shelfwise.predict.torch_reviews import TorchReviewBackend
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "torch", "train") from None

        return cls(bundle, TorchReviewBackend(bundle))

    def distributions(self, texts: Sequence[str]) -> ReviewScores:
        """Calibrated probabilities of texts as `review_text` makes them; of one without a word, even odds."""
        parts = [self._scores(self._read(chunk, places=False)) for chunk in _chunks(texts, len)]
        if not parts:
            parts = [ReviewScores(np.zeros((0, 5)), np.zeros((0, 3)), np.zeros(0))]
        return ReviewScores(
            np.concatenate([part.stars for part in parts]),
            np.concatenate([part.sentiment for part in parts]),
            np.concatenate([part.recommended for part in parts]),
        )

    def predict(self, reviews: Sequence[Review]) -> list[ReviewPrediction]:
        """One answer for each review, in order; a review that cannot be answered fails alone."""
        return list(self.stream(reviews))

    def stream(self, reviews: Iterable[Review]) -> Iterator[ReviewPrediction]:
        """`predict` over any number of reviews in bounded memory."""
        for chunk in _chunks(reviews, lambda review: len(review.title) + len(review.text)):
            yield from self._answers(chunk)

    def terms(self, texts: Sequence[str]) -> list[TermOpinions]:
        """The aspect terms of each text and what it implies; BundleError where none were learned."""
        aspects = self.bundle.reading.aspects
        if aspects is None or not aspects.terms:
            raise BundleError(
                f"bundle '{self.bundle.path}' has learned no aspect terms; train it with aspects.terms"
            )
        read = (self._read(chunk) for chunk in _chunks(texts, len))
        return [found for some in read for found in term_opinions(self._token_scores(some))]

    def _answers(self, reviews: Sequence[Review]) -> Iterator[ReviewPrediction]:
        """Answers for one chunk."""
        read = self._read([review_text(review) for review in reviews])
        scores = self._scores(read)
        opinions: list[tuple[Opinion, ...]] = [()] * len(reviews)
        if self._finder is not None:
            opinions = self._finder.opinions(reviews, self._token_scores(read))
        recommended = scores.recommended.tolist() if self.bundle.reading.recommends else [None] * len(reviews)
        rows = zip(
            reviews,
            read.worded.tolist(),
            scores.stars.tolist(),
            (scores.stars @ np.arange(1.0, 6.0)).tolist(),
            scores.sentiment.tolist(),
            recommended,
            opinions,
            self._foreign(read.windows).tolist(),
            strict=True,
        )
        label = self.bundle.label
        for review, worded, stars, mean, sentiment, liked, said, foreign in rows:
            blank = not (review.title.strip() or review.text.strip())
            if blank or not worded:
                yield _wordless(review, label, blank)
                continue
            # All of it was made here: to check it again would take longer than to make it.
            yield ReviewPrediction.model_construct(
                id=review.id,
                status="ok",
                product=review.product,
                rating=stars.index(max(stars)) + 1,
                stars=mean,
                star_probabilities=tuple(stars),
                sentiment=FEELINGS[sentiment.index(max(sentiment))],
                sentiment_probabilities=tuple(sentiment),
                recommended=liked,
                opinions=said,
                warnings=("unknown_words",) if foreign else (),
                bundle=label,
            )

    def _scores(self, read: _Read) -> ReviewScores:
        """Calibrated probabilities; a long text's are the mean of its windows'."""
        logits = [np.zeros((len(read.windows.ids), width)) for width in WIDTHS]
        for rows, ids in read.batches:
            for out, some in zip(logits, self._backend.review(ids), strict=True):
                out[rows] = some
        reading = self.bundle.reading
        temperatures = (
            self.bundle.temperature,
            reading.sentiment_temperature,
            reading.recommended_temperature,
        )
        stars, sentiment, recommended = (
            apply_temperature(_pooled(out, read.windows), temperature).clip(max=1.0)
            for out, temperature in zip(logits, temperatures, strict=True)
        )
        return ReviewScores(stars, sentiment, recommended[:, 1])

    def _token_scores(self, read: _Read) -> TokenScores:
        """The tagger's answers, a text's windows put together again."""
        windows = read.windows
        places = token_places(windows.encodings)
        first, counts = places.first, np.diff(places.first)
        inner = np.minimum(self._reader.room, counts[windows.owner] - windows.first)
        begins = first[windows.owner] + windows.first
        aspects = np.empty((first[-1], self._labels), np.float32)
        tags = np.zeros(first[-1], np.int64)
        implied = np.full((len(counts), 3), -np.inf, np.float32)
        for rows, ids in read.batches:
            scores, tagged, said = self._backend.aspects(ids)
            column = np.arange(ids.shape[1]) - windows.prefix
            token = (column >= 0) & (column < inner[rows, None])
            to = (begins[rows, None] + column)[token]
            aspects[to] = scores[token]
            tags[to] = tagged[token].argmax(1)
            np.maximum.at(implied, windows.owner[rows], said)
        return TokenScores(places, aspects, tags, implied)

    @property
    def _labels(self) -> int:
        assert self.bundle.reading.aspects is not None
        return 2 * len(self.bundle.reading.aspects.aspects)

    def _read(self, texts: Sequence[str], *, places: bool = True) -> _Read:
        windows = self._reader.windows(texts, places=places)
        worded = np.array([len(encoding) > 0 for encoding in windows.encodings], bool)
        rows = np.flatnonzero(worded[windows.owner])
        lengths = np.array([len(windows.ids[i]) for i in rows], np.int64)
        return _Read(
            windows,
            worded,
            [
                (rows[some], padded([windows.ids[i] for i in rows[some]], self._pad))
                for some in batches(lengths, self._backend.batch_tokens)
            ],
        )

    def _foreign(self, windows: Windows) -> Bool[ndarray, "N"]:
        """Which texts are mostly unknown words; subword tokenizers know (nearly) all."""
        if self._unknown is None:
            return np.zeros(len(windows.encodings), bool)
        known = [encoding.ids.count(self._unknown) for encoding in windows.encodings]
        return np.array(known) > MOSTLY * np.array([len(encoding) for encoding in windows.encodings])


def _pooled(logits: Float[ndarray, "W K"], windows: Windows) -> Float[ndarray, "N K"]:
    """Logits of each text: its window's own, or the logarithms of its windows' mean probabilities."""
    if len(windows.owner) == len(windows.encodings):
        return logits
    first = np.searchsorted(windows.owner, np.arange(len(windows.encodings)))
    pooled = logits[first]
    several = np.bincount(windows.owner) > 1
    means = windows.pool(apply_temperature(logits, 1.0))[several]
    pooled[several] = np.log(means.clip(min=_LEAST))
    return pooled


def _wordless(review: Review, bundle: str, blank: bool) -> ReviewPrediction:
    return ReviewPrediction(
        id=review.id,
        status="failed",
        product=review.product,
        error="it has neither title nor text" if blank else "no word in it can be read",
        error_kind="empty_text",
        bundle=bundle,
    )


def _chunks(items: Iterable[T], length: Callable[[T], int]) -> Iterator[list[T]]:
    """Lists of at most `CHUNK` items and about `CHUNK_CHARACTERS`."""
    chunk: list[T] = []
    characters = 0
    for item in items:
        chunk.append(item)
        characters += length(item)
        if len(chunk) == CHUNK or characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk
