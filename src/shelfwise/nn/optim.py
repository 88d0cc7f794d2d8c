"""Optimizers: Muon for convolutions, Nesterov SGD or AdamW for the rest, and a weight average."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from shelfwise.config import TrainConfig

_LAYER = re.compile(r"\blayers?\.(\d+)\.")


def orthogonalize(matrix: Float[Tensor, "M N"], steps: int = 3) -> Float[Tensor, "M N"]:
    """The nearest semi-orthogonal matrix, roughly: a quintic Newton-Schulz iteration in bfloat16.

    Coefficients and the reason for stopping early: Keller Jordan, "Muon" (2024). Singular values end
    between about 0.5 and 1.5 and not at 1, which trains as well."""
    x: Tensor = matrix.bfloat16()
    x = x / (x.norm() + 1e-7)
    transposed = x.size(0) > x.size(1)
    if transposed:
        x = x.T
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.T if transposed else x


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalised per filter matrix; each weight's norm is reset to sqrt(out) at every step.

    For convolutions that are followed by a normalisation, where the weight's norm has no say."""

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.6) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight)
                momentum = state["momentum"].mul_(group["momentum"]).add_(weight.grad)
                nesterov = weight.grad.add(momentum, alpha=group["momentum"])
                update = orthogonalize(nesterov.reshape(len(nesterov), -1)).view_as(weight)
                weight.mul_(len(weight) ** 0.5 / weight.norm())
                weight.add_(update.to(weight.dtype), alpha=-group["lr"])


@runtime_checkable
class Layered(Protocol):
    """A model whose layers learn at rates of their own."""

    def layer_rates(self) -> Mapping[str, float]:
        """What a parameter's peak rate is multiplied by, by its name; 1 where it is not named."""


def build_optimizers(model: nn.Module, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """The optimizers of a run; every parameter group remembers its peak rate as `peak`.

    Weight decay goes to matrices only, never to biases and normalisations."""
    weights = [p for p in model.parameters() if p.requires_grad]
    filters = [
        module.weight
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d) and "stem" not in name and module.weight.requires_grad
    ]
    taken = {id(p) for p in filters} if config.optimizer == "muon" else set()
    rest = [p for p in weights if id(p) not in taken]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in rest if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    optimizers: list[torch.optim.Optimizer] = []
    if config.optimizer == "adamw":
        if config.head_lr is not None:
            groups = [part for group in groups for part in _heads_apart(group, model, config.head_lr)]
        if isinstance(model, Layered):
            groups = [part for group in groups for part in _layers_apart(group, model, config.lr)]
        optimizers = [_adamw(groups, config.lr)]
    elif config.optimizer == "sgd":
        optimizers = [_sgd(groups, config.lr, config.momentum)]
    else:
        if filters:
            optimizers.append(Muon(filters, lr=config.lr, momentum=config.momentum))
        if groups and config.adamw_lr is not None:
            optimizers.append(_adamw(groups, config.adamw_lr))
        elif groups:
            optimizers.append(_sgd(groups, config.sgd_lr, config.sgd_momentum))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def layer_rates(encoder: nn.Module, decay: float) -> dict[str, float]:
    """What each parameter's rate is multiplied by: `decay` to the power of the layers above it.

    Embeddings are the lowest layer; what stands on the last has the full rate (BEiT, arXiv:2106.08254)."""
    names = [name for name, _ in encoder.named_parameters()]
    found = {name: _LAYER.search(name) for name in names}
    top = 1 + max((1 + int(layer[1]) for layer in found.values() if layer), default=0)
    rates = {}
    for name, layer in found.items():
        low = "embedding" in name or "pre_layrnorm" in name
        depth = int(layer[1]) + 1 if layer else 0 if low else top
        rates[name] = decay ** (top - depth)
    return rates


def _heads_apart(group: dict[str, Any], model: nn.Module, head_lr: float) -> list[dict[str, Any]]:
    """A parameter group as two: the encoder's, and what stands on it at a rate of its own."""
    encoder = {id(p) for name, p in model.named_parameters() if "encoder" in name.split(".")[:2]}
    below = [p for p in group["params"] if id(p) in encoder]
    above = [p for p in group["params"] if id(p) not in encoder]
    parts = [{**group, "params": below}, {**group, "params": above, "lr": head_lr}]
    return [part for part in parts if part["params"]]


def _adamw(groups: list[dict[str, Any]], lr: float) -> torch.optim.AdamW:
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.99), fused=True)


def _layers_apart(group: dict[str, Any], model: nn.Module, lr: float) -> list[dict[str, Any]]:
    """A parameter group as one for each rate that the model's layers ask for."""
    assert isinstance(model, Layered)
    named = model.layer_rates()
    rates = {id(p): named.get(name, 1.0) for name, p in model.named_parameters()}
    found: dict[float, list[Tensor]] = {}
    for parameter in group["params"]:
        found.setdefault(rates[id(parameter)], []).append(parameter)
    return [{**group, "params": some, "lr": group.get("lr", lr) * rate} for rate, some in found.items()]


def _sgd(groups: list[dict[str, Any]], lr: float, momentum: float) -> torch.optim.SGD:
    """SGD with Nesterov momentum, which torch refuses where the momentum is 0."""
    return torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0)


class WeightAverage:
    """An exponential moving average of a model's weights and buffers, on the model's device.

    The decay is (1 + n) / (10 + n) after n updates while that is smaller, so that the start is forgotten."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.tensors = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the model's present weights."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.tensors[name].lerp_(value, 1 - decay)
            else:
                self.tensors[name].copy_(value)
