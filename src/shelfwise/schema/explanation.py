"""Why a bundle says what it says, as `explanation.json` and the wire have it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shelfwise.schema import Frozen, LabelScore, Probability

Asks = Literal["class", "contrast", "edges"]
Grid = tuple[tuple[float, ...], ...]
"""Numbers of cells, row by row from the top."""


class WordWeight(Frozen):
    """One word of the text, and what leaving it out does."""

    text: str
    """The characters `start` to `end` (excluded) of the explanation's `text`."""
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(gt=0)]
    weight: float
    """How far the log odds of the class fall without it, in nats; below 0 it speaks against the class."""
    contrast: float | None = None
    """How far the log of the class's probability over the rival's falls without it."""
    probability: Probability
    """Of the class without the word."""


class PictureMap(Frozen):
    """Where in a picture one method sees the answer."""

    method: str
    asks: Asks
    """What it explains: the class, the class rather than its rival, or nothing but the picture's edges."""
    file: str
    """PNG: the picture, and beside it the map over it, with its scale."""
    unit: str
    low: float
    high: float
    total: float | None = None
    """The sum over all pixels, where it means something: of integrated gradients about what the picture adds
    to the value of a blank one, in nats."""
    residual: float | None = None
    """`total` less what the picture does add, in nats: integrated gradients have finitely many steps."""
    grid: Grid
    """Means over equal cells."""


class ExplainedPicture(Frozen):
    """One picture as the network sees it, and its maps."""

    name: str
    maps: tuple[PictureMap, ...] = ()


class WordGaze(Frozen):
    """Where one word looks by cross-attention: shares that sum to 1 over all other modalities.

    A word of several tokens has the mean of theirs."""

    text: str
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(gt=0)]
    pictures: tuple[Grid, ...]
    """Of each picture the share of each of its places."""
    elsewhere: tuple[float, ...] = ()
    """Of each picture the share of what is of no place in it: a transformer's class token."""


class Neighbour(Frozen):
    """A training product that is near in the shared space."""

    id: str
    title: str
    label: str | None
    """Its finest class of the main target, as the shop has it."""
    similarity: float
    """Cosine."""


class Method(Frozen):
    """How one part of an explanation was made."""

    name: str
    source: str
    settings: dict[str, float | str] = {}


class Explanation(Frozen):
    """Why a bundle says a class of one product, picture or review."""

    bundle: str
    id: str
    target: str
    label: str
    """The class that is explained: the answer, unless another one was asked for. Where two share a name, here
    as everywhere below, it is the end of the path that is its own, such as `Men > Other`."""
    path: tuple[str, ...]
    probability: Probability
    """The one that `predict` gives."""
    answer: LabelScore
    rival: LabelScore | None = None
    """The likeliest class besides the one that is explained."""
    known: tuple[str, ...]
    prior: Probability | None = None
    """Of the class where nothing is known: its share of the training products."""
    modalities: dict[str, float] = {}
    """Shapley values: with `prior` they add up to `probability`."""
    subsets: dict[str, Probability] = {}
    """Probability of the class from each subset of what is known, such as `picture+text`."""
    text: str = ""
    words: tuple[WordWeight, ...] = ()
    pictures: tuple[ExplainedPicture, ...] = ()
    gaze: tuple[WordGaze, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    missing: dict[str, str] = {}
    """What this explanation is without, and why."""
    methods: tuple[Method, ...] = ()
    warnings: tuple[str, ...] = ()
