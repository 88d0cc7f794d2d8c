"""Settings of the training loop, whatever is trained."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from shelfwise.config.section import Section, is_plain
from shelfwise.config.tuning import TuneConfig

NO_EFFECT = (
    *("device", "threads", "checkpoint_every", "keep", "tensorboard"),
    *("loader", "workers", "picture_memory_mb"),
)
"""Settings of `train` that change no weight: a run may go on, and figures compare, with others. Not every
task has all of them."""
_LATER = {"shared": ("fields", "pairs")}


class TrainConfig(Section):
    """The training loop."""

    seed: int = Field(default=0, ge=0)
    """All randomness of the run follows from it."""
    epochs: float = Field(default=4.0, gt=0)
    """May be a fraction."""
    batch_size: int = Field(default=256, gt=0)
    """Pictures in an optimizer step."""
    optimizer: Literal["muon", "sgd", "adamw"] = "muon"
    """`muon` takes the convolutions' weights and leaves the rest to Nesterov SGD, or to AdamW."""
    lr: float = Field(default=0.08, gt=0)
    """Peak learning rate: Muon's, or that of the one optimizer."""
    head_lr: float | None = Field(default=None, gt=0)
    """AdamW's peak learning rate of what stands on a pretrained encoder; `lr` when unset."""
    momentum: float = Field(default=0.6, ge=0, lt=1)
    """Muon's momentum, or SGD's where that is the one optimizer."""
    sgd_lr: float = Field(default=0.5, gt=0)
    """SGD's peak learning rate of what Muon does not take."""
    sgd_momentum: float = Field(default=0.85, ge=0, lt=1)
    """SGD's momentum of what Muon does not take."""
    adamw_lr: float | None = Field(default=None, gt=0)
    """AdamW's peak learning rate of what Muon does not take, in place of SGD."""
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
    """Worker processes of the `stream` loader. For products, threads that decode pictures ahead, at most one
    for two cores."""
    tensorboard: bool = False
    """Write the journal for TensorBoard as well; needs the extra `tensorboard`."""


class Root(Section):
    """What every run has: a name and a training loop."""

    name: str
    train: TrainConfig
    tune: TuneConfig = Field(default=TuneConfig(), exclude=True)

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str) -> str:
        if not is_plain(name):
            raise ValueError("must be printable, without / \\ @, and not begin with a dot")
        return name

    @model_validator(mode="after")
    def _coherent(self) -> Root:
        if self.train.batch_size % self.train.accumulate:
            raise ValueError("train.batch_size must be a multiple of train.accumulate")
        if self.train.patience is not None and self.train.evaluate_every is None:
            raise ValueError("train.patience needs train.evaluate_every")
        return self


def without_later(values: dict[str, Any]) -> None:
    """Drop settings that are unset and came later than others, so that older fingerprints stay."""
    for section, names in _LATER.items():
        for name in names:
            if section in values and not values[section].get(name):
                values[section].pop(name, None)
