"""What a pictures run is made of: catalogue, preparation, split, tower, augmentation, text alignment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, model_validator

from shelfwise.config.ablation import AblateConfig
from shelfwise.config.section import Section
from shelfwise.config.training import Root, TrainConfig


class ColumnMap(Section):
    """Which column of the shop's table means what; `None` means that the table has no such column."""

    id: str = "id"
    """Column of the product's id; a row without one, or with one seen before, is a row error."""
    images: tuple[str, ...] = ()
    """Columns that hold a path, several paths joined by `separator`, a list, or picture bytes."""
    title: str | None = None
    """Column of the title."""
    description: str | None = None
    """Column of the description."""
    labels: dict[str, str] = {}
    """Target name to column, for example `category = "articleType"`."""
    fields: dict[str, str] = {}
    """Field name to column: further columns to keep."""
    multi_valued: tuple[str, ...] = ()
    """Columns whose text cells hold several values joined by `separator`."""
    separator: str = "|"
    """What stands between several values in one cell."""


class CatalogConfig(Section):
    """Where the products are and how to read them."""

    source: str = "fashion-mnist"
    """`fashion-mnist`, or the path of a CSV, Parquet or JSONL file or of a class-per-folder picture tree."""
    folder: Path | None = None
    """Where Fashion-MNIST's idx files are, if not in one of the usual places."""
    image_root: Path | None = None
    """Folder that picture paths are relative to; the table's own folder when unset."""
    columns: ColumnMap = ColumnMap()
    target: str | None = None
    """The label to learn, a key of `columns.labels`; may be left out where there is only one. A products run
    learns `[targets]`: there it is what `data report` looks at."""
    encoding: str | None = None
    """Text encoding of a CSV file; detected when unset."""
    delimiter: str | None = None
    """Column separator of a CSV file; detected when unset."""
    max_pixels: int = Field(default=64_000_000, gt=0)
    """Pictures with more pixels than this are refused before they are decoded."""


class PreprocessConfig(Section):
    """How a picture becomes a fixed array; one place for training and serving alike."""

    height: int = Field(default=28, ge=8)
    """Pixels."""
    width: int = Field(default=28, ge=8)
    """Pixels."""
    channels: Literal[1, 3] = 1
    """1 is grey, 3 is RGB."""
    fit: Literal["pad", "stretch", "fashion-mnist"] = "fashion-mnist"
    """`pad` keeps the aspect and pads with `background`; `stretch` doesn't; `fashion-mnist` is that
    data set's own preparation (arXiv:1708.07747, section 2), which leaves ready 28x28 grey pictures alone."""
    background: int = Field(default=255, ge=0, le=255)
    """Grey level that `pad` fills with."""


class SplitConfig(Section):
    """How products are dealt to training, validation and test; by family hash, never by row order."""

    families: Path | None = None
    """A CSV file of `id` and `family`, where the shop knows which listings are one product; unset, titles and
    pictures tell."""
    salt: str = "split:"
    """Stands before a family's name when it is hashed; another salt is another split."""
    buckets: int = Field(default=20, ge=3)
    """Families fall into so many buckets."""
    train_rows: int | None = Field(default=None, gt=0)
    """Learn from so many products only, whole families; a smaller number's are among a larger one's. All when
    unset."""
    test: tuple[int, ...] = (0, 1)
    """Buckets that are the test part."""
    validation: tuple[int, ...] = (2,)
    """Buckets that are the validation part."""
    validation_rows: int = Field(default=5_000, ge=0)
    """Rows of a published training set held out for validation, where there is a published test set."""
    max_distance: int = Field(default=6, ge=0, le=32)
    """Largest Hamming distance of 256-bit difference hashes between a picture and its group's first one."""
    max_pixel_difference: float = Field(default=6.0, ge=0)
    """Largest mean absolute difference (of 255) of the two at 32x32, over what is not background."""


