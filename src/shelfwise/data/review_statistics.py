"""What is in a file of reviews, in one streaming pass: stars, lengths, words, months, products and flags.

Memory is bounded whatever the number of reviews; where a bound was reached, the numbers say so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from tokenizers import Tokenizer

from shelfwise.data.length_counts import LengthCounts
from shelfwise.data.review_flags import FLAGS
from shelfwise.data.review_tokens import review_text, train_word_tokenizer
from shelfwise.data.typical_words import WordCounts, typical_words, words_of
from shelfwise.schema import Review, RowError

TOKEN_LIMITS = (64, 128, 256)
"""Lengths at which encoders are commonly cut off."""
SAMPLES = 3
"""Reviews shown of each flag."""
MOST_PRODUCTS = 500_000
"""Products counted; reviews of further ones are counted together."""
_ERRORS_SHOWN = 50
_SHOWN = 160
_COMMONEST = 200
_TOP_PRODUCTS = 10
_PRODUCT_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""First number of reviews of each group of products."""


def _word_tokenizer() -> Tokenizer:
    """Counts words as our own encoder's tokenizer does: that needs its rules, and no vocabulary."""
    return train_word_tokenizer((), vocabulary=2, min_count=1)


@dataclass
class ReviewStatistics:
    """Takes reviews one by one, cleaned and with their flags, and tells all of them in numbers."""

    reviews: int = 0
    constructed: int = 0
    ratings: Counter[int | None] = field(default_factory=Counter)
    recommended: Counter[bool | None] = field(default_factory=Counter)
    with_title: int = 0
    characters: LengthCounts = field(default_factory=lambda: LengthCounts(20_000))
    words: LengthCounts = field(default_factory=lambda: LengthCounts(4_000))
    tokens: LengthCounts = field(default_factory=lambda: LengthCounts(8_000))
    vocabulary: WordCounts = field(default_factory=WordCounts)
    months: dict[str, Counter[int | None]] = field(default_factory=dict)
    products: Counter[str] = field(default_factory=Counter)
    without_product: int = 0
    of_further_products: int = 0
    flags: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    first_errors: list[RowError] = field(default_factory=list)
    _tokenizer: Tokenizer = field(default_factory=_word_tokenizer, repr=False)

    def add(self, review: Review, flags: Iterable[str] = ()) -> None:
        """Count one review; `flags` are those that `data.review_flags` found."""
        self.reviews += 1
        self.constructed += review.constructed
        self.ratings[review.rating] += 1
        self.recommended[review.recommended] += 1
        self.with_title += bool(review.title)
        self._measure(review)
        if review.time is not None:
            month = f"{review.time.year:04}-{review.time.month:02}"
            self.months.setdefault(month, Counter())[review.rating] += 1
        self._count_product(review.product)
        for flag in flags:
            self.flags[flag] += 1
            shown = self.samples.setdefault(flag, [])
            if len(shown) < SAMPLES:
                shown.append({"id": _short(review.id), "text": _short(review_text(review))})

    def add_error(self, error: RowError) -> None:
        """Count one row that could not be read."""
        self.errors[error.kind] += 1
        if len(self.first_errors) < _ERRORS_SHOWN:
            self.first_errors.append(error)

    def _measure(self, review: Review) -> None:
        """Lengths of the text; tokens and words of headline and text, which a model reads as one."""
        self.characters.add(len(review.text))
        self.words.add(len(words_of(review.text)))
        whole = review_text(review)
        self.tokens.add(len(self._tokenizer.encode(whole)))
        self.vocabulary.add(words_of(whole), review.rating)

    def _count_product(self, product: str | None) -> None:
        if product is None:
            self.without_product += 1
        elif product in self.products or len(self.products) < MOST_PRODUCTS:
            self.products[product] += 1
        else:
            self.of_further_products += 1

    def as_dict(self) -> dict[str, Any]:
        """All numbers for a JSON file."""
        longer = {str(limit): self.tokens.share_longer(limit) for limit in TOKEN_LIMITS}
        return {
            "reviews": self.reviews,
            "constructed": self.constructed,
            "with_title": self.with_title,
            "ratings": _stars(self.ratings),
            "recommended": {
                "yes": self.recommended[True],
                "no": self.recommended[False],
                "without": self.recommended[None],
            },
            "characters": self.characters.as_dict(),
            "words": self.words.as_dict(),
            "tokens": self.tokens.as_dict() | {"longer_than": longer},
            "months": [{"month": month} | _stars(self.months[month]) for month in sorted(self.months)],
            "vocabulary": self._vocabulary(),
            "products": self._products(),
            "flags": {
                flag: {"reviews": self.flags[flag], "samples": self.samples.get(flag, [])} for flag in FLAGS
            },
            "errors": dict(self.errors.most_common()),
            "first_errors": [error.model_dump() for error in self.first_errors],
        }

    def _vocabulary(self) -> dict[str, Any]:
        overall = self.vocabulary.overall()
        low, high = typical_words(self.vocabulary)
        return {
            "words": self.vocabulary.total,
            "distinct": len(overall),
            "forgotten": self.vocabulary.forgotten,
            "commonest": dict(sorted(overall.items(), key=lambda pair: (-pair[1], pair[0]))[:_COMMONEST]),
            "typical_of_1_and_2_stars": [asdict(word) for word in low],
            "typical_of_4_and_5_stars": [asdict(word) for word in high],
        }

    def _products(self) -> dict[str, Any]:
        sizes = LengthCounts(10_000)
        for reviews in self.products.values():
            sizes.add(reviews)
        ends = [first - 1 for first in _PRODUCT_SIZES[1:]]
        groups = {
            _group_name(first, last): int(sizes.counts[first : last + 1].sum())
            for first, last in zip(_PRODUCT_SIZES, [*ends, sizes.limit], strict=True)
        }
        return {
            "products": len(self.products),
            "reviews_without_product": self.without_product,
            "reviews_of_further_products": self.of_further_products,
            "mean": sizes.total / max(sizes.texts, 1),
            "median": sizes.percentile(50),
            "most": sizes.longest,
            "by_reviews": groups if self.products else {},
            "most_reviewed": dict(
                sorted(self.products.items(), key=lambda pair: (-pair[1], pair[0]))[:_TOP_PRODUCTS]
            ),
        }


def _stars(ratings: Counter[int | None]) -> dict[str, Any]:
    """Counts of 1 to 5 stars, how many had none, and the mean (None without stars)."""
    counts = [ratings[star] for star in range(1, 6)]
    rated = sum(counts)
    mean = sum(star * count for star, count in enumerate(counts, 1)) / rated if rated else None
    return {"counts": counts, "without": ratings[None], "mean": mean}


def _group_name(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first} or more" if first == _PRODUCT_SIZES[-1] else f"{first} to {last}"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
