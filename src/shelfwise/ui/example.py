"""A product to try the page with: a drawn picture, a title, two fields and reviews that nobody wrote."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

from shelfwise.schema.serving import GivenProduct, GivenReview
from shelfwise.ui.given import picture_of

NOTE = "A constructed example: the picture is drawn, and no buyer wrote these reviews."
_SHAPE = [
    (7, 4),
    (11, 5),
    (17, 5),
    (21, 4),
    (26, 9),
    (23, 13),
    (20, 11),
    (20, 24),
    (8, 24),
    (8, 11),
    (5, 13),
    (2, 9),
]
_SCALE = 8


def example_picture() -> bytes:
    """A blue T-shirt on white, as PNG."""
    picture = Image.new("RGB", (28 * _SCALE, 28 * _SCALE), "white")
    draw = ImageDraw.Draw(picture)
    draw.polygon([(x * _SCALE, y * _SCALE) for x, y in _SHAPE], fill=(46, 92, 158))
    draw.ellipse([11 * _SCALE, 2 * _SCALE, 17 * _SCALE, 7 * _SCALE], fill="white")
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def example() -> GivenProduct:
    """The product."""
    return GivenProduct(
        id="example",
        pictures=(picture_of(example_picture()),),
        title="Blue cotton T-shirt with short sleeves",
        fields={"brand": "Drawn", "price": 19.9},
        reviews=(
            GivenReview(text="Love the colour and the soft fabric. It fits true to size.", rating=5),
            GivenReview(text="Runs small, and the seams came apart after two washes.", rating=2),
            GivenReview(text="Comfortable and well made, but too expensive for a plain shirt.", rating=4),
            GivenReview(text="The fabric is thin and it shrank. I had to return it.", rating=5),
        ),
    )
