"""What a reviews run is made of: the reviews, their cleaning and split, the encoder, aspects, a teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from shelfwise.config.section import Section
from shelfwise.config.training import Root, TrainConfig


class ReviewColumns(Section):
    """Which column of a reviews file means what; `None` means that the file has no such column."""

    id: str | None = None
    """Column of the review's id; without one a review is called by its row number."""
    product: str | None = None
    """Column of the product's id. Reviews of one product never straddle training and test."""
    title: str | None = None
    """Column of the review's headline."""
    text: str = "text"
    """Column of the review's text."""
    rating: str | None = None
    """Column of the stars, 1 to 5."""
    recommended: str | None = None
    """Column that says whether the buyer recommends the product (1/0, yes/no, true/false)."""
    time: str | None = None
    """Column of the date: ISO 8601, Unix seconds or milliseconds, or a day such as `31.05.2024`."""
    constructed: str | None = None
    """Column that says whether a generator wrote the review (1/0, yes/no, true/false)."""
    fields: dict[str, str] = {}
    """Field name to column: further columns to keep."""


class CleanConfig(Section):
    """Repairs of a review's text, in this order, before anything reads it; case and negation stay."""

    encoding: bool = True
    """Mend text that was decoded wrongly (ftfy)."""
    markup: bool = True
    """Take out HTML tags and resolve entities."""
    urls: bool = True
    """Put `[link]` in the place of web addresses."""
    repeats: bool = True
    """Shorten runs of one punctuation mark to three, and of one letter to three."""
    whitespace: bool = True
    """One space between words, none at the ends."""


class ReviewData(Section):
    """Where the reviews are and how to read them."""

    source: str = "reviews.csv"
    """A CSV, Parquet or JSONL file, gzipped or not."""
    columns: ReviewColumns = ReviewColumns()
    encoding: str | None = None
    """Text encoding of a CSV file; detected when unset."""
    delimiter: str | None = None
    """Column separator of a CSV file; detected when unset."""
    max_characters: int = Field(default=100_000, gt=0)
    """A longer text is a row error: it is no review."""
    clean: CleanConfig = CleanConfig()


class TextSplitConfig(Section):
    """How reviews are dealt to training, validation and test; by a hash of the product."""

    salt: str = "split:"
    """Stands before a product's id when it is hashed; another salt is another split."""
    buckets: int = Field(default=10, ge=3)
    """Products fall into so many buckets."""
    test: tuple[int, ...] = (0,)
    """Buckets that are the test part."""
    validation: tuple[int, ...] = (1,)
    """Buckets that are the validation part."""


class EncoderConfig(Section):
    """What turns a text into vectors; `words` is our own and trained from scratch."""

    kind: Literal["words", "transformer"] = "words"
    """A key of `nn.encoders.ENCODERS`."""
    vocabulary: int = Field(default=8_000, ge=16)
    """`words`: how many words are known, the commonest ones."""
    min_count: int = Field(default=3, ge=1)
    """`words`: rarer words are not known."""
    width: int = Field(default=128, gt=0)
    """`words`: dimensions of a word and channels of the convolutions."""
    layers: int = Field(default=4, ge=1)
    """`words`: gated convolutions, each of which sees one word further to both sides."""
    pretrain: float = Field(default=8.0, ge=0)
    """`words`: epochs of guessing hidden words of the training texts before the labels are looked at."""
    pretrain_lr: float = Field(default=2e-3, gt=0)
    """`words`: peak learning rate of that."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Before the heads."""
    mask: float = Field(default=0.15, ge=0, lt=1)
    """Share of words hidden from a `words` encoder in training."""
    checkpoint: str = "minilm"
    """`transformer`: `minilm` (the extra `text`), a folder, or an id of the Hugging Face hub."""
    tuning: Literal["full", "lora", "frozen"] = "full"
    """`transformer`: which weights learn. `lora` needs peft."""
    freeze_embeddings: bool = True
    """`transformer`: leave the word embeddings as they are under `full` tuning."""
    lora_rank: int = Field(default=8, ge=1)
    """`transformer`: rank of the low-rank updates (arXiv:2106.09685)."""
    max_tokens: int | None = Field(default=None, ge=8, le=4096)
    """Tokens read at once; longer reviews are read in windows. Chosen from the training texts when unset."""
    longest: int = Field(default=256, ge=8)
    """What `max_tokens` is never chosen above."""


