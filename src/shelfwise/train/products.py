"""One training run of a products network, from a configuration to a bundle."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from shelfwise.bundle import BundleInfo, ProductsBundle, ProductsInfo, TargetInfo, now, open_bundle
from shelfwise.bundle.modalities import subset_key
from shelfwise.bundle.neighbours import KnownProducts
from shelfwise.config import TAKEN_TARGETS, ProductsConfig
from shelfwise.data.prompts import Templates
from shelfwise.data.taxonomy import balanced_rows
from shelfwise.errors import ConfigError
from shelfwise.export.static import CALIBRATION
from shelfwise.nn.heads import logit_adjustment
from shelfwise.nn.product_loader import ProductData, ProductLoader
from shelfwise.nn.product_net import ProductNet
from shelfwise.nn.ranks import Ranks, join
from shelfwise.train.allocator import keep_freed_memory
from shelfwise.train.fit import Fitted, Watch, fit, load_weights, training_cost
from shelfwise.train.loop import Run
from shelfwise.train.package_products import package_products
from shelfwise.train.precision import compare_products
from shelfwise.train.product_inputs import ProductInputs, fingerprint, load_product_inputs
from shelfwise.train.product_objective import LearnProducts
from shelfwise.train.product_search import FIGURE, can_search, search_score, title_search
from shelfwise.train.product_start import start_from
from shelfwise.train.product_validation import (
    answers,
    figures_and_temperatures,
    in_order,
    main_score,
    main_validation,
)
from shelfwise.train.start import finished, pick_device, run_folder, set_threads
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
    _refuse_untrainable(config)
    with run_folder(out, resume=resume):
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


def _refuse_untrainable(config: ProductsConfig) -> None:
    """ConfigError for what no bundle should have; those of before that do are still read."""
    for name in TAKEN_TARGETS:
        if name in config.effective_targets:
            raise ConfigError(
                f"target '{name}': answers use this name for something else; call the target otherwise in "
                f"[targets], such as '{name}_label'"
            )
    main = next(iter(config.effective_targets.items()), None)
    if config.shared.category and main is not None and main[1].several:
        raise ConfigError(
            f"shared.category is {config.shared.category:g}, but the main target, '{main[0]}', has several "
            "values a product and so no category; say 0, or add a target of one value"
        )


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
    mixed = mix(net, config, data, lambda: main_score(net, config, data.validation, device))
    figures, temperatures = figures_and_temperatures(net.cpu().eval(), config, data.validation)
    searched = {}
    if not net.finest and can_search(data.validation):
        found = search_score(net, data.validation, torch.device("cpu"))
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
        temperature=temperatures[net.finest][subset_key(net.fusion.modalities)] if net.finest else 1.0,
        products=ProductsInfo(
            modalities=net.modalities,
            unlearned=unlearned(data.train, net.modalities),
            targets={name: _target(name, config, data, temperatures[name]) for name in data.classes},
            scales=data.scales,
            shared=net.shared.width if net.shared is not None else 0,
            scale=net.temperature().item() if net.temperature is not None else 1.0,
            templates=templates,
            architectures=architectures(net, config),
            max_tokens=data.reader.max_tokens if data.reader is not None else 0,
        ),
        info={
            "training": cost,
            "validation": figures,
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
    _tell_unlearned(net, config, data)
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
        main_validation(config, data.validation) if net.finest else title_search(data.validation),
        folder=out,
        fingerprint=fingerprint(config, data),
        resume=resume,
        watch=watch,
    )
    load_weights(net, fitted.weights)
    settle(net, config)
    return net, fitted, run


def unlearned(data: ProductData, modalities: Sequence[str]) -> tuple[str, ...]:
    """The modalities that none of the products has."""
    has = data.has()
    return tuple(name for name in modalities if not has[name].any())


def _tell_unlearned(net: ProductNet, config: ProductsConfig, data: ProductInputs) -> None:
    """Warn of named columns that say nothing; ConfigError where the fusion has nothing to learn from."""
    absent = unlearned(data.train, net.modalities)
    if set(net.fusion.modalities) <= set(absent):
        raise ConfigError(
            f"fusion.kind is '{config.fusion.kind}', but no training product of '{config.data.source}' has a "
            f"{' or a '.join(net.fusion.modalities)}"
        )
    columns = config.data.columns
    named = {"picture": columns.images, "text": columns.title or columns.description, "table": True}
    for name in absent:
        if named[name] and name in net.fusion.modalities:
            log.warning("no training product has a %s: the bundle will answer from none", name)


def adjustments(config: ProductsConfig, data: ProductInputs) -> dict[str, Tensor]:
    """What is added to the logits of the targets that have `adjust`."""
    found = {}
    for name, target in config.effective_targets.items():
        if target.adjust and not target.several:
            finest = data.train.labels[name][:, -1]
            counts = np.bincount(finest[finest >= 0], minlength=len(data.classes[name]))
            found[name] = logit_adjustment(torch.from_numpy(counts), target.adjust)
    return found


def chances(config: ProductsConfig, data: ProductInputs) -> ndarray | None:
    """How likely each training product [N] is drawn, where a target has `balance`; None draws all in turn."""
    for name, target in config.effective_targets.items():
        if target.balance:
            return balanced_rows(data.train.labels[name][:, -1], target.balance)
    return None


def _known_products(net: ProductNet, config: ProductsConfig, data: ProductInputs) -> KnownProducts | None:
    """The training products in the shared space, from all that is known of each; None where not wanted."""
    if net.shared is None or not config.shared.neighbours or len(data.ids) != len(data.train):
        return None
    everything = net.fusion.modalities
    found = answers(net, data.train, torch.device("cpu"), [everything])[everything]
    finest = np.full(len(data.train), -1)
    if net.finest and not config.effective_targets[net.finest].several:
        finest = data.train.labels[net.finest][:, -1]
    return KnownProducts(data.ids, data.titles, finest, found["vectors"])


def _target(
    name: str, config: ProductsConfig, data: ProductInputs, temperatures: dict[str, float]
) -> TargetInfo:
    """What the bundle says of one target."""
    classes, several = data.classes[name], config.effective_targets[name].several
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
        temperatures=temperatures,
        counts=tuple(counts.tolist()),
    )
