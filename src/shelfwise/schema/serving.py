"""What the server is asked and what it answers: the wire's own types, beside those of `schema`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool, model_validator

from shelfwise.schema import (
    Frozen,
    LabelScore,
    Probability,
    ProductSummary,
    ReviewPrediction,
    TargetAnswer,
)


class GivenPicture(Frozen):
    """One picture: base64 or a `data:` URI in `data`, or a public address in `url` where that is allowed."""

    data: str | None = Field(default=None, repr=False)
    url: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> GivenPicture:
        if (self.data is None) == (self.url is None):
            raise ValueError("a picture has either data or url")
        return self


GivenCell = StrictBool | float | str | None
GivenField = GivenCell | tuple[GivenCell, ...]
"""A field as JSON has it; `data.cells.field_of` reads it as it reads the cell of a table."""


class GivenReview(Frozen):
    """One buyer's review."""

    id: str | None = None
    product: str | None = None
    title: str = ""
    text: str = ""
    rating: Annotated[int, Field(ge=1, le=5)] | None = None
    """Stars."""


class GivenProduct(Frozen):
    """What is known of one product, any of it."""

    id: str = "product"
    pictures: tuple[GivenPicture, ...] = ()
    title: str | None = None
    description: str | None = None
    fields: dict[str, GivenField] = {}
    reviews: tuple[GivenReview, ...] = ()


class GivenQuestion(Frozen):
    """What is to be explained."""

    product: GivenProduct
    target: Annotated[str, Field(max_length=200)] | None = None
    """Such as `colour`; the main target when left out."""
    label: Annotated[str, Field(max_length=500)] | None = None
    """The answer when left out."""


class GivenReviews(Frozen):
    """Reviews of one product or of many."""

    items: tuple[GivenReview, ...]
    summarize: bool = True
    """Whether to roll them up, too."""


class GivenSearch(Frozen):
    """What is looked for; by nothing, products are listed."""

    words: Annotated[str, Field(max_length=2_000)] | None = None
    picture: GivenPicture | None = None
    like: Annotated[str, Field(max_length=1_000)] | None = None
    """Id of a product in the index; it is not found itself."""
    filter: Annotated[str, Field(max_length=10_000)] | None = None
    """Such as `price < 50 and brand in ("Puma", "Nike")`, see docs/search.md."""
    facets: Annotated[tuple[str, ...], Field(max_length=20)] = ()
    limit: Annotated[int, Field(ge=1, le=200)] = 10
    offset: Annotated[int, Field(ge=0)] = 0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Weight of the vectors; the words have the rest."""
    rrf_k: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)] = 60.0
    explain: bool = False


class Answered(Frozen):
    """Which bundle answered, and what it has seen."""

    bundle: str
    """Name and version."""
    domain: str
    """What it was trained on: answers on anything else may be worth nothing."""


class Analysis(Frozen):
    """What can be said of one product; what cannot be told is None, and `missing` says why."""

    id: str
    status: Literal["ok", "failed"]
    category: TargetAnswer | None = None
    attributes: dict[str, TargetAnswer] | None = None
    reviews: ProductSummary | None = None
    """What its buyers say, rolled up."""
    opinions: tuple[ReviewPrediction, ...] = ()
    """What each review says, with the words that say it."""
    known: tuple[str, ...] = ()
    """The modalities that category and attributes are from, such as `picture` and `text`."""
    missing: dict[str, str] = {}
    warnings: tuple[str, ...] = ()
    by: dict[str, Answered] = {}
    """`product` and `reviews` to who answered."""
    error: str | None = None
    error_kind: str | None = None


class ReviewAnswers(Frozen):
    """An answer for each review, in their order: items = ok + failed."""

    items: tuple[ReviewPrediction, ...]
    ok: int
    failed: int
    summary: ProductSummary | None = None
    """Of all reviews together."""
    products: tuple[ProductSummary, ...] = ()
    """Of each product that they name, most reviewed first."""
    by: Answered


class Classified(Frozen):
    """What one picture, title or both is."""

    id: str
    status: Literal["ok", "failed"]
    label: str | None = None
    probability: Probability | None = None
    top: tuple[LabelScore, ...] = ()
    path: tuple[str, ...] = ()
    """From coarse to fine, where the bundle has a hierarchy."""
    warnings: tuple[str, ...] = ()
    error: str | None = None
    error_kind: str | None = None
    bundle: str | None = None


class ModelCard(Frozen):
    """One bundle that answers."""

    id: str
    task: Literal["pictures", "products", "reviews"]
    version: str
    domain: str
    targets: dict[str, tuple[str, ...]] = {}
    """What it can tell of a product: each target's finest classes."""
    vectors: int | None = None
    """Dimensions of its vectors, where it has any."""
    precision: Literal["fp32", "int8"] = "fp32"
    rows: int | None = None
    """Rows that it learned from."""
    validation: dict[str, float] = {}
    """Scores on its validation rows, such as `accuracy`; of products by what is known, as `text: colour`."""


class Ready(Frozen):
    """Whether every bundle has just answered a real question."""

    ready: bool
    models: dict[str, str] = {}
    """Bundle to `ok` or what went wrong."""


class ErrorBody(Frozen):
    """Inside of an error."""

    code: str
    """A short stable word."""
    message: str
    request_id: str
    field: str | None = None
    """The part of the request that is at fault."""


class ErrorAnswer(Frozen):
    """How our own endpoints tell what went wrong."""

    error: ErrorBody
