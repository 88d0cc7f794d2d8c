"""What a products run is made of: targets, towers for picture, text and table, fusion, the shared space."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from shelfwise.config.ablation import AblateConfig
from shelfwise.config.pictures import (
    AugmentConfig,
    CatalogConfig,
    ModelConfig,
    PreprocessConfig,
    SplitConfig,
)
from shelfwise.config.section import Section
from shelfwise.config.training import Root, TrainConfig

TAKEN_TARGETS = ("vectors", "asked")
"""What no target may be called: answers use these names for something else."""


class TargetConfig(Section):
    """One thing to be said of a product: a category path, an attribute, or several values at once."""

    labels: tuple[str, ...] = Field(min_length=1)
    """Keys of `data.columns.labels`: the levels of a path from coarse to fine, or the one of an attribute."""
    several: bool = False
    """A product may have several values of it at once, such as materials."""
    weight: float = Field(default=1.0, gt=0)
    """Of its loss among all targets'."""
    coarse: float = Field(default=0.0, ge=0)
    """Weight of the coarser levels' losses beside the finest known one's."""
    adjust: float = Field(default=0.0, ge=0)
    """Logit adjustment for rare classes: so many times the log prior (arXiv:2007.07314, equation 10)."""
    balance: float = Field(default=0.0, ge=0, le=1)
    """Products are drawn in proportion to their class's count ** -balance: 1 draws all classes equally often,
    0.5 is square-root sampling (arXiv:1910.09217, section 3). For one target at most."""
    hide: float = Field(default=0.0, ge=0, lt=1)
    """Share of titles from which training hides every word of this target's class names where a picture or
    fields stand beside them, so that these count where a title does not say it. For `title.tower = "bag"`."""

    @model_validator(mode="after")
    def _coherent(self) -> TargetConfig:
        if len(set(self.labels)) < len(self.labels):
            raise ValueError(f"labels {', '.join(self.labels)}: each level once")
        if self.several and len(self.labels) > 1:
            raise ValueError("several values at once have no levels; give one label")
        if self.several and (self.adjust or self.balance):
            raise ValueError("several values at once have no classes to adjust or balance")
        if self.several and self.coarse:
            raise ValueError("several values at once have no coarser levels")
        return self


class PretrainedConfig(Section):
    """What a tower of `tower = "pretrained"` is made from, and which of its weights learn."""

    checkpoint: str | None = None
    """`pretrained`: a folder, or an id of the Hugging Face hub."""
    tuning: Literal["frozen", "lora", "full"] = "frozen"
    """`pretrained`: which of the encoder's weights learn; those on top of it always do. `lora` needs peft."""
    lora_rank: int = Field(default=8, ge=1)
    """`pretrained`: rank of the low-rank updates (arXiv:2106.09685)."""
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    """`pretrained`, `full`: each layer's rate is so many times that of the layer above it (BEiT,
    arXiv:2106.08254); 0.65 to 0.9 is usual."""

    @property
    def tuned(self) -> bool:
        """Whether any weight of the encoder learns."""
        return self.tuning != "frozen"


class PictureTowerConfig(ModelConfig, PretrainedConfig):
    """The picture tower: our own convolutions, trained from scratch, or a CLIP, SigLIP or ViT."""

    tower: Literal["conv", "pretrained"] = "conv"  # type: ignore[assignment]
    """A key of `nn.product_encoders.PICTURES`."""
    stem: int = Field(default=32, gt=0)
    """Channels of the stem."""
    stem_stride: Literal[1, 2] = 2
    """2 halves the resolution at once."""
    widths: tuple[int, ...] = Field(default=(64, 128, 256), min_length=1)
    """Channels of each stage."""
    downsample: tuple[Literal["stride", "pool"], ...] = ("pool", "pool", "pool")
    """How each stage halves the resolution."""
    residual: bool = False
    """Each convolution but a stage's first adds to its input."""
    pool: Literal["last", "all"] = "last"
    """Whose maps' maxima and means make a picture's vector: the last stage's, or every stage's. Colour and
    pattern are plainer in early maps."""
    most: int = Field(default=4, gt=0)
    """Pictures of a product that are looked at; further ones are counted as a warning."""


