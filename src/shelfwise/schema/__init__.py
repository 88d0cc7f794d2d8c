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


class TargetAnswer(Frozen):
    """What a products bundle says of one target."""

    labels: tuple[str, ...]
    """The path from coarse to fine, an attribute's one value, or the values that are likelier than not."""
    probabilities: tuple[Probability, ...]
    """Of each of `labels`, calibrated; a coarser level's is the sum of its finer ones'."""
    top: tuple[LabelScore, ...] = ()
    """The best of the finest classes, the best one first; where two share a name, with their parents."""
    several: bool = False
    """Whether `labels` are several values at once, no path."""


class ProductAnswer(Frozen):
    """What a products bundle says of one product; `status` tells whether it could say anything."""

    id: str
    status: Literal["ok", "failed"]
    known: tuple[str, ...] = ()
    """The modalities that the answer is from, such as `picture` and `text`."""
    targets: dict[str, TargetAnswer] = {}
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
    """The stars decided on: the most probable ones."""
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
    read_title: str | None = None
    read_text: str | None = None
    """Title and text as they were read, where cleaning changed what was given: `opinions` count in these."""
    warnings: tuple[str, ...] = ()
    error: str | None = None
    error_kind: str | None = None
    bundle: str | None = None


class Quote(Frozen):
    """What one buyer said of one aspect, verbatim."""

    review: str
    """The review's id."""
    product: str | None = None
    text: str
    """The characters `start` to `end` (excluded) of the review's `part`."""
    part: Literal["title", "text"] = "text"
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(gt=0)]
    probability: Probability
    constructed: bool = False


class Change(Frozen):
    """A later half of the reviews against the earlier one: a difference with its 95% interval."""

    earlier: float
    later: float
    difference: float
    low: float
    high: float
    flagged: bool
    """Whether the interval excludes 0. Of things that did not change, one in twenty is flagged by chance."""


class AspectSummary(Frozen):
    """What buyers say of one aspect.

    A mention is a review that praises or blames the aspect; one that does both counts once for each."""

    aspect: str
    mentions: int
    positive: int
    negative: int
    suppressed: bool
    """Too few mentions for a share: `share_positive` and its interval are None."""
    share_positive: Probability | None = None
    low: Probability | None = None
    high: Probability | None = None
    """`low` to `high` is Wilson's 95% interval of the share."""
    praise: tuple[Quote, ...] = ()
    blame: tuple[Quote, ...] = ()
    """The most probable quotes for and against, each of another review."""
    change: Change | None = None
    """Of the share; None where dates are missing or mentions too few."""


class Contradiction(Frozen):
    """A review whose text does not read like the stars that its buyer gave."""

    review: str
    product: str | None = None
    given: int
    stars: float
    """Expected stars, by the text."""
    probability: Probability
    """Of the given stars, by the text."""
    title: str = ""
    text: str = ""
    """The review's texts, of a very long one the beginning."""
    evidence: tuple[Opinion, ...] = ()
    """Opinions that pull away from the given stars first, the surest first within each sort."""
    constructed: bool = False


class PeriodSummary(Frozen):
    """The reviews of one month, quarter or year."""

    period: str
    """`2024-05`, `2024-Q2` or `2024`."""
    reviews: int
    stars: float | None = None
    """Mean expected stars."""
    mentions: dict[str, int] = {}
    """Aspect to mentions."""
    share_positive: dict[str, Probability | None] = {}
    """Aspect to share; None where there are too few mentions."""


class ProductSummary(Frozen):
    """What buyers say of one product, or of a whole catalogue."""

    product: str | None
    """None for the whole catalogue."""
    reviews: int
    """Reviews that could be read."""
    failed: int = 0
    """Reviews about which the bundle could say nothing; they are in no other figure."""
    constructed: int = 0
    """How many of the reviews no buyer wrote: unless it is 0, no figure here says anything of a product."""
    given: tuple[int, ...]
    """How many buyers gave 1 to 5 stars."""
    decided: tuple[int, ...]
    """How many reviews read like 1 to 5 stars."""
    given_mean: float | None = None
    stars: float | None = None
    """Mean expected stars."""
    stars_low: float | None = None
    stars_high: float | None = None
    """`stars_low` to `stars_high` is the 95% interval of the mean (Student's t)."""
    sentiment: dict[Sentiment, Probability] = {}
    """Shares of the reviews; empty where there are none."""
    recommended: Probability | None = None
    """Mean probability that the buyer recommends the product."""
    recommended_given: Probability | None = None
    """Share of those who said that they recommend it, of those who said anything of it."""
    aspects: tuple[AspectSummary, ...] = ()
    """Most mentioned first."""
    contradictions: int = 0
    """How many reviews contradict their stars."""
    contradicting: tuple[Contradiction, ...] = ()
    """The most extreme of them."""
    periods: tuple[PeriodSummary, ...] = ()
    """In order of time, of the reviews that have one."""
    later_since: str | None = None
    """The month in which the later half of the dated reviews begins."""
    change: Change | None = None
    """Of the expected stars, the later half against the earlier one."""
