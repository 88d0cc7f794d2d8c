"""How well a products network answers on validation: its score as it learns, its figures and temperatures.

N products, K classes of a target, L levels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy import ndarray

from shelfwise.bundle.modalities import Subset, subset_key, subsets
from shelfwise.config import ProductsConfig
from shelfwise.data.product_rows import pictures_of
from shelfwise.decide.temperature import fit_temperature
from shelfwise.metrics.multilabel import multilabel_scores
from shelfwise.nn.product_loader import ProductBatch, ProductData, batch_of, pictures_at
from shelfwise.nn.product_net import ProductNet, only
from shelfwise.train.fit import Validation, evaluating
from shelfwise.train.loop import Run

BATCH = 256
"""Products asked at once when a network is judged."""


def main_validation(config: ProductsConfig, data: ProductData) -> Validation | None:
    """The main target's figure, from all that is known, as training goes; None without a label of it."""
    if not main_is_labelled(data):
        return None

    def score(run: Run) -> float:
        with evaluating(run) as model:
            assert isinstance(model, ProductNet)
            return main_score(model, config, data, run.device) or 0.0

    return Validation(main_figure(config), score)


def main_figure(config: ProductsConfig) -> str:
    """What the main target is judged by; see `figure_of`."""
    main = next(iter(config.effective_targets.values()), None)
    return "micro_f1" if main is not None and main.several else "accuracy"


def main_is_labelled(data: ProductData) -> bool:
    """Whether any product has a label of the main target."""
    return bool(data.labels) and bool((data.labels[_main(data)][:, -1] >= 0).any())


def main_score(
    net: ProductNet, config: ProductsConfig, data: ProductData, device: torch.device
) -> float | None:
    """The same figure of a network as it is; None where no product with a label can be asked about."""
    if not main_is_labelled(data):
        return None
    name, everything = _main(data), net.fusion.modalities
    has = data.has()
    rows = np.stack([has[modality] for modality in everything]).any(0)
    labels = data.labels[name]
    if not (labels[rows, -1] >= 0).any():
        return None
    logits = answers(net, data, device, [everything])[everything][name]
    return figure_of(logits[rows], labels[rows], several=config.effective_targets[name].several)


def figures_and_temperatures(
    net: ProductNet, config: ProductsConfig, data: ProductData
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Figures by modalities and target, and temperatures by target and modalities, such as `picture+text`.

    Each is of the products that have all of these modalities; of several values at once every one counts by
    itself. A target of which no such product has a label has no figure, and a temperature of 1."""
    figures: dict[str, dict[str, float]] = {}
    temperatures: dict[str, dict[str, float]] = {name: {} for name in data.labels}
    asked = subsets(net.fusion.modalities)
    found = answers(net, data, torch.device("cpu"), asked) if len(data) else {}
    has = data.has()
    for subset in asked:
        key, rows = subset_key(subset), np.stack([has[modality] for modality in subset]).all(0)
        for name, labels in data.labels.items():
            several = config.effective_targets[name].several
            temperatures[name][key] = 1.0
            if not (labels[rows, -1] >= 0).any():
                continue
            logits, truth = found[subset][name][rows], labels[rows]
            figures.setdefault(key, {})[name] = figure_of(logits, truth, several=several)
            if several:  # of each value, two classes: that it is not, and that it is
                logits, truth = _by_value(logits, truth)
            temperatures[name][key] = fit_temperature(logits, truth[:, -1])
    return figures, temperatures


def _by_value(
    logits: Float[ndarray, "N K"], labels: Int64[ndarray, "N K"]
) -> tuple[Float[ndarray, "M 2"], Int64[ndarray, "M 1"]]:
    """Every value of every product as a choice of two, with M = N * K."""
    flat = logits.reshape(-1)
    return np.stack([np.zeros_like(flat), flat], axis=1), labels.reshape(-1, 1)


def figure_of(logits: Float[ndarray, "N K"], labels: Int64[ndarray, "N _"], *, several: bool) -> float:
    """Accuracy of the finest level, or micro-F1 of several values at once, over the products with a label.

    `labels` as of `data.product_labels.labels_of`; at least one product has one."""
    finest = labels[:, -1]
    known = finest >= 0
    if not several:
        return float((logits.argmax(1) == finest)[known].mean())
    # Stated from a probability of a half: log-odds of 0.
    return multilabel_scores(logits[known] >= 0, labels[known] == 1)["micro_f1"]


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


def in_order(data: ProductData, limit: int = BATCH) -> Iterator[ProductBatch]:
    """All products in batches of at most `limit`, unchanged."""
    plan = [np.arange(start, min(start + limit, len(data))) for start in range(0, len(data), limit)]
    places = (data.places[data.first[rows[0]] : data.first[rows[-1] + 1]] for rows in plan)
    for rows, (images, at) in zip(plan, pictures_at(data.pool, places), strict=True):
        yield batch_of(data, rows, images.index_select(0, at), pictures_of(data.first, rows)[1])


def _main(data: ProductData) -> str:
    """The first of `ProductsConfig.effective_targets`, in whose order the labels are."""
    return next(iter(data.labels))
