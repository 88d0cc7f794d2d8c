"""One training run of a products network, from a configuration to a bundle."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from shelfwise.bundle import BundleInfo, ProductsBundle, ProductsInfo, TargetInfo, now, open_bundle
from shelfwise.bundle.neighbours import KnownProducts
from shelfwise.config import ProductsConfig
from shelfwise.data.product_rows import pictures_of
from shelfwise.data.prompts import Templates
from shelfwise.data.taxonomy import balanced_rows
from shelfwise.decide.temperature import fit_temperature
from shelfwise.errors import ConfigError
from shelfwise.export.static import CALIBRATION
from shelfwise.nn.heads import logit_adjustment
from shelfwise.nn.product_loader import ProductBatch, ProductData, ProductLoader, batch_of, pictures_at
from shelfwise.nn.product_net import ProductNet, only
from shelfwise.nn.ranks import Ranks, join
from shelfwise.train.allocator import keep_freed_memory
from shelfwise.train.fit import Fitted, Validation, Watch, evaluating, fit, load_weights, training_cost
from shelfwise.train.loop import Run
from shelfwise.train.package_products import package_products
from shelfwise.train.precision import compare_products
from shelfwise.train.product_inputs import ProductInputs, fingerprint, load_product_inputs
from shelfwise.train.product_objective import LearnProducts, Subset, subsets
from shelfwise.train.product_search import FIGURE, can_search, search_score, title_search
from shelfwise.train.product_start import start_from
from shelfwise.train.start import finished, pick_device, prepare_folder, set_threads
from shelfwise.train.tower_tuning import (
    architectures,
    checkpoints,
    normalisation,
    prepare_towers,
    remember,
    settle,
)
from shelfwise.train.zero_shot import begin_zero_shot, mix, prompt_templates

log = logging.getLogger(__name__)
BATCH = 256
"""Products asked at once when a network is judged."""


def train_products(
    config: ProductsConfig,
    out: Path,
    *,
    resume: bool = False,
    init_from: Path | None = None,
    watch: Callable[[Watch], None] = lambda _: None,
    inputs: ProductInputs | None = None,
    max_errors: int = 0,
) -> ProductsBundle:
    """Train as `config` says and write `out/bundle`; journal and checkpoints go to `out` as well.

    As `train.run.train` does for pictures: a finished run is returned as it is when `resume` is set, and
    an unfinished one is not overwritten without it. Under torchrun all processes train together, each of them
    on its share of every batch, and the first one writes. `init_from` is a bundle to take weights from; see
    `product_start`."""
    began = time.perf_counter()
    done = finished(config, out) if resume else None
    if isinstance(done, ProductsBundle):
        return done
    prepare_folder(out, resume=resume)
    set_threads(config.train.threads)
    keep_freed_memory()
    data = inputs or load_product_inputs(config, max_errors=max_errors)
    log.info("%d products to train on, %d to validate", len(data.train), len(data.validation))
    templates = prompt_templates(config)  # before the training, so that a wrong file is told at once
    with join(pick_device(config.train.device).type) as ranks:
        net, fitted, run = _fit(config, data, out, ranks, resume=resume, init_from=init_from, watch=watch)
        if ranks.first:
            cost = training_cost(run, fitted, began)
            _package(net, config, data, out, device=run.device, cost=cost, templates=templates)
    bundle = open_bundle(out / "bundle")
    assert isinstance(bundle, ProductsBundle)
    return bundle


def _package(
    net: ProductNet,
    config: ProductsConfig,
    data: ProductInputs,
    out: Path,
    *,
    device: torch.device,
    cost: dict[str, Any],
    templates: Templates,
) -> None:
    """Judge the trained network on validation and write `out/bundle`."""
    mixed = mix(net, config, data, lambda: accuracy_of(net, data.validation, device) if net.finest else None)
    accuracy, temperature = _judged(net.cpu(), data.validation, config)
    searched = {}
    if not net.finest and can_search(data.validation):
        found = search_score(net, data.validation, torch.device("cpu"), answers)
        searched = {"search": {FIGURE: found}}
    mean, std = normalisation(net)
    info = BundleInfo(
        name=config.name,
        version="",
        created=now(),
        target=net.finest,
        classes=tuple(" > ".join(path) for path in data.classes[net.finest].paths) if net.finest else (),
        source=data.source,
        task="products",
        mean=mean,
        std=std,
        temperature=temperature[net.finest]["+".join(net.fusion.modalities)] if net.finest else 1.0,
        products=ProductsInfo(
            modalities=net.modalities,
            targets={name: _target(name, config, data, temperature[name]) for name in data.classes},
            scales=data.scales,
            shared=net.shared.width if net.shared is not None else 0,
            scale=net.temperature().item() if net.temperature is not None else 1.0,
            templates=templates,
            architectures=architectures(net, config),
            max_tokens=data.reader.max_tokens if data.reader is not None else 0,
        ),
        info={
            "training": cost,
            "validation": accuracy,
            "rows": {"train": len(data.train), "validation": len(data.validation)},
            **({"checkpoints": checkpoints(config)} if config.pretrained else {}),
            **mixed,
            **searched,
        },
    )
    some = data.validation if len(data.validation) > 1 else data.train
    sample = next(in_order(some, limit=16)).products
    bundle = package_products(
        net,
        info=info,
        config=config,
        sample=sample,
        calibration=_some_pictures(data.train, config.train.seed),
        tokenizer=data.reader.tokenizer if data.reader is not None else None,
        journal=out / "journal.jsonl",
        path=out / "bundle",
        known=_known_products(net, config, data),
    )
    compare_products(bundle, in_order(data.validation))


def _some_pictures(data: ProductData, seed: int) -> ndarray | None:
    """Training pictures [N, H, W, C] to take ranges of activations from; None where there is none."""
    chosen = np.random.default_rng(seed).permutation(len(data.places))[:CALIBRATION]
    return data.pool[data.places[np.sort(chosen)]] if len(chosen) else None


def _fit(
    config: ProductsConfig,
    data: ProductInputs,
    out: Path,
    ranks: Ranks,
    *,
    resume: bool,
    init_from: Path | None,
    watch: Callable[[Watch], None],
) -> tuple[ProductNet, Fitted, Run]:
    """The trained network."""
    size, seed = config.train.batch_size, config.train.seed
    if min(size, len(data.train)) < ranks.world or size % ranks.world:
        raise ConfigError(
            f"train.batch_size is {size} and there are {len(data.train)} products to train on: "
            f"the batch must be a multiple of the {ranks.world} processes, with a product for each"
        )
    torch.manual_seed(seed)
    net = ProductNet(config, data.classes, data.mean, data.std)
    if config.fusion.kind == "dual":
        begin_zero_shot(net, config, data)
    if init_from is not None:
        start_from(net, init_from, {name: classes.paths for name, classes in data.classes.items()})
    prepare_towers(net, config, ranks.device)
    run = Run(net, config.train, ranks.device, ranks=ranks)
    remember(net, config, ranks.device, chain(in_order(data.train), in_order(data.validation)))
    loader = ProductLoader(
        data.train, size, seed=seed, augment=config.augment, weights=chances(config, data), ranks=ranks
    )
    fitted = fit(
        run,
        loader,
        LearnProducts(config, adjustments(config, data)),
        finest_accuracy(data.validation) if net.finest else title_search(data.validation, answers),
        folder=out,
        fingerprint=fingerprint(config, data),
        resume=resume,
        watch=watch,
    )
    load_weights(net, fitted.weights)
    settle(net, config)
    return net, fitted, run


def adjustments(config: ProductsConfig, data: ProductInputs) -> dict[str, Tensor]:
    """What is added to the logits of the targets that have `adjust`."""
    found = {}
    for name, target in config.asked.items():
        if target.adjust and not target.several:
            finest = data.train.labels[name][:, -1]
            counts = np.bincount(finest[finest >= 0], minlength=len(data.classes[name]))
            found[name] = logit_adjustment(torch.from_numpy(counts), target.adjust)
    return found


def chances(config: ProductsConfig, data: ProductInputs) -> ndarray | None:
    """How likely each training product [N] is drawn, where a target has `balance`; None draws all in turn."""
    for name, target in config.asked.items():
        if target.balance:
            return balanced_rows(data.train.labels[name][:, -1], target.balance)
    return None


def finest_accuracy(data: ProductData) -> Validation | None:
    """Accuracy of the first target's finest level, from all that is known; None without any such label."""
    if not data.labels or not (data.labels[next(iter(data.labels))][:, -1] >= 0).any():
        return None

    def score(run: Run) -> float:
        with evaluating(run) as model:
            assert isinstance(model, ProductNet)
            found = accuracy_of(model, data, run.device)
        return 0.0 if found is None else found

    return Validation("accuracy", score)