class TitleTowerConfig(PretrainedConfig):
    """The text tower, for title and description: a bag of hashed words, or a checkpoint."""

    tower: Literal["bag", "pretrained"] = "bag"
    """A key of `nn.product_encoders.TITLES`."""
    checkpoint: str | None = "minilm"
    """`pretrained`: `minilm` (the extra `text`), a folder, or an id of the Hugging Face hub; of CLIP and
    SigLIP the text half."""
    freeze_embeddings: bool = True
    """`pretrained`: leave the word embeddings as they are under `full` tuning."""
    max_tokens: int | None = Field(default=None, ge=8, le=4096)
    """`pretrained`: tokens that are read. Chosen from the training texts when unset."""
    longest: int = Field(default=64, ge=8)
    """`pretrained`: what `max_tokens` is never chosen above."""
    buckets: int = Field(default=32_768, ge=64)
    """`bag`: ids that words, pairs of words and character n-grams are hashed to."""
    words: int = Field(default=24, ge=1)
    """`bag`: words that are read; each is a token for attention."""
    pieces: int = Field(default=160, ge=1)
    """`bag`: pairs of words and character n-grams that are read."""
    width: int = Field(default=256, gt=0)
    """`bag`: its dimensions."""
    hide: float = Field(default=0.1, ge=0, lt=1)
    """`bag`: share of ids that are hidden in training."""


class TableConfig(Section):
    """The shop's own columns as input."""

    fields: tuple[str, ...] = ()
    """Keys of `data.columns.fields`. Never one that says the target."""
    buckets: int = Field(default=4096, ge=2)
    """Ids that values are hashed to."""


ATTENTION_HEADS = 4
"""Of the fusions that look at tokens."""

FusionName = Literal["picture", "text", "late", "concat", "gated", "cross_attention", "bottleneck", "dual"]


class FusionConfig(Section):
    """How what is known of a product becomes one vector; see `nn.fusion.FUSIONS`."""

    kind: FusionName = "gated"
    """Which strategy; `dual` stays in the space that a CLIP or SigLIP brings, and begins zero-shot."""
    width: int = Field(default=256, gt=0)
    """Dimensions of every modality's vectors and of the fused one; `dual` has the checkpoint's."""
    subsets: Literal["all", "dropout"] = "all"
    """What is asked in training: every subset of the modalities in every step, or one, each modality being
    left out of a row with probability `dropout`."""
    dropout: float = Field(default=0.15, ge=0, lt=1)
    """Modality dropout."""

    @model_validator(mode="after")
    def _heads_share_it(self) -> FusionConfig:
        if self.kind in ("cross_attention", "bottleneck") and self.width % ATTENTION_HEADS:
            raise ValueError(
                f"fusion.width is {self.width}, and fusion.kind '{self.kind}' shares it among "
                f"{ATTENTION_HEADS} heads: take a multiple of {ATTENTION_HEADS}"
            )
        return self


class SharedConfig(Section):
    """The space that pictures and texts share."""

    width: int = Field(default=128, gt=0)
    """Its dimensions; `dual` has the checkpoint's."""
    loss: Literal["infonce", "sigmoid", "none"] = "infonce"
    """The contrastive loss: CLIP's, SigLIP's, or none and no shared space."""
    weight: float = Field(default=0.15, gt=0)
    """Of the contrastive loss beside the targets'. At 1 it takes the towers from the targets."""
    category: float = Field(default=0.0, ge=0, lt=1)
    """What rows of the same finest category, but of other families, are to each other. `infonce`: the share
    of a row's target that goes to them together; the rest is its own family's. `sigmoid`, which asks of each
    pair by itself: the probability that they match."""
    fields: dict[Literal["title", "description"], float] = {}
    """Weights such as { title = 0.7, description = 0.3 }: in training each is read by itself, and the
    weighted mean of their vectors meets the picture (GCL, arXiv:2404.08535). Unset, the two are read as one
    text, as they always are in answers."""
    pairs: str | None = None
    """Key of `data.columns.fields` with numbers such as clicks, 0 or more: how much each product's picture
    and title count in the contrastive loss (GCL). A product without one counts as the mean."""
    chunk: int = Field(default=1024, gt=0)
    """Rows whose similarities are held at once: bounds memory at large batches."""
    neighbours: bool = True
    """Whether the bundle keeps ids, titles and vectors of the training products, for `shelfwise explain`."""

    @model_validator(mode="after")
    def _fields_weigh(self) -> SharedConfig:
        for name, weight in self.fields.items():
            if not 0 < weight < math.inf:
                raise ValueError(
                    f"fields: {name} is {weight:g}, and weights are above 0; leave it out instead"
                )
        return self


