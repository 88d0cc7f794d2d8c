"""Constructed picture-review pairs: a picture and a review that have nothing but the category in common.

No data set here has a picture and a review of the same product. A pair joins them by category, so the text
carries the picture's label: a model that reads it has been told the answer. Pairs are for trying out a
pipeline of two modalities; no accuracy from them may be reported as product accuracy.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int64, UInt8
from numpy import ndarray

from shelfwise.data.labelled import LabelledPictures
from shelfwise.data.review_tokens import review_text
from shelfwise.data.synthetic_reviews import largest_remainder
from shelfwise.errors import DataError
from shelfwise.schema import Review

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pairs:
    """Pair i joins the picture `picture_ids[i]` and the review `reviews[review_rows[i]]`.

    `reviews` are those in use, each once, by id; row r of an array of text embeddings is that of
    `reviews[r]`."""

    picture_ids: tuple[str, ...]
    review_rows: Int64[ndarray, "N"]
    reviews: tuple[Review, ...]

    def __post_init__(self) -> None:
        if len(self.picture_ids) != len(self.review_rows):
            raise ValueError("picture_ids and review_rows differ in length")

    def __len__(self) -> int:
        return len(self.picture_ids)

    @property
    def texts(self) -> list[str]:
        """What to embed: title and text of each of `reviews`."""
        return [review_text(review) for review in self.reviews]


@dataclass(frozen=True)
class PairItem:
    """One pair with what is known of it."""

    index: int
    pixels: UInt8[ndarray, "H W C"]
    text: str
    """Title and text of the review."""
    embedding: Float[ndarray, "D"] | None
    """Of `text`; None where the data set has no embeddings."""
    category: str
    picture_id: str
    review: Review
    constructed: bool = True
    """No buyer reviewed this picture's product, and the text carries the category."""


class PairDataset:
    """Constructed pairs with their real pictures, and embeddings of their texts where there are any.

    `embeddings` has a row for each of `pairs.reviews`, in their order; memory-mapped (`store.map_array`) it
    is paged in as pairs are asked for."""

    def __init__(
        self, pairs: Pairs, pictures: LabelledPictures, embeddings: Float[ndarray, "R D"] | None = None
    ) -> None:
        rows = {name: row for row, name in enumerate(pictures.ids)}
        missing = next((name for name in pairs.picture_ids if name not in rows), None)
        if missing is not None:
            raise DataError(
                f"picture '{missing}' of the pairs is not among the {len(rows):,} pictures given; "
                "give the pictures that the pairs were made with"
            )
        if embeddings is not None and len(embeddings) != len(pairs.reviews):
            raise DataError(
                f"{len(embeddings):,} embeddings for {len(pairs.reviews):,} reviews: "
                "embed `pairs.texts` of the same pairs"
            )
        self.pairs = pairs
        self.pictures = pictures
        self.embeddings = embeddings
        self._rows = [rows[name] for name in pairs.picture_ids]

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> PairItem:
        """One pair; negative numbers count from the end, IndexError past either."""
        index = range(len(self))[index]
        review_row = int(self.pairs.review_rows[index])
        review = self.pairs.reviews[review_row]
        return PairItem(
            index=index,
            pixels=self.pictures.images[self._rows[index]],
            text=review_text(review),
            embedding=None if self.embeddings is None else self.embeddings[review_row],
            category=_category(review),
            picture_id=self.pairs.picture_ids[index],
            review=review,
        )

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The categories that occur, sorted."""
        return tuple(sorted({_category(review) for review in self.pairs.reviews}))


def constructed_pairs(
    pictures: LabelledPictures, reviews: Sequence[Review], count: int = 10_000, seed: int = 0
) -> Pairs:
    """Pairs by category, evenly from every category that has pictures and reviews.

    Within a category pictures are used equally often, and so are reviews; no pair occurs twice. A review's
    category is `fields["category"]`. DataError where a category has too few of either for its share."""
    by_picture = {
        name: np.flatnonzero(pictures.labels == label) for label, name in enumerate(pictures.classes)
    }
    by_review = _rows_by_category(reviews)
    shared = [name for name, rows in by_picture.items() if len(rows) and name in by_review]
    if not shared:
        raise DataError(
            f"no category has both: pictures are of {_named(by_picture)}; reviews of {_named(by_review)}"
        )
    if left := sorted({name for name, rows in by_picture.items() if len(rows)} ^ set(by_review)):
        log.warning("no pairs of %s: pictures or reviews are missing", ", ".join(left))
    random = np.random.default_rng(seed)
    dealt = []
    for name, share in zip(shared, largest_remainder(count, [1] * len(shared)), strict=True):
        if share > len(by_picture[name]) * len(by_review[name]):
            raise DataError(
                f"category '{name}': {share:,} pairs cannot be made of {len(by_picture[name]):,} pictures "
                f"and {len(by_review[name]):,} reviews; ask for fewer pairs or make more reviews"
            )
        dealt.append(_deal(by_picture[name], by_review[name], share, random))
    rows = random.permutation(np.concatenate(dealt))
    return join_pairs([pictures.ids[i] for i in rows[:, 0]], [reviews[i] for i in rows[:, 1]])


def join_pairs(picture_ids: Sequence[str], reviews: Sequence[Review]) -> Pairs:
    """Pairs of `picture_ids[i]` and `reviews[i]`; DataError where one id stands for two reviews."""
    distinct: dict[str, Review] = {}
    for review in reviews:
        if distinct.setdefault(review.id, review) != review:
            raise DataError(f"review id '{review.id}' stands for two different reviews; ids must differ")
    row = {name: number for number, name in enumerate(sorted(distinct))}
    rows = np.array([row[review.id] for review in reviews], dtype=np.int64)
    return Pairs(tuple(picture_ids), rows, tuple(distinct[name] for name in row))


def _rows_by_category(reviews: Sequence[Review]) -> dict[str, Int64[ndarray, "M"]]:
    rows: dict[str, list[int]] = {}
    for i, review in enumerate(reviews):
        if not isinstance(review.fields.get("category"), str):
            raise DataError(
                f"review '{review.id}' has no category: fields['category'] must name a class of the pictures"
            )
        rows.setdefault(_category(review), []).append(i)
    return {name: np.array(found, dtype=np.int64) for name, found in rows.items()}


def _deal(
    pictures: Int64[ndarray, "P"], reviews: Int64[ndarray, "R"], count: int, random: np.random.Generator
) -> Int64[ndarray, "N 2"]:
    """Distinct pairs that use every picture, and every review, equally often.

    Both run round, shuffled; whenever both are at their start again, the reviews step on by one."""
    pictures, reviews = random.permutation(pictures), random.permutation(reviews)
    step = np.arange(count)
    shifted = step + step // math.lcm(len(pictures), len(reviews))
    return np.stack([pictures[step % len(pictures)], reviews[shifted % len(reviews)]], axis=1)


def _category(review: Review) -> str:
    return str(review.fields["category"])


def _named(found: Collection[str]) -> str:
    return ", ".join(sorted(found)) or "none"
