"""A demo shop: products with Fashion-MNIST's test pictures, and generated listings and reviews of them.

Nobody sells any of it. Two kinds of trouble are planted, and told in `DemoProduct.planted`: listings of a
product that is listed already, its picture a little changed; and listings whose words are of another class
than the picture. Some reviews contradict their stars.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from shelfwise.data.labelled import LabelledPictures
from shelfwise.data.synthetic_reviews import END, RECOMMENDED, STAR_PERCENT, START
from shelfwise.data.synthetic_wording import write_review
from shelfwise.errors import DataError
from shelfwise.schema import Review

Trouble = Literal["near_duplicate", "contradiction"]
TWICE, CONTRADICTING = 0.03, 0.02
"""Share of listings that repeat another product, and that speak of another class than they show."""
MISTOLD = 0.06
"""Share of reviews whose text says the opposite of their stars."""
MOST_REVIEWS = 8
"""Of one product; some have none."""
_OPPOSITE = {1: 5, 2: 5, 3: 1, 4: 1, 5: 1}
_OF = {"women": "women's", "men": "men's", "unisex": "unisex"}


@dataclass(frozen=True)
class DemoProduct:
    """One listing; `row` is its picture among the given ones, `shown` that picture's class."""

    id: str
    row: int
    shown: str
    category: str
    """As the listing says it."""
    title: str
    description: str
    brand: str
    colour: str
    gender: str
    season: str
    price: float
    planted: Trouble | None = None
    twin: str | None = None
    """The product that a near duplicate repeats."""


def demo_products(pictures: LabelledPictures, count: int, *, seed: int = 0) -> list[DemoProduct]:
    """So many listings of different pictures (near duplicates apart), classes evenly, in a mixed order.

    DataError where there are too few pictures."""
    twice, wrong = round(TWICE * count), round(CONTRADICTING * count)
    dice = random.Random(f"{seed} shop")
    rows = _rows(pictures, count - twice, dice)
    products = [
        _listed(number, row, pictures.classes[int(pictures.labels[row])], seed)
        for number, row in enumerate(rows, 1)
    ]
    troubled = dice.sample(range(len(products)), min(len(products), twice + wrong))
    for place in troubled[twice:]:
        products[place] = _contradicting(products[place], pictures.classes, seed)
    repeated = [
        _repeated(products[place], number) for number, place in enumerate(troubled[:twice], len(products) + 1)
    ]
    return [*products, *repeated]


def picture_of(product: DemoProduct, pictures: LabelledPictures) -> UInt8[ndarray, "H W"]:
    """What the listing shows; a near duplicate's picture is moved by a pixel and a little darker."""
    picture = pictures.images[product.row, :, :, 0]
    if product.planted != "near_duplicate":
        return picture
    moved = np.zeros_like(picture)
    moved[:, 1:] = picture[:, :-1]
    return np.asarray(moved * 0.96, np.uint8)


def demo_reviews(products: Sequence[DemoProduct], *, seed: int = 0) -> Iterator[Review]:
    """Constructed reviews, product by product; what is written agrees with the stars but for `MISTOLD`."""
    for product in products:
        dice = random.Random(f"{seed} reviews of {product.id}")
        liking = dice.gauss(0, 0.6)
        for number in range(1, dice.randint(0, MOST_REVIEWS) + 1):
            yield _review(product, number, liking, dice)


def _review(product: DemoProduct, number: int, liking: float, dice: random.Random) -> Review:
    weights = [share * np.exp(liking * (stars - 3)) for stars, share in enumerate(STAR_PERCENT, 1)]
    stars = dice.choices(range(1, 6), weights)[0]
    told = _OPPOSITE[stars] if dice.random() < MISTOLD else stars
    recommended = dice.random() < RECOMMENDED[stars]
    written = write_review(product.shown, told, dice)
    return Review(
        id=f"{product.id}-{number}",
        product=product.id,
        title=written.title,
        text=written.text,
        rating=stars,
        recommended=recommended,
        time=(START + timedelta(seconds=dice.randrange(int((END - START).total_seconds())))),
        fields={"category": product.category},
        constructed=True,
    )


def _rows(pictures: LabelledPictures, count: int, dice: random.Random) -> list[int]:
    """Pictures of all classes in turn, each picture once, in a mixed order."""
    if count > len(pictures.labels):
        raise DataError(f"there are {len(pictures.labels):,} pictures; ask for fewer products than {count:,}")
    queues = []
    for label in range(len(pictures.classes)):
        found = np.flatnonzero(pictures.labels == label).tolist()
        dice.shuffle(found)
        queues.append(found)
    rows: list[int] = []
    while len(rows) < count:
        rows += [queue.pop() for queue in queues if queue]
    rows = rows[:count]
    dice.shuffle(rows)
    return rows


def _listed(number: int, row: int, category: str, seed: int) -> DemoProduct:
    """A listing that says what the picture shows."""
    id = f"p{number:04}"
    return DemoProduct(id=id, row=row, shown=category, category=category, **_words(category, f"{seed} {id}"))


def _contradicting(product: DemoProduct, classes: Sequence[str], seed: int) -> DemoProduct:
    """The same picture, listed as something else."""
    key = f"{seed} {product.id} contradicts"
    category = random.Random(key).choice([name for name in classes if name != product.shown])
    said = _words(category, key)
    return replace(product, category=category, planted="contradiction", **said)


def _repeated(product: DemoProduct, number: int) -> DemoProduct:
    """The same product listed once more, in other words and for a little less."""
    return replace(
        product,
        id=f"p{number:04}",
        title=f"{product.title} - new!",
        price=round(0.95 * product.price, 2),
        planted="near_duplicate",
        twin=product.id,
    )


def _words(category: str, key: str) -> dict[str, Any]:
    """Title, description and fields of a listing in a category."""
    dice, data = random.Random(key), _data()
    entry = data["classes"][category]
    fields = {
        "brand": dice.choice(data["brands"]),
        "colour": dice.choice(data["colours"]),
        "gender": dice.choice(entry["genders"]),
        "season": dice.choice(entry["seasons"]),
    }
    low, high = entry["prices"]
    said = fields | {
        "noun": dice.choice(entry["nouns"]),
        "material": dice.choice(entry["materials"]),
        "fit": dice.choice(entry["fits"]),
        "of": _OF[fields["gender"]],
    }
    said["Material"] = said["material"].capitalize()
    return fields | {
        "price": dice.randint(low, high) - 0.05,
        "title": dice.choice(data["titles"]).format_map(said),
        "description": dice.choice(data["descriptions"]).format_map(said),
    }


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads((files("shelfwise.data") / "demo_shop.toml").read_text(encoding="utf-8"))