class ZeroShotConfig(Section):
    """Classes asked for in words, and fine-tuned weights mixed with zero-shot ones."""

    templates: Path | None = None
    """A TOML file of prompt templates, in the form of `data/product_prompts.toml`, which it replaces."""
    wise: float | Literal["auto"] | None = Field(default=None)
    """`dual`: keep zero-shot weights + `wise` * (trained - zero-shot) in the end (WiSE-FT, arXiv:2109.01903,
    equation 1); `auto` takes the best of 0, 0.1 ... 1 on validation. Unset keeps the trained ones."""

    @model_validator(mode="after")
    def _a_share(self) -> ZeroShotConfig:
        if isinstance(self.wise, float) and not 0 <= self.wise <= 1:
            raise ValueError(f"wise is 0 to 1 or 'auto', not {self.wise}")
        return self


class ProductTrainConfig(TrainConfig):
    """The training loop, as for pictures but without `loader = "stream"`, `balanced` and
    `gradient_checkpointing`; `epochs = 0` leaves a `dual` checkpoint as it is: zero-shot."""

    epochs: float = Field(default=4.0, ge=0)
    """May be a fraction; 0 is for `fusion.kind = "dual"` alone."""
    picture_memory_mb: int = Field(default=512, ge=0)
    """Decoded pictures may take so many megabytes. Where they would take more they are kept encoded (those in
    files stay there) and decoded for each batch, ahead of need, to the same weights; 0 always does that.
    Encoded pictures that need more than that themselves, such as large photographs in a Parquet file, are
    kept decoded."""


