"""Constructed reviews of products in Fashion-MNIST's ten classes, with what was planted in them.

No buyer wrote any of it: every review says `constructed=True`. They serve tests, demonstrations and notebooks
whose outputs may be published; a figure made from them says nothing of a product.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shelfwise.data.fashion_mnist import CLASSES
from shelfwise.data.synthetic_wording import write_review
from shelfwise.schema import Opinion, Review

STAR_PERCENT = (10, 10, 20, 30, 30)
"""Share of 1, 2, 3, 4 and 5 stars."""
START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
PRODUCTS = 5
"""Products of a category, `dress-1` to `dress-5`; the first has most reviews (shares as 1, 1/2, 1/3 ...)."""
DRIFTING, DRIFTING_ASPECT = "sneaker-1", "quality"
"""The product whose quality falls over time, and the aspect that its buyers speak of first."""
RECOMMENDED = {1: 0.02, 2: 0.1, 3: 0.5, 4: 0.95, 5: 0.99}
"""Chance that a buyer who gives so many stars recommends the product."""


@dataclass(frozen=True)
class Planted:
    """A constructed review and the truth about it."""

    review: Review
    opinions: tuple[Opinion, ...]
    """All that the text says of any aspect, in order."""
    told: int
    """Stars that the text was written for; noise makes them others than `review.rating`."""


@dataclass(frozen=True)
class _Slot:
    """All of a review but its words."""

    category: str
    product: str
    progress: float
    """0 at the start of the time range, 1 at its end."""
    stars: int
    told: int


def synthetic_reviews(
    count: int = 1000,
    *,
    seed: int = 0,
    noise: float = 0.0,
    drift: float = 3.0,
    start: datetime = START,
    end: datetime = END,
) -> Iterator[Review]:
    """Constructed reviews in the order of their time; see `synthetic_opinions`, which tells more of each."""
    planted = synthetic_opinions(count, seed=seed, noise=noise, drift=drift, start=start, end=end)
    return (each.review for each in planted)


def synthetic_opinions(
    count: int = 1000,
    *,
    seed: int = 0,
    noise: float = 0.0,
    drift: float = 3.0,
    start: datetime = START,
    end: datetime = END,
) -> Iterator[Planted]:
    """Constructed reviews with their planted opinions, the same for the same arguments.

    Stars have the shares of `STAR_PERCENT` to the row, categories are even, and times lie evenly between
    `start` and `end`. Some products are liked better than others. `DRIFTING` is liked less and less: by
    `drift` standard deviations of buyers' tastes over the range (0: no change), and those who like it
    less blame its quality. `noise`, 0 to 1, is the share of reviews whose text was written for another
    number of stars and has typos; no other review's words change with it."""
    if count < 0 or not 0 <= noise <= 1:
        raise ValueError(f"count {count} must not be negative, and noise {noise} be within 0 and 1")
    if start.utcoffset() is None or end.utcoffset() is None or end < start:
        raise ValueError(f"start {start} and end {end} need time zones, and the start comes first")
    slots = _slots(count, seed, noise, drift)
    return (_planted(number, slot, seed, start, end) for number, slot in enumerate(slots, 1))


def largest_remainder(count: int, weights: Sequence[int]) -> list[int]:
    """`count` dealt by weight in whole numbers (Hamilton's method); of equal remainders the first wins."""
    whole = [divmod(count * weight, sum(weights)) for weight in weights]
    shares = [quotient for quotient, _ in whole]
    ranked = sorted(range(len(weights)), key=lambda i: (-whole[i][1], i))
    for i in ranked[: count - sum(shares)]:
        shares[i] += 1
    return shares


def _slots(count: int, seed: int, noise: float, drift: float) -> list[_Slot]:
    """Categories, products, times and stars; stars go by rank of liking, which keeps their shares exact."""
    dice = random.Random(f"{seed} slots")
    categories = [CLASSES[i % len(CLASSES)] for i in range(count)]
    dice.shuffle(categories)
    progress = sorted(dice.random() for _ in range(count))
    products = [_product(category, dice) for category in categories]
    base = {product: random.Random(f"{seed} {product}").gauss(0, 0.5) for product in sorted(set(products))}
    liking = [dice.gauss(0, 1) for _ in range(count)]
    for i, product in enumerate(products):
        liking[i] += drift * (0.5 - progress[i]) if product == DRIFTING else base[product]
    ranked = sorted(range(count), key=liking.__getitem__)
    shares = largest_remainder(count, STAR_PERCENT)
    dealt = [stars for stars, share in enumerate(shares, 1) for _ in range(share)]
    stars = dict(zip(ranked, dealt, strict=True))
    told = stars | _mistold(stars, noise, random.Random(f"{seed} noise"))
    return [_Slot(categories[i], products[i], progress[i], stars[i], told[i]) for i in range(count)]


def _product(category: str, dice: random.Random) -> str:
    rank = dice.choices(range(1, PRODUCTS + 1), [1 / k for k in range(1, PRODUCTS + 1)])[0]
    return f"{category.lower().replace(' ', '-').replace('/', '-')}-{rank}"


def _mistold(stars: dict[int, int], noise: float, dice: random.Random) -> dict[int, int]:
    """Rows that noise strikes, and the other stars that their texts are written for."""
    struck = dice.sample(range(len(stars)), round(noise * len(stars)))
    return {i: dice.choice([k for k in range(1, 6) if k != stars[i]]) for i in struck}


def _planted(number: int, slot: _Slot, seed: int, start: datetime, end: datetime) -> Planted:
    dice = random.Random(f"{seed} review {number}")
    lead = DRIFTING_ASPECT if slot.product == DRIFTING else None
    recommended = dice.random() < RECOMMENDED[slot.stars]
    written = write_review(slot.category, slot.told, dice, lead=lead, typos=slot.told != slot.stars)
    time = start + slot.progress * (end - start)
    review = Review(
        id=f"constructed-{number:05}",
        product=slot.product,
        title=written.title,
        text=written.text,
        rating=slot.stars,
        recommended=recommended,
        time=time.astimezone(UTC).replace(microsecond=0),
        fields={"category": slot.category},
        constructed=True,
    )
    return Planted(review, written.opinions, slot.told)
