"""The training loop: a generator of step records; whoever wants a log, a plot or a stop consumes them.

All randomness of step n comes from (seed, n), so a resumed run needs no random state.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from shelfwise.config import TrainConfig
from shelfwise.errors import TrainingError
from shelfwise.nn.optim import WeightAverage, build_optimizers
from shelfwise.nn.ranks import Ranks, average_gradients, of_ranks
from shelfwise.train.checkpoint import Tree
from shelfwise.train.schedule import learning_rate_factor


@runtime_checkable
class Loader(Protocol):
    """Batches whose order is a pure function of seed and epoch; a batch's length is its number of rows."""

    def __len__(self) -> int:
        """Batches in an epoch."""

    def batches(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """The batches of one epoch from number `start` on."""


@runtime_checkable
class Objective(Protocol):
    """What is to be made small: pictures, reviews and whatever comes have one each."""

    def __call__(self, run: Run, batch: Any, generator: torch.Generator) -> Iterator[Float[Tensor, ""]]:
        """The loss of each micro-batch, weighted so that they add up to the batch's mean, in nats.

        Lazily: the loop frees one micro-batch's graph before it asks for the next."""


@dataclass(frozen=True)
class StepRecord:
    """What one optimizer step did."""

    step: int
    """Steps finished, this one included."""
    epoch: float
    loss: float
    lr: float
    samples: int
    seconds: float


@dataclass
class Run:
    """Everything that a training run changes as it goes."""

    model: nn.Module
    config: TrainConfig
    device: torch.device
    step: int = 0
    ranks: Ranks = field(default_factory=Ranks)
    """This process among those that train the model together."""
    optimizers: list[torch.optim.Optimizer] = field(init=False)
    average: WeightAverage | None = field(init=False)

    def __post_init__(self) -> None:
        self.model.to(self.device)
        if self.config.channels_last:
            self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizers = build_optimizers(self.model, self.config)
        self.average = WeightAverage(self.model, self.config.ema) if self.config.ema else None

    def state(self) -> Tree:
        """All that a checkpoint needs."""
        average = self.average
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "average": {"updates": average.updates, "tensors": average.tensors} if average else None,
        }

    def restore(self, state: Tree) -> None:
        """Go back to what `state` returned."""
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        if self.average and state["average"]:
            self.average.updates = state["average"]["updates"]
            for name, tensor in state["average"]["tensors"].items():
                self.average.tensors[name].copy_(tensor)

    def weights(self) -> dict[str, Tensor]:
        """The weights to evaluate and keep: the average where there is one; a copy."""
        source = self.average.tensors if self.average else self.model.state_dict()
        return {name: tensor.detach().clone() for name, tensor in source.items()}


def step_seed(seed: int, step: int, rank: int = 0) -> int:
    """A seed for one step of one rank, far from its neighbours' (the mixing constant is splitmix64's)."""
    return ((seed + 7919 * rank) * 1_000_003 + step + 1) * 0x9E3779B97F4A7C15 % 2**63


def total_steps(config: TrainConfig, batches_per_epoch: int) -> int:
    """Steps of the whole run; at least one, unless no epochs are asked for."""
    return max(1, round(config.epochs * batches_per_epoch)) if config.epochs else 0


def train_steps(run: Run, loader: Loader, objective: Objective) -> Generator[StepRecord, None, None]:
    """Train from `run.step` to the end, one record after each step; `run` is whole whenever this yields."""
    config = run.config
    steps = total_steps(config, len(loader))
    generator = torch.Generator()
    while run.step < steps:
        epoch, start = divmod(run.step, len(loader))
        for batch in loader.batches(epoch, start):
            began = time.perf_counter()
            seed = step_seed(config.seed, run.step, run.ranks.rank)
            generator.manual_seed(seed)
            torch.manual_seed(seed)
            factor = learning_rate_factor(run.step, steps, config)
            run.model.train()
            loss = _optimize(run, objective(run, batch, generator), factor)
            run.step += 1
            yield StepRecord(
                step=run.step,
                epoch=run.step / len(loader),
                loss=loss,
                lr=config.lr * factor,
                samples=len(batch) * run.ranks.world,
                seconds=time.perf_counter() - began,
            )
            if run.step >= steps:
                return


def _optimize(run: Run, losses: Iterator[Float[Tensor, ""]], factor: float) -> float:
    """One optimizer step over one batch in micro-batches; the mean loss of all ranks in nats."""
    config = run.config
    for optimizer in run.optimizers:
        optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for loss in losses:
        loss.backward()
        total += loss.item()
    average_gradients(run.model)
    total = sum(loss for (loss,) in of_ranks(total)) / run.ranks.world
    if not math.isfinite(total):
        raise TrainingError(
            f"the loss became {total} at step {run.step + 1}; checkpoints of earlier steps are whole: "
            f"lower train.lr (now {config.lr}), or set train.clip"
        )
    if config.clip is not None:
        nn.utils.clip_grad_norm_(run.model.parameters(), config.clip)
    for optimizer in run.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        optimizer.step()
    if run.average:
        run.average.update(run.model)
    return total


def autocast(config: TrainConfig, device: torch.device) -> AbstractContextManager[object]:
    """Mixed precision as configured."""
    return torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16")


@torch.no_grad()
def batched(
    function: Callable[[Tensor], Tensor], pixels: UInt8[Tensor, "N H W C"], device: torch.device
) -> Float[Tensor, "N D"]:
    """`function` over raw pixels in batches of 1,000, in float32 on the CPU."""
    parts = [function(part.to(device)).float().cpu() for part in pixels.split(1000)]
    return torch.cat(parts)