class HeadsConfig(Section):
    """What is learned of a review, all on one encoder: stars, three-way sentiment, recommended."""

    stars: float = Field(default=1.0, ge=0)
    """Weight of the cross-entropy of the stars."""
    ordinal: float = Field(default=1.0, ge=0)
    """Weight of the ordinal loss (CORN, arXiv:2111.08851)."""
    regression: float = Field(default=1.0, ge=0)
    """Weight of the smooth L1 loss of the expected stars."""
    sentiment: float = Field(default=0.5, ge=0)
    """Weight of the cross-entropy of negative (1-2), neutral (3) and positive (4-5)."""
    recommended: float = Field(default=1.0, ge=0)
    """Weight of the cross-entropy of the buyer's recommendation, where the file has one."""
    balance: float = Field(default=0.0, ge=0, le=1)
    """Class weights of stars and sentiment: count to the power of minus this; 1 makes all classes equal."""


class DistillConfig(Section):
    """Learn from a teacher's answers too (arXiv:1503.02531); on training texts only."""

    teachers: tuple[Path, ...] = ()
    """Reviews bundles, of any encoder; the mean of their answers is what is learned. Off when empty."""
    weight: float = Field(default=0.7, ge=0, le=1)
    """Share of the loss that follows the teacher; the rest follows the labels."""
    temperature: float = Field(default=2.0, gt=0)
    """What both sides' logits are divided by."""
    pieces: int = Field(default=0, ge=0)
    """Further texts for each review: random runs of its sentences, which the teacher answers for too."""
    precision: Literal["fp32", "int8"] = "fp32"
    """In which the teachers answer; a MiniLM is about three times as fast in int8."""


class AspectsConfig(Section):
    """Opinions in the text: which aspect, praised or blamed, in which words."""

    terms: Path | None = None
    """Reviews with (aspect, opinion, polarity) triplets, in DMASTE's form; unset, no terms are learned."""
    labels: Path | None = None
    """Sentences of `data.source` with shop aspects (docs/labelling.md), JSONL; unset, the lexicon's alone."""
    validation_labels: Path | None = None
    """More of these, of validation products: they choose the threshold from which an opinion is stated."""
    weak: int = Field(default=20_000, ge=0)
    """Sentences of the training reviews that the lexicon labels."""
    weak_weight: float = Field(default=0.3, ge=0)
    """Weight of a weakly labelled sentence against a labelled one."""
    epochs: float = Field(default=6.0, ge=0)
    """Over the labelled texts; 0 leaves the bundle without aspects."""
    lr: float = Field(default=1e-3, gt=0)
    """Peak learning rate of AdamW."""
    batch_size: int = Field(default=32, gt=0)
    """Texts in a step."""


class ReviewTrainConfig(TrainConfig):
    """The training loop, as for pictures, with defaults for texts."""

    optimizer: Literal["muon", "sgd", "adamw"] = "adamw"
    lr: float = Field(default=1.5e-3, gt=0)
    epochs: float = Field(default=5.0, gt=0)
    batch_size: int = Field(default=64, gt=0)
    warmup: float = Field(default=0.1, ge=0, le=1)
    weight_decay: float = Field(default=0.01, ge=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    ema: float = Field(default=0.998, ge=0, lt=1)
    clip: float | None = Field(default=1.0, gt=0)
    channels_last: bool = False


class ReviewsConfig(Root):
    """The root of a reviews run: what `shelfwise train CONFIG` takes and a bundle keeps a copy of."""

    task: Literal["reviews"] = "reviews"
    """What is learned."""
    name: str = "reviews"
    """The bundle's name, and that of the run's folder under `runs`."""
    data: ReviewData = ReviewData()
    split: TextSplitConfig = TextSplitConfig()
    encoder: EncoderConfig = EncoderConfig()
    heads: HeadsConfig = HeadsConfig()
    distill: DistillConfig = DistillConfig()
    aspects: AspectsConfig = AspectsConfig()
    train: ReviewTrainConfig = ReviewTrainConfig()

    @model_validator(mode="after")
    def _fits(self) -> ReviewsConfig:
        if self.data.columns.rating is None:
            raise ValueError("data.columns needs a rating column to learn from")
        if self.train.optimizer == "muon":
            raise ValueError("train.optimizer 'muon' is for convolutions of pictures; use 'adamw'")
        for name, value, plain in (
            ("label_smoothing", self.train.label_smoothing, 0),
            ("gradient_checkpointing", self.train.gradient_checkpointing, False),
            ("loader", self.train.loader, "memory"),
        ):
            if value != plain:
                raise ValueError(f"train.{name} is not for reviews: leave it out")
        return self
