"""The core types, the same on file, wire and screen."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

FieldValue = str | float | tuple[str, ...] | None
Probability = Annotated[float, Field(ge=0, le=1)]


class Frozen(BaseModel):
    """An immutable value that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")


class Picture(Frozen):
    """One picture, as a path or as encoded bytes (JPEG, PNG ...); exactly one of the two is set."""

    path: str | None = None
    data: bytes | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _exactly_one(self) -> Picture:
        if (self.path is None) == (self.data is None):
            raise ValueError("a picture has either a path or data")
        return self


class Product(Frozen):
    """One row of a catalogue: what the shop says of one product."""

    id: str
    images: tuple[Picture, ...] = ()
    title: str | None = None
    description: str | None = None
    fields: dict[str, FieldValue] = {}
    labels: dict[str, str | tuple[str, ...]] = {}
    """Target name to value; a target without a label is absent."""


class RowError(Frozen):
    """One row that cannot be used, and why; reading goes on after it."""

    row: int
    """Row number as a spreadsheet shows it: the header is row 1, the first product row 2."""
    column: str
    value: str
    kind: str
    """A short stable word for counting, such as `missing_id` or `picture_truncated`."""
    why: str
    id: str | None = None

    def __str__(self) -> str:
        return f"row {self.row}: {self.column} {self.value!r}: {self.why}"


class RowWarning(Frozen):
    """Something that was repaired on the way in, such as a palette picture made RGB."""

    row: int
    column: str
    kind: str
    id: str | None = None


class LabelScore(Frozen):
    """One label and its calibrated probability."""

    label: str
    probability: Probability


class Prediction(Frozen):
    """What a bundle says of one product; `status` tells whether it could say anything."""

    id: str
    status: Literal["ok", "failed"]
    target: str | None = None
    label: str | None = None
    probability: Probability | None = None
    top: tuple[LabelScore, ...] = ()
    """The best labels, the best one first."""
    warnings: tuple[str, ...] = ()
    error: str | None = None
    error_kind: str | None = None
    """A short stable word for counting, as in `RowError.kind`."""
    bundle: str | None = None
    """Name and version of the bundle that answered."""


class Review(Frozen):
    """One buyer's review, its texts cleaned; an empty text is the empty string."""

    id: str
    product: str | None = None
    title: str = ""
    text: str = ""
    rating: Annotated[int, Field(ge=1, le=5)] | None = None
    """Stars."""
    recommended: bool | None = None
    time: datetime | None = None
    fields: dict[str, FieldValue] = {}
    constructed: bool = False
    """Made by a generator: no buyer wrote it, and no figure from it says anything of a product."""


Polarity = Literal["positive", "negative"]
Sentiment = Literal["negative", "neutral", "positive"]


class Opinion(Frozen):
    """What a review says of one aspect, and in which of its own words."""

    aspect: str
    """A shop aspect such as `fit`; see `reviews.aspects.ASPECTS`."""
    polarity: Polarity
    quote: str
    """The evidence: the characters `start` to `end` (excluded) of the review's `part`, verbatim."""
    part: Literal["title", "text"] = "text"
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(gt=0)]
    probability: Probability
    term: str | None = None
    """The words that name the aspect, where the quote has them; None where it is implied."""


class ReviewPrediction(Frozen):
    """What a reviews bundle says of one review; `status` tells whether it could say anything."""

    id: str
    status: Literal["ok", "failed"]
    product: str | None = None
    rating: int | None = None
    """The stars decided on: the median of `star_probabilities`."""
    stars: float | None = None
    """Expected stars, 1 to 5."""
    star_probabilities: tuple[Probability, ...] = ()
    """Of 1 to 5 stars."""
    sentiment: Sentiment | None = None
    sentiment_probabilities: tuple[Probability, ...] = ()
    """Of negative, neutral and positive."""
    recommended: Probability | None = None
    """That the buyer recommends the product; None where the bundle has not learned it."""
    opinions: tuple[Opinion, ...] = ()
    warnings: tuple[str, ...] = ()
    error: str | None = None
    error_kind: str | None = None
    bundle: str | None = None