class ModelConfig(Section):
    """The picture tower: a key of `nn.towers.PICTURE_TOWERS` and its shape."""

    tower: Literal["conv", "tiny"] = "conv"
    """`tiny` trains in a blink and knows little."""
    stem: int = Field(default=16, gt=0)
    """Channels of the stem."""
    widths: tuple[int, ...] = Field(default=(32, 96, 128), min_length=1)
    """Channels of each stage."""
    depths: tuple[int, ...] = (2, 2, 2)
    """Convolutions in each stage, at least one; the first one halves the resolution."""
    downsample: tuple[Literal["stride", "pool"], ...] = ("stride", "pool", "pool")
    """How each stage halves the resolution."""
    head_scale: float = Field(default=1 / 9, gt=0)
    """For `task = "pictures"` alone: what the head's output is multiplied by (airbench94,
    arXiv:2404.00498)."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Before the head."""

    @model_validator(mode="after")
    def _stages_agree(self) -> ModelConfig:
        if self.tower == "conv" and not len(self.widths) == len(self.depths) == len(self.downsample):
            raise ValueError("widths, depths and downsample need one entry for each stage")
        if min([*self.widths, *self.depths]) < 1:
            raise ValueError("widths and depths must be positive")
        return self

    def check_size(self, pictures: PreprocessConfig, *, halved: bool = False) -> None:
        """ValueError where the stages leave nothing of a picture, which the stem may have halved before."""
        side = min(pictures.height, pictures.width)
        side = (side + 1) // 2 if halved else side
        for down in self.downsample:
            side = (side + 1) // 2 if down == "stride" else side // 2
        if not side:
            raise ValueError(
                f"preprocess.height {pictures.height} and width {pictures.width} are too small for "
                f"{len(self.downsample)} stages: take fewer (widths, depths, downsample), or larger pictures"
            )


AugmentLevel = Literal["none", "light", "medium", "heavy"]
# fmt: off
UnlikeKind = Literal[
    "noise", "shuffled", "mixed", "blank", "stripes", "inverted", "turned", "texture", "shape",
    "upside_down", "checks",
]
# fmt: on
UNLIKE: tuple[UnlikeKind, ...] = get_args(UnlikeKind)[:-2]


class AugmentConfig(Section):
    """Random changes to training pictures, applied in the order of the fields, on uint8 batches."""

    level: AugmentLevel = "none"
    """Rotation, translation, scale, erasing and blur in four steps; see `nn.augment.LEVELS`."""
    flip: Literal["none", "random", "alternating"] = "none"
    """`alternating` flips every picture in every other epoch (arXiv:2404.00498, section 3.6)."""
    pad: int = Field(default=0, ge=0)
    """Pad by so many pixels and crop back at random."""
    erase: float = Field(default=0.0, ge=0, le=1)
    """Probability of erasing a random box (arXiv:1708.04896), besides that of `level`."""
    fill: int = Field(default=0, ge=0, le=255)
    """Value of uncovered and erased pixels: 0 for white on black, 255 for products on white."""
    kernel: Literal["torch", "numba"] = "torch"
    """`numba` is the compiled CPU kernel of the extra `fast`; both give the same bytes."""
    mixup: float = Field(default=0.0, ge=0)
    """Beta parameter of mixup (arXiv:1710.09412); 0 is off. For `task = "pictures"` alone."""


class UnlikeConfig(Section):
    """Pictures unlike the training pictures, made of them, so that the bundle can warn of such a picture."""

    share: float = Field(default=0.0, ge=0, le=0.5)
    """Share of each batch that is made unlike the others; 0 is off, and the bundle warns of nothing."""
    kinds: tuple[UnlikeKind, ...] = Field(default=UNLIKE, min_length=1)
    """How they are made: keys of `nn.unlike.KINDS`."""
    false_alarms: float = Field(default=0.01, gt=0, lt=1)
    """Share of the validation pictures that is warned of for nothing; the threshold follows from it."""


class TextConfig(Section):
    """Text alignment on the frozen picture tower, so that classes can be asked for by prompts."""

    align: bool = True
    """Off leaves the bundle without a text tower."""
    tower: Literal["bag"] = "bag"
    """A key of `nn.dual.TEXT_TOWERS`."""
    steps: int = Field(default=300, gt=0)
    """Optimizer steps."""
    batch_size: int = Field(default=512, gt=1)
    """Pictures in a step."""
    lr: float = Field(default=3e-3, gt=0)
    """Peak learning rate of AdamW."""
    width: int = Field(default=128, gt=0)
    """Dimensions of the space that pictures and texts share."""
    loss: Literal["infonce", "sigmoid"] = "infonce"
    """The contrastive loss: CLIP's or SigLIP's."""
    describe: bool = False
    """Let training prompts say what a class looks like, where `data/prompts.toml` knows: the words that
    unseen classes share with seen ones."""


class Config(Root):
    """The root of a pictures run: what `shelfwise train CONFIG` takes and a bundle keeps a copy of."""

    task: Literal["pictures"] = "pictures"
    """What is learned."""
    name: str = "pictures"
    """The bundle's name, and that of the run's folder under `runs`."""
    data: CatalogConfig = CatalogConfig()
    split: SplitConfig = SplitConfig()
    preprocess: PreprocessConfig = PreprocessConfig()
    model: ModelConfig = ModelConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    unlike: UnlikeConfig = UnlikeConfig()
    text: TextConfig = TextConfig()
    ablate: AblateConfig = Field(default=AblateConfig(), exclude=True)

    @model_validator(mode="after")
    def _stages_fit(self) -> Config:
        if self.model.tower == "conv":
            self.model.check_size(self.preprocess)
        return self