class ProductsConfig(Root):
    """The root of a products run: one model for pictures, text and table."""

    task: Literal["products"] = "products"
    """What is learned."""
    name: str = "products"
    """The bundle's name, and that of the run's folder under `runs`."""
    data: CatalogConfig = CatalogConfig()
    split: SplitConfig = SplitConfig()
    preprocess: PreprocessConfig = PreprocessConfig(height=80, width=60, channels=3, fit="pad")
    targets: dict[str, TargetConfig] = {}
    """What to learn, by name; where empty, every label is an attribute of its own. Without any label pictures
    and titles are learned from alone, by `shared.loss`."""
    picture: PictureTowerConfig = PictureTowerConfig()
    title: TitleTowerConfig = TitleTowerConfig()
    table: TableConfig = TableConfig()
    fusion: FusionConfig = FusionConfig()
    shared: SharedConfig = SharedConfig()
    zero_shot: ZeroShotConfig = ZeroShotConfig()
    augment: AugmentConfig = AugmentConfig(fill=255)
    train: ProductTrainConfig = ProductTrainConfig()
    ablate: AblateConfig = Field(default=AblateConfig(), exclude=True)

    @model_validator(mode="after")
    def _labels_exist(self) -> ProductsConfig:
        known = self.data.columns.labels
        for name, target in self.targets.items():
            for label in target.labels:
                if label not in known:
                    there = ", ".join(known) or "none"
                    raise ValueError(
                        f"targets.{name}: '{label}' is no label of data.columns, which has: {there}"
                    )
        balanced = [name for name, target in self.targets.items() if target.balance]
        if len(balanced) > 1:
            raise ValueError(f"products are drawn by one target's classes, not by {', '.join(balanced)}'s")
        if self.train.balanced:
            raise ValueError("train.balanced is not for products: say targets.NAME.balance")
        told = {known[label] for target in self.effective_targets.values() for label in target.labels}
        for name in self.table.fields:
            if name not in self.data.columns.fields:
                raise ValueError(f"table.fields: '{name}' is none of data.columns.fields")
            if self.data.columns.fields[name] in told:
                raise ValueError(f"table.fields: '{name}' is a target's column: it would tell the answer")
        return self

    @model_validator(mode="after")
    def _towers_fit(self) -> ProductsConfig:
        if self.picture.tower == "pretrained":
            if not self.picture.checkpoint:
                raise ValueError("picture.tower 'pretrained' needs picture.checkpoint, a folder or a hub id")
            if self.preprocess.channels != 3:
                raise ValueError("picture.tower 'pretrained' needs preprocess.channels = 3")
        else:
            self.picture.check_size(self.preprocess, halved=self.picture.stem_stride == 2)
        if self.title.tower == "pretrained" and not self.title.checkpoint:
            raise ValueError("title.tower 'pretrained' needs title.checkpoint, such as 'minilm'")
        for name, target in self.targets.items():
            if target.hide and self.title.tower != "bag":
                raise ValueError(f"targets.{name}.hide needs title.tower = 'bag'")
        for name, tower in self.pretrained.items():
            if tower.tuned and self.train.optimizer != "adamw":
                raise ValueError(f"{name}.tuning '{tower.tuning}' needs train.optimizer = 'adamw'")
        for name, value, plain in (
            ("augment.mixup", self.augment.mixup, 0),
            ("train.gradient_checkpointing", self.train.gradient_checkpointing, False),
            ("picture.head_scale", self.picture.head_scale, ModelConfig().head_scale),
        ):
            if value != plain:
                raise ValueError(f"{name} is for pictures alone: leave it out")
        if self.train.loader == "stream":
            raise ValueError("train.loader 'stream' is not for products; say train.picture_memory_mb = 0")
        return self

    @model_validator(mode="after")
    def _zero_shot_fits(self) -> ProductsConfig:
        if self.fusion.kind == "dual":
            one = {self.pretrained[name].checkpoint for name in self.pretrained}
            if len(self.pretrained) != 2 or len(one) != 1:
                raise ValueError(
                    "fusion.kind 'dual' needs picture.tower and title.tower 'pretrained', of one checkpoint"
                )
            if self.table.fields:
                raise ValueError("fusion.kind 'dual' has no place for table.fields; use another kind")
        elif self.train.epochs == 0:
            raise ValueError("train.epochs is 0: only fusion.kind 'dual' answers without training")
        elif self.zero_shot.wise is not None:
            raise ValueError("zero_shot.wise needs fusion.kind 'dual': no other begins zero-shot")
        several = [name for name, target in self.effective_targets.items() if target.several]
        if several and self.train.epochs == 0:
            raise ValueError(
                f"train.epochs is 0, but targets.{several[0]} has several values: it needs training"
            )
        return self

    @model_validator(mode="after")
    def _contrast_fits(self) -> ProductsConfig:
        columns, shared = self.data.columns, self.shared
        for name in shared.fields:
            if getattr(columns, name) is None:
                raise ValueError(f"shared.fields: '{name}' needs data.columns.{name}")
        if shared.pairs is not None and shared.pairs not in columns.fields:
            there = ", ".join(columns.fields) or "none"
            raise ValueError(
                f"shared.pairs: '{shared.pairs}' is none of data.columns.fields, which has: {there}"
            )
        return self

    @model_validator(mode="after")
    def _something_to_learn(self) -> ProductsConfig:
        if self.effective_targets:
            return self
        if self.shared.loss == "none":
            raise ValueError(
                "there is nothing to learn: name labels in data.columns.labels, or set shared.loss = "
                "'infonce' to learn from pictures and titles alone"
            )
        if self.fusion.kind in ("picture", "text"):
            raise ValueError(
                f"without targets pictures and titles learn from each other, and fusion.kind "
                f"'{self.fusion.kind}' has one of them: use 'late', or name labels in data.columns.labels"
            )
        if self.table.fields:
            raise ValueError("table.fields learn from targets alone: name labels in data.columns.labels")
        if self.shared.category:
            raise ValueError("shared.category needs a target: name labels in data.columns.labels")
        return self

    @property
    def pretrained(self) -> dict[str, PretrainedConfig]:
        """The towers that others trained, by the name of their table."""
        found: dict[str, PretrainedConfig] = {}
        if self.picture.tower == "pretrained":
            found["picture"] = self.picture
        if self.title.tower == "pretrained":
            found["title"] = self.title
        return found

    @property
    def effective_targets(self) -> dict[str, TargetConfig]:
        """The targets in force. First the main one: the first with one value a product, if there is any."""
        every = self.targets or {name: TargetConfig(labels=(name,)) for name in self.data.columns.labels}
        main = next((name for name, target in every.items() if not target.several), None)
        return every if main is None else {main: every[main]} | every
