"""The picture of a product: found under the image root, decoded, and what was wrong said by row."""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass
from pathlib import Path

from shelfwise.data.file_names import names_on_disk
from shelfwise.data.pictures import DecodedPicture, decode
from shelfwise.errors import PictureError
from shelfwise.schema import Picture, Product, RowError, RowWarning

_URL_STARTS = ("http://", "https://", "//", "ftp://", "s3://", "gs://")


@dataclass(frozen=True)
class UsablePicture:
    """A decoded picture and what it was decoded from."""

    picture: DecodedPicture
    source: bytes | Path
    """The encoded picture, or where it is."""


@dataclass(frozen=True)
class PicturedProduct:
    """A product with its decoded picture and its row number."""

    row: int
    product: Product
    picture: DecodedPicture
    source: bytes | Path
    """The encoded picture, or where it is."""


def decode_product(
    product: Product,
    image_root: Path,
    *,
    row: int,
    max_pixels: int = 64_000_000,
    target_side: int | None = None,
    at_once: int | None = None,
    column: str = "image",
) -> tuple[PicturedProduct | RowError, tuple[RowWarning, ...]]:
    """The product with its first usable picture, or the RowError of its first picture; with warnings.

    This version uses one picture of a product: further ones are the warning `other_pictures_unused`, and
    unusable ones before it `picture_skipped`. `at_once` as for `decode`."""
    first: RowError | None = None
    notes: list[str] = []
    for position, image in enumerate(product.images):
        try:
            source = source_of(image, image_root)
            picture = decode(source, max_pixels=max_pixels, target_side=target_side, at_once=at_once)
        except PictureError as error:
            notes.append("picture_skipped")
            first = first or RowError(
                row=row, column=column, value=_shown(image), kind=error.kind, why=str(error), id=product.id
            )
            continue
        notes.extend(picture.warnings)
        if position + 1 < len(product.images):
            notes.append("other_pictures_unused")
        found = tuple(RowWarning(row=row, column=column, kind=kind, id=product.id) for kind in notes)
        return PicturedProduct(row, product, picture, source), found
    if first is None:
        why = "the product has no picture"
        first = RowError(row=row, column=column, value="", kind="picture_missing", why=why, id=product.id)
    return first, ()


def decode_pictures(
    product: Product,
    image_root: Path,
    *,
    row: int,
    most: int,
    max_pixels: int = 64_000_000,
    target_side: int | None = None,
    at_once: int | None = None,
    column: str = "image",
) -> tuple[list[UsablePicture], list[RowError], tuple[RowWarning, ...]]:
    """The first `most` usable pictures of a product, what was wrong with the others, and warnings.

    `at_once` as for `decode`."""
    found: list[UsablePicture] = []
    bad: list[RowError] = []
    notes: list[str] = []
    for position, image in enumerate(product.images):
        if len(found) == most:
            notes.append("other_pictures_unused")
            break
        try:
            source = source_of(image, image_root)
            picture = decode(source, max_pixels=max_pixels, target_side=target_side, at_once=at_once)
        except PictureError as error:
            shown = f"picture {position + 1}: {_shown(image)}" if len(product.images) > 1 else _shown(image)
            bad.append(
                RowError(row=row, column=column, value=shown, kind=error.kind, why=str(error), id=product.id)
            )
            continue
        notes.extend(picture.warnings)
        found.append(UsablePicture(picture, source))
    warned = tuple(RowWarning(row=row, column=column, kind=kind, id=product.id) for kind in notes)
    return found, bad, warned


def source_of(image: Picture, image_root: Path) -> bytes | Path:
    """The encoded bytes, or the path where they are; PictureError where it can be neither."""
    if image.data is not None:
        return image.data
    path = image.path or ""
    if path.lower().startswith(_URL_STARTS):
        raise PictureError("picture_is_url", "is an address; pictures are not fetched, download it first")
    if path.startswith("data:"):
        return _inline(path)
    places = [image_root / name for name in names_on_disk(path)]
    if len(places) == 1:  # nearly always, and then nobody has to look
        return places[0]
    return next(filter(os.path.exists, places), places[-1])


def _inline(uri: str) -> bytes:
    """The bytes of a base64 `data:` URI."""
    head, comma, body = uri.partition(",")
    if not comma or not head.endswith(";base64"):
        raise PictureError("picture_corrupt", "is a data URI that is not base64")
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        raise PictureError("picture_corrupt", "is a data URI with damaged base64") from None


def _shown(image: Picture) -> str:
    if image.data is not None:
        return f"{len(image.data):,} bytes"
    return (image.path or "")[:120]