def accuracy_of(net: ProductNet, data: ProductData, device: torch.device) -> float | None:
    """The same of a network as it is."""
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


def in_order(data: ProductData, limit: int = BATCH) -> Iterator[ProductBatch]:
    """All products in batches of at most `limit`, unchanged."""
    plan = [np.arange(start, min(start + limit, len(data))) for start in range(0, len(data), limit)]
    places = (data.places[data.first[rows[0]] : data.first[rows[-1] + 1]] for rows in plan)
    for rows, (images, at) in zip(plan, pictures_at(data.pool, places), strict=True):
        yield batch_of(data, rows, images.index_select(0, at), pictures_of(data.first, rows)[1])


def _known_products(net: ProductNet, config: ProductsConfig, data: ProductInputs) -> KnownProducts | None:
    """The training products in the shared space, from all that is known of each; None where not wanted."""
    if net.shared is None or not config.shared.neighbours or len(data.ids) != len(data.train):
        return None
    everything = net.fusion.modalities
    found = answers(net, data.train, torch.device("cpu"), [everything])[everything]
    finest = np.full(len(data.train), -1)
    if net.finest and not config.asked[net.finest].several:
        finest = data.train.labels[net.finest][:, -1]
    return KnownProducts(data.ids, data.titles, finest, found["vectors"])


def _judged(
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


def _target(
    name: str, config: ProductsConfig, data: ProductInputs, temperature: dict[str, float]
) -> TargetInfo:
    """What the bundle says of one target."""
    classes, several = data.classes[name], config.asked[name].several
    labels = data.train.labels[name]
    counts = (
        (labels == 1).sum(0)
        if several
        else np.bincount(labels[labels[:, -1] >= 0, -1], minlength=len(classes))
    )
    return TargetInfo(
        levels=classes.levels,
        paths=classes.paths,
        strays=tuple(classes.strays.items()),
        several=several,
        temperatures=temperature,
        counts=tuple(counts.tolist()),
    )
