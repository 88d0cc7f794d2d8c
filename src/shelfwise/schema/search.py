"""What a search asks and what it finds, the same on file, wire and screen."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from shelfwise.schema import FieldValue, Frozen, Picture

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class SearchRequest(Frozen):
    """One search by words, a picture, a product's id, or several of them; by nothing it lists products."""

    words: Annotated[str, Field(max_length=2_000)] | None = None
    """None where they are empty or blank: that is nothing to look for."""
    image: Picture | None = None
    like: str | None = None
    """Id of a product in the index; it is not found itself."""
    filter: str | None = None
    """An expression such as `price < 50 and brand in ("Puma", "Nike")`, see docs/search.md."""
    facets: tuple[str, ...] = ()
    """Fields whose values are counted among all products found, not only this page's."""
    limit: Annotated[int, Field(ge=1, le=1_000)] = 10
    offset: Count = 0
    alpha: Share = 0.5
    """Weight of the vector side; the words have the rest. 1 is vectors alone, 0 words alone."""
    rrf_k: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)] = 60.0
    """Of Reciprocal Rank Fusion: a side gives 1 / (rrf_k + rank)."""
    window: Annotated[int, Field(ge=1, le=10_000)] = 200
    """How many of each side are ranked; pages end there."""
    explain: bool = False

    @field_validator("words")
    @classmethod
    def _blank_is_none(cls, words: str | None) -> str | None:
        return words if words and words.strip() else None


class Span(Frozen):
    """The characters `start` to `end` (excluded) of a text."""

    start: Count
    end: Count


class SideScore(Frozen):
    """How one side, vectors or words, sees a hit."""

    rank: int | None
    """From 1; None where the hit is beyond the side's window, and gets nothing from it."""
    score: float
    """A cosine, or BM25."""
    part: float
    """What the side adds to the fused score: weight / (rrf_k + rank)."""


class HitExplanation(Frozen):
    """Why a hit is where it is; a side that was not asked is None."""

    vector: SideScore | None = None
    words: SideScore | None = None
    terms: dict[str, float] = {}
    """What each matched word adds to BM25."""


class Hit(Frozen):
    """One product that was found."""

    id: str
    score: float
    """Fused where two sides were asked, else the one side's; 0 where products are only listed."""
    title: str | None = None
    image: str | None = None
    """Path of its first picture, as the catalogue has it."""
    fields: dict[str, FieldValue] = {}
    """The shop's own columns and labels."""
    highlights: tuple[Span, ...] = ()
    """Where the title has the words that were looked for."""
    explanation: HitExplanation | None = None


class FacetValue(Frozen):
    """How many of the products found have this value."""

    value: str
    count: Count


class FacetRange(Frozen):
    """How many of the products found have a number from `low` to `high`, excluded but in the last range."""

    low: float
    high: float
    count: Count


class Facet(Frozen):
    """One field's values, or ranges of numbers, among the products found."""

    field: str
    kind: Literal["text", "number"]
    values: tuple[FacetValue, ...] = ()
    """The most frequent first."""
    ranges: tuple[FacetRange, ...] = ()
    other: Count = 0
    """Further different values, or numbers outside of all ranges."""
    missing: Count = 0
    """Products without a value."""


class SearchPage(Frozen):
    """One page of what was found."""

    total: Count
    """Products that the filter leaves; with words alone those of them that hold one of the words."""
    offset: Count
    hits: tuple[Hit, ...]
    next_offset: int | None = None
    """Where the next page begins; None where there is none: a ranking ends at the window, not at `total`."""
    facets: tuple[Facet, ...] = ()
    sides: tuple[Literal["vector", "words"], ...] = ()
    """What the order is from; empty where products are only listed."""
    exact: bool = True
    """Whether every product that the filter leaves was scored."""
    index: str
    """Bundle and version of the index; pages of different versions do not join."""


class IndexCard(Frozen):
    """What an index holds."""

    index: str
    """Bundle and version."""
    products: Count
    updated: str
    """When it was published, ISO 8601; empty for one of an earlier shelfwise."""
    pictures: bool
    """Whether it knows where the products' pictures are."""
    exact: bool
    """Whether every search scores every product that its filter leaves."""
    recall: dict[str, float] = {}
    """Recall@10 of approximate search against exact search, by filter."""
    fields: tuple[Facet, ...] = ()
    """Every field with its values among all products, and how many have none."""
