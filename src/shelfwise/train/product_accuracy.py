"""How a products network is judged: accuracy and temperature from every subset of the modalities."""

from __future__ import annotations

import numpy as np
import torch
from numpy import ndarray

from shelfwise.config import ProductsConfig
from shelfwise.decide.temperature import fit_temperature
from shelfwise.nn.product_loader import ProductData, in_order
from shelfwise.nn.product_net import ProductNet, only
from shelfwise.train.fit import Validation, evaluating
from shelfwise.train.loop import Run
from shelfwise.train.product_objective import Subset, subsets


def finest_accuracy(data: ProductData) -> Validation | None:
    """Accuracy of the first target's finest level, from all that is known; None without any such label."""
    if not (data.labels[next(iter(data.labels))][:, -1] >= 0).any():
        return None

    def score(run: Run) -> float:
        with evaluating(run) as model:
            assert isinstance(model, ProductNet)
            return accuracy(model, data, run.device) or 0.0

    return Validation("accuracy", score)


def accuracy(net: ProductNet, data: ProductData, device: torch.device) -> float | None:
    """Of the first target's finest level, from all that is known; None without any such label."""
    name = next(iter(data.labels))
    truth = data.labels[name][:, -1]
    if not (truth >= 0).any():
        return None
    everything = net.fusion.modalities
    logits = answers(net, data, device, [everything])[everything][name]
    return float((logits.argmax(1) == truth)[truth >= 0].mean())


@torch.no_grad()
def answers(
    net: ProductNet, data: ProductData, device: torch.device, asked: list[Subset]
) -> dict[Subset, dict[str, ndarray]]:
    """Logits [N, K] of every target, from each subset of the modalities; under `vectors` unit vectors."""
    parts: dict[Subset, dict[str, list[ndarray]]] = {subset: {} for subset in asked}
    for batch in in_order(data):
        encoded = net.encode(batch.products.to(device))
        for subset in asked:
            logits, vectors = net.answer(only(encoded, subset))
            found = logits if vectors is None else logits | {"vectors": vectors}
            for name, values in found.items():
                parts[subset].setdefault(name, []).append(values.float().cpu().numpy())
    return {
        subset: {name: np.concatenate(some) for name, some in named.items()}
        for subset, named in parts.items()
    }


def judged(
    net: ProductNet, data: ProductData, config: ProductsConfig
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Accuracy by modalities and target, and temperature by target and modalities, on validation.

    Modalities are named as in `picture+text`. Several values at once have neither."""
    accuracy: dict[str, dict[str, float]] = {}
    temperature: dict[str, dict[str, float]] = {name: {} for name in data.labels}
    asked = subsets(net.fusion.modalities)
    found = answers(net, data, torch.device("cpu"), asked) if len(data) else {}
    for subset in asked:
        there = "+".join(subset)
        for name, target in config.asked.items():
            temperature[name][there] = 1.0
            labels = data.labels[name][:, -1]
            if target.several or not (labels >= 0).any():
                continue
            logits = found[subset][name]
            temperature[name][there] = fit_temperature(logits, labels)
            right = (logits.argmax(1) == labels)[labels >= 0]
            accuracy.setdefault(there, {})[name] = float(right.mean())
    return accuracy, temperature
