"""From what a request says of a product to a `Product` with its pictures' bytes, within limits."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sized
from dataclasses import dataclass

from shelfwise.api.fetch import Fetcher
from shelfwise.api.problems import RequestError
from shelfwise.config.serving import LimitsConfig
from shelfwise.data.cells import given_product
from shelfwise.errors import PictureError
from shelfwise.schema import Picture, Product, Review
from shelfwise.schema.serving import GivenPicture, GivenProduct, GivenReview


@dataclass(frozen=True)
class Asked:
    """A product as the bundles take it; `bad` is the first picture that could not be had, and why."""

    product: Product
    reviews: tuple[Review, ...]
    bad: PictureError | None = None


def worth(pictures: Sized, reviews: Sized = ()) -> int:
    """How many items a product counts as: its pictures, one at least, and the reviews that are read."""
    return max(1, len(pictures)) + len(reviews)


class Asking:
    """Reads what requests say."""

    def __init__(self, limits: LimitsConfig, fetcher: Fetcher | None) -> None:
        self._limits, self._fetcher = limits, fetcher

    async def product(self, given: GivenProduct) -> Asked:
        """One product; RequestError 422 where it is above a limit."""
        self.check_texts((given.title or "", given.description or ""))
        if len(given.pictures) > self._limits.pictures:
            raise RequestError(
                422, f"a product has at most {self._limits.pictures} pictures here", field="pictures"
            )
        if len(given.reviews) > self._limits.items:
            raise RequestError(
                422, f"a product has at most {self._limits.items} reviews here", field="reviews"
            )
        pictures: list[Picture] = []
        bad: PictureError | None = None
        for picture in given.pictures:
            try:
                pictures.append(Picture(data=await self.picture(picture)))
            except PictureError as error:
                bad = bad or error
        product = given_product(
            given.id,
            images=tuple(pictures),
            title=given.title,
            description=given.description,
            fields=given.fields,
        )
        return Asked(product, tuple(self.reviews(given.reviews)), bad)

    async def picture(self, given: GivenPicture) -> bytes:
        """The bytes of one picture; PictureError."""
        if given.data is not None:
            return picture_bytes(given.data)
        assert given.url is not None
        if given.url.startswith("data:"):
            return picture_bytes(given.url)
        if self._fetcher is None:
            raise PictureError("picture_url", "this server fetches no pictures; send them in `data`")
        return await self._fetcher.get(given.url)

    def reviews(self, given: tuple[GivenReview, ...]) -> list[Review]:
        """Reviews as they are given; one without an id is named by its place, from 1.

        Their lengths are checked where each is answered, so that a long one fails alone."""
        return [
            Review(
                id=review.id or str(place),
                product=review.product,
                title=review.title,
                text=review.text,
                rating=review.rating,
            )
            for place, review in enumerate(given, 1)
        ]

    def check_items(self, count: int, field: str = "items") -> None:
        """RequestError 422 where a request has none or too many items."""
        if not 0 < count <= self._limits.items:
            most = self._limits.items
            raise RequestError(422, f"between 1 and {most} items (limits.items), not {count}", field=field)

    def check_texts(self, texts: tuple[str, ...] | list[str], field: str | None = None) -> None:
        """RequestError 422 for a text that is too long."""
        longest = max(map(len, texts), default=0)
        if longest > self._limits.characters:
            raise RequestError(
                422,
                f"a text has {longest:,} characters, {self._limits.characters:,} are allowed",
                field=field,
            )


def picture_bytes(data: str) -> bytes:
    """The bytes of base64, or of a `data:` URI; PictureError of kind `not_a_picture` for anything else."""
    if data.startswith("data:"):
        head, comma, data = data.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise PictureError("not_a_picture", "its data: URI is not in base64")
    try:
        return base64.b64decode("".join(data.split()), validate=True)  # many break its lines
    except (binascii.Error, ValueError):
        raise PictureError("not_a_picture", "its data is not base64") from None
