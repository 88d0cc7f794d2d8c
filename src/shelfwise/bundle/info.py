"""What `bundle.json` says, as typed values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field

from shelfwise import __version__
from shelfwise.bundle.modalities import subset_key
from shelfwise.config import Section
from shelfwise.data.product_input import FieldScale
from shelfwise.data.tokens import TokenizerConfig
from shelfwise.errors import BundleError

FORMAT = 1

FileName = Annotated[str, Field(pattern=r"^\w[\w.-]*$")]
"""A plain name, since a bundle may come from strangers and its files are read and copied by name."""


class AspectsInfo(Section):
    """How the tagger's scores become opinions."""

    aspects: tuple[str, ...]
    """Shop aspects, in the order of the scores; each has a positive and a negative one."""
    thresholds: tuple[float, ...]
    """Probability from which an opinion is stated, one for each aspect (chosen on validation)."""
    terms: bool = False
    """Whether aspect terms were learned."""


class ReviewsInfo(Section):
    """How a reviews bundle reads a text and calibrates its answers."""

    max_tokens: int = Field(ge=8)
    """Tokens read at once; longer texts are read in windows."""
    architecture: dict[str, Any] | None = None
    """Of a pretrained encoder, in its own library's words; our own follows from the configuration."""
    tokens: dict[str, float] = {}
    """Statistics of the training texts' lengths in tokens."""
    sentiment_temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    recommended_temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    recommends: bool = True
    """Whether the training file said who recommends the product."""
    aspects: AspectsInfo | None = None


class TargetInfo(Section):
    """One target of a products bundle: its classes, and how its scores are calibrated."""

    levels: tuple[str, ...]
    """Labels of the shop, coarse to fine."""
    paths: tuple[tuple[str, ...], ...]
    """The finest classes, each with its path; in the order of the logits."""
    strays: tuple[tuple[tuple[str, ...], int], ...] = ()
    """Paths of a few training rows that were taken for slips, and how many rows."""
    several: bool = False
    """A product may have several of the classes at once."""
    temperatures: dict[str, float]
    """What logits are divided by, by the modalities that were there, such as `picture+text`."""
    counts: tuple[int, ...]
    """Training products of each class."""

    def temperature_of(self, modalities: Iterable[str]) -> float:
        """What logits are divided by where just these modalities are heard; 1 where none is.

        BundleError for modalities that the target was not calibrated for."""
        key = subset_key(modalities)
        if not key:
            return 1.0
        if key not in self.temperatures:
            there = ", ".join(self.temperatures) or "nothing"
            raise BundleError(f"the bundle has no temperature for '{key}', only for {there}; train it again")
        return self.temperatures[key]


class ProductsInfo(Section):
    """What a products bundle needs besides."""

    modalities: tuple[str, ...]
    unlearned: tuple[str, ...] = ()
    """Of these, what no training product had: no answer is from it."""
    targets: dict[str, TargetInfo]
    """The first one is the bundle's main target."""
    scales: dict[str, FieldScale] = {}
    """Of the table's numbers."""
    shared: int = Field(default=0, ge=0)
    """Dimensions of the space that pictures and texts share; 0 where there is none."""
    scale: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """1/temperature of that space: what cosines are multiplied by before a softmax."""
    templates: dict[str, tuple[str, ...]] = {}
    """Prompt templates that classes are asked for by, by target and `default`; where empty, the bare name."""
    architectures: dict[str, dict[str, Any]] = {}
    """Of pretrained towers, `picture` and `title`, in their own library's words."""
    max_tokens: int = Field(default=0, ge=0)
    """Tokens of a text that a pretrained tower reads; 0 where there is none."""


class UnlikeInfo(Section):
    """When a picture is taken to be unlike the training pictures."""

    threshold: float = Field(allow_inf_nan=False)
    """Log-odds of "none of the classes" from which the answer is warned of."""
    flagged: dict[str, float] = {}
    """Share of pictures that is warned of: of `validation` for nothing, of every kind that was made of them
    rightly (kinds: `nn.unlike.KINDS`)."""


class BundleInfo(Section):
    """The content of `bundle.json`."""

    format: int = FORMAT
    task: Literal["pictures", "reviews", "products"] = "pictures"
    name: str
    version: str
    """The first 12 hex digits of a hash over all files: the same files, the same version."""
    created: str
    shelfwise: str = __version__
    target: str
    classes: tuple[str, ...]
    source: str
    """The training domain, such as `fashion-mnist` or the catalogue's file name."""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    """Normalisation statistics of the training pixels, per channel, for pixels in 0..1."""
    temperature: float = Field(gt=0, allow_inf_nan=False)
    tokenizer: TokenizerConfig | None = None
    unlike: UnlikeInfo | None = None
    """Where the bundle has learned to tell."""
    reviews: ReviewsInfo | None = None
    """What a reviews bundle needs besides."""
    products: ProductsInfo | None = None
    """What a products bundle needs besides."""
    left_out: tuple[FileName, ...] = ()
    """Files that a copy made for serving does without (`bundle.serving`)."""
    info: dict[str, Any] = Field(default_factory=dict)
    """`training` (seconds_train, seconds_total, cpu_seconds, peak_memory_mb ...), `validation`, `rows`."""
    files: dict[FileName, str] = Field(default_factory=dict)
    """File name to sha256."""
