"""Configuration: TOML or JSON files read into typed, frozen models, with `--set a.b=value` on top.

Every model's fields carry their own docstring; `Config` is the root that the learning verbs take.
Only the faces (cli, api, ui) read the environment.
"""

from __future__ import annotations

import json
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from shelfwise.errors import ConfigError


class Section(BaseModel):
    """A frozen part of a configuration that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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
    """The label to learn, a key of `columns.labels`; may be left out where there is only one."""
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

    salt: str = "split:"
    """Stands before a family's name when it is hashed; another salt is another split."""
    buckets: int = Field(default=20, ge=3)
    """Families fall into so many buckets."""
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
    """What the head's output is multiplied by (airbench94, arXiv:2404.00498)."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Before the head."""

    @model_validator(mode="after")
    def _stages_agree(self) -> ModelConfig:
        if self.tower == "conv" and not len(self.widths) == len(self.depths) == len(self.downsample):
            raise ValueError("model.widths, model.depths and model.downsample need one entry for each stage")
        if min(*self.widths, *self.depths) < 1:
            raise ValueError("model.widths and model.depths must be positive")
        return self


AugmentLevel = Literal["none", "light", "medium", "heavy"]


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
    """Beta parameter of mixup (arXiv:1710.09412); 0 is off."""


class TrainConfig(Section):
    """The training loop."""

    seed: int = 0
    """All randomness of the run follows from it."""
    epochs: float = Field(default=4.0, gt=0)
    """May be a fraction."""
    batch_size: int = Field(default=256, gt=0)
    """Pictures in an optimizer step."""
    optimizer: Literal["muon", "sgd", "adamw"] = "muon"
    """`muon` takes the convolutions' weights and leaves the rest to Nesterov SGD."""
    lr: float = Field(default=0.08, gt=0)
    """Peak learning rate: Muon's, or that of the one optimizer."""
    momentum: float = Field(default=0.6, ge=0, lt=1)
    """Muon's momentum, or SGD's where that is the one optimizer."""
    sgd_lr: float = Field(default=0.5, gt=0)
    """Peak learning rate of what Muon does not take."""
    sgd_momentum: float = Field(default=0.85, ge=0, lt=1)
    """Momentum of what Muon does not take."""
    weight_decay: float = Field(default=5e-4, ge=0)
    """On matrices only, never on biases and normalisations; Muon has none."""
    warmup: float = Field(default=0.2, ge=0, le=1)
    """Share of all steps over which the rate rises linearly."""
    decay: Literal["linear", "cosine"] = "linear"
    """How the rate falls to 0 afterwards."""
    label_smoothing: float = Field(default=0.05, ge=0, lt=1)
    """Share of each target that is spread over all classes."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay per step of the weights' moving average, which is then what is evaluated; 0 is off."""
    clip: float | None = Field(default=None, gt=0)
    """Largest gradient norm."""
    accumulate: int = Field(default=1, ge=1)
    """Micro-batches per step; `batch_size` counts all of them together."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """`bf16` is mixed precision: the weights stay float32."""
    channels_last: bool = True
    """Memory order that convolutions are faster in."""
    gradient_checkpointing: bool = False
    """Compute activations twice instead of keeping them: less memory, more time."""
    balanced: bool = False
    """Draw every class equally often."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one."""
    threads: int | None = Field(default=None, gt=0)
    """Cores to use; all when unset."""
    evaluate_every: float | None = Field(default=None, gt=0)
    """Epochs between validations; at the end only when unset."""
    patience: int | None = Field(default=None, gt=0)
    """Stop after so many validations without a better accuracy, and keep the best weights."""
    checkpoint_every: int | None = Field(default=None, gt=0)
    """Steps between checkpoints; at the end of each epoch when unset."""
    keep: int = Field(default=2, ge=1)
    """How many checkpoints are kept."""
    loader: Literal["memory", "stream"] = "memory"
    """`stream` decodes a catalogue's pictures again in every epoch, in worker processes, so that memory
    does not grow with the catalogue."""
    workers: int = Field(default=2, ge=0)
    """Worker processes of the `stream` loader."""
    tensorboard: bool = False
    """Write the journal for TensorBoard as well; needs the extra `tensorboard`."""


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


