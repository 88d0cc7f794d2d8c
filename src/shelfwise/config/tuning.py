"""Which settings `shelfwise tune` tries, in which ranges, and for how long."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from shelfwise.config.section import Section

Number = int | float


class Range(Section):
    """The values that one setting may take: those from `low` to `high`, or one of `choices`."""

    low: Number | None = None
    """The least value; whole numbers are tried where `low`, `high` and `step` are whole."""
    high: Number | None = None
    """The greatest value."""
    log: bool = False
    """Try small values as finely as large ones: for learning rates and the like."""
    step: Number | None = Field(default=None, gt=0)
    """Try only `low`, `low + step` and so on."""
    choices: tuple[Any, ...] = ()
    """The values themselves, of any kind that the setting takes."""

    @model_validator(mode="after")
    def _one_kind(self) -> Range:
        if self.choices:
            if self.low is not None or self.high is not None or self.step is not None or self.log:
                raise ValueError("has choices; low, high, log and step are for numbers")
            if any(choice in self.choices[:place] for place, choice in enumerate(self.choices)):
                raise ValueError("names a choice twice")
            return self
        if self.low is None or self.high is None:
            raise ValueError("needs low and high, or choices")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"low must be less than high (got {self.low} and {self.high})")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs a low above 0, and no step")
        if self.step is not None and not is_multiple(self.high - self.low, self.step):
            raise ValueError(f"from {self.low} to {self.high} must be whole steps of {self.step}")
        return self

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return all(isinstance(number, int) for number in (self.low, self.high, self.step or 1))


class TuneConfig(Section):
    """What `shelfwise tune` tries; no part of a run, and not kept in its bundle."""

    space: dict[str, Range] = {}
    """Settings and their ranges, as in [tuning.md](tuning.md): `train.lr = { low = 0.02, high = 0.2, log =
    true }`, or `fusion.kind = { choices = ["gated", "late"] }`; whole numbers where both ends are."""
    trials: int | None = Field(default=None, ge=1)
    """Stop after so many; 20 where `hours` is unset too."""
    hours: float | None = Field(default=None, gt=0)
    """Begin no trial after so much time, over all calls of the command."""
    pruner: Literal["median", "halving", "none"] = "median"
    """Stop a trial whose score is below the median of the earlier ones' at the same validation (`median`), or
    below the best quarter's (`halving`: successive halving, arXiv:1810.05934)."""
    sampler: Literal["tpe", "random"] = "tpe"
    """Where to look next: the tree-structured Parzen estimator (arXiv:2304.11127), or anywhere."""
    seed: int = Field(default=0, ge=0)
    """Of the sampler; every trial trains with the config's own `train.seed`."""
    warmup: int = Field(default=1, ge=0)
    """Validations of a trial before it may be pruned."""

    @field_validator("space", mode="before")
    @classmethod
    def _whole_names(cls, space: Any) -> Any:
        """TOML reads `train.lr = {...}` as tables in tables; a setting's whole name is the key here."""
        return dict(_named(space)) if isinstance(space, dict) else space


def is_multiple(length: Number, step: Number) -> bool:
    """Whether `length` is a whole number of steps, but for rounding."""
    return abs(length / step - round(length / step)) < 1e-6


def _named(space: dict[str, Any], above: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in space.items():
        is_table = isinstance(value, dict) and value and all(isinstance(v, dict) for v in value.values())
        found += _named(value, f"{above}{key}.") if is_table else [(f"{above}{key}", value)]
    return found
