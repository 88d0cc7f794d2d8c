"""One training run of a products network, from a configuration to a bundle."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shelfwise.bundle import BundleInfo, ProductsBundle, ProductsInfo, TargetInfo, now
from shelfwise.config import ProductsConfig
from shelfwise.errors import ConfigError
from shelfwise.nn.heads import logit_adjustment
from shelfwise.nn.product_loader import ProductLoader, in_order
from shelfwise.nn.product_net import ProductNet
from shelfwise.train.allocator import keep_freed_memory
from shelfwise.train.fit import Fitted, Watch, fit, load_weights, training_cost
from shelfwise.train.loop import Run
from shelfwise.train.package_products import package_products
from shelfwise.train.product_accuracy import finest_accuracy, judged
from shelfwise.train.product_inputs import ProductInputs, fingerprint, load_product_inputs
from shelfwise.train.product_objective import LearnProducts
from shelfwise.train.start import finished, pick_device, prepare_folder, set_threads
from shelfwise.train.tower_tuning import (
    checkpoints,
    described,
    forget,
    normalisation,
    prepare_towers,
    remember,
    settle,
)
from shelfwise.train.zero_shot import begin_zero_shot, mix

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
    an unfinished one is not overwritten without it. ConfigError for `init_from`, which is not there yet."""
    if init_from is not None:
        raise ConfigError("--init-from is for pictures and reviews; a products run starts afresh")
    began = time.perf_counter()
    done = finished(config, out) if resume else None
    if isinstance(done, ProductsBundle):
        return done
    prepare_folder(out, resume=resume)
    set_threads(config.train.threads)
    keep_freed_memory()
    data = inputs or load_product_inputs(config, max_errors=max_errors)
    log.info("%d products to train on, %d to validate", len(data.train), len(data.validation))
    net, fitted, run, wise = _fit(config, data, out, resume=resume, watch=watch)
    accuracy, temperature = judged(net, data.validation, config)
    forget(net)
    mean, std = normalisation(net)
    products = ProductsInfo(
        modalities=net.modalities,
        targets={name: _target(name, config, data, temperature[name]) for name in data.classes},
        scales=data.scales,
        shared=net.shared.width if net.shared is not None else 0,
    )
    info = BundleInfo(
        name=config.name,
        version="",
        created=now(),
        target=net.finest,
        classes=tuple(" > ".join(path) for path in data.classes[net.finest].paths),
        source=data.source,
        task="products",
        mean=mean,
        std=std,
        temperature=temperature[net.finest]["+".join(net.fusion.modalities)],
        products=described(net, config, products, data.reader.max_tokens if data.reader else 0),
        info={
            "training": training_cost(run, fitted, began),
            "validation": accuracy,
            "rows": {"train": len(data.train), "validation": len(data.validation)},
            **({"checkpoints": checkpoints(config)} if config.pretrained else {}),
            **wise,
        },
    )
    some = data.validation if len(data.validation) > 1 else data.train
    sample = next(in_order(some, limit=16)).products
    return package_products(
        net,
        info=info,
        config=config,
        sample=sample,
        tokenizer=data.reader.tokenizer if data.reader else None,
        journal=out / "journal.jsonl",
        path=out / "bundle",
    )


def _fit(
    config: ProductsConfig,
    data: ProductInputs,
    out: Path,
    *,
    resume: bool,
    watch: Callable[[Watch], None],
) -> tuple[ProductNet, Fitted, Run, dict[str, Any]]:
    """The trained network, and what is to be told of its mixing with the zero-shot one."""
    torch.manual_seed(config.train.seed)
    net = ProductNet(config, data.classes, data.mean, data.std)
    if config.fusion.kind == "dual":
        assert data.reader is not None
        begin_zero_shot(net, config, data.classes, data.reader)
    mixes = config.zero_shot.wise is not None and config.train.epochs > 0
    start = {name: value.clone() for name, value in net.state_dict().items()} if mixes else {}
    device = pick_device(config.train.device)
    prepare_towers(net, config, device)
    run = Run(net, config.train, device)
    remember(net, config, device, [data.train, data.validation])
    size, seed = config.train.batch_size, config.train.seed
    validation = finest_accuracy(data.validation)
    fitted = Fitted(run.weights(), 0.0, 0.0)
    if config.train.epochs:
        fitted = fit(
            run,
            ProductLoader(data.train, size, seed=seed, augment=config.augment),
            LearnProducts(config, adjustments(config, data)),
            validation,
            folder=out,
            fingerprint=fingerprint(config, data.train),
            resume=resume,
            watch=watch,
        )
    load_weights(net, fitted.weights)
    settle(net, config)
    wise = mix(net, start, config.zero_shot.wise, data.validation) if start else {}
    return net.cpu(), fitted, run, wise


def adjustments(config: ProductsConfig, data: ProductInputs) -> dict[str, Tensor]:
    """What is added to the logits of the targets that have `adjust`."""
    found = {}
    for name, target in config.asked.items():
        if target.adjust and not target.several:
            finest = data.train.labels[name][:, -1]
            counts = np.bincount(finest[finest >= 0], minlength=len(data.classes[name]))
            found[name] = logit_adjustment(torch.from_numpy(counts), target.adjust)
    return found


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