class Config(Section):
    """The root: what `shelfwise train CONFIG` takes and a bundle keeps a copy of."""

    name: str = "pictures"
    """The bundle's name, and that of the run's folder under `runs`."""
    data: CatalogConfig = CatalogConfig()
    split: SplitConfig = SplitConfig()
    preprocess: PreprocessConfig = PreprocessConfig()
    model: ModelConfig = ModelConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    text: TextConfig = TextConfig()

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str) -> str:
        if not name.isprintable() or not name or name[0] == "." or set(name) & set("/\\@"):
            raise ValueError("must be printable, without / \\ @, and not begin with a dot")
        return name

    @model_validator(mode="after")
    def _coherent(self) -> Config:
        if self.train.batch_size % self.train.accumulate:
            raise ValueError("train.batch_size must be a multiple of train.accumulate")
        if self.train.patience is not None and self.train.evaluate_every is None:
            raise ValueError("train.patience needs train.evaluate_every")
        return self


def read_mapping(path: Path) -> dict[str, Any]:
    """The content of a TOML or JSON file as a dict; a missing or malformed file is a ConfigError."""
    if path.suffix not in (".toml", ".json"):
        raise ConfigError(f"config '{path}': expected a .toml or .json file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"config '{path}' not found") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config '{path}' cannot be read: {error}") from None
    try:
        value = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise ConfigError(f"config '{path}': {error}") from None
    except RecursionError:
        raise ConfigError(f"config '{path}' is nested too deeply") from None
    if not isinstance(value, dict):
        raise ConfigError(f"config '{path}': expected a table at the top")
    return value


def load_config(path: Path, overrides: tuple[str, ...] = ()) -> Config:
    """The configuration in `path` with each `a.b=value` of `overrides` on top.

    Relative paths in it are taken from the file's own folder when they exist there."""
    values = read_mapping(path)
    if isinstance(data := values.get("data"), dict):
        _place(data, path.parent)
    for override in overrides:
        _set(values, override)
    return parse_config(values, where=str(path))


def _place(data: dict[str, Any], folder: Path) -> None:
    """Put `folder` before the relative paths of a `[data]` table that exist there."""
    for key in ("source", "image_root", "folder"):
        name = data.get(key)
        if isinstance(name, str) and name != "fashion-mnist" and (folder / name).exists():
            data[key] = str(folder / name)


def parse_config(values: dict[str, Any], *, where: str) -> Config:
    """A validated Config; the first wrong value is named in the ConfigError, with `where` before it."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            why = "is no setting" + _near(first["loc"])
        elif first["type"] == "value_error":
            why = str(first["ctx"]["error"])
        else:
            why = first["msg"] + ("" if first["type"] == "missing" else f" (got {first['input']!r})")
        raise ConfigError(f"config '{where}': {key or 'config'}: {why}") from None


def _near(place: tuple[str | int, ...]) -> str:
    """The setting beside `place` that was likely meant, as a question, if there is one."""
    section: Any = Config
    for part in place[:-1]:
        section = section.model_fields[part].annotation
    near = get_close_matches(str(place[-1]), section.model_fields, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; there are: {', '.join(section.model_fields)}"


def _set(values: dict[str, Any], override: str) -> None:
    """Write one `a.b=value` into `values`; the value is read as TOML, else taken as a string."""
    key, equals, raw = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override!r}: expected key=value, for example train.lr=0.05")
    *path, last = key.strip().split(".")
    for part in path:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise ConfigError(f"--set {override!r}: '{part}' is not a table")
    try:
        values[last] = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        values[last] = raw
