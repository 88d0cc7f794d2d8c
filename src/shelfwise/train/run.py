"""One training run from a configuration to a bundle."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from shelfwise.bundle import Bundle, BundleInfo, now
from shelfwise.config import Config
from shelfwise.data.labelled import LabelledPictures
from shelfwise.data.prompts import class_prompts
from shelfwise.data.statistics import pixel_statistics
from shelfwise.data.tokens import TokenizerConfig
from shelfwise.decide.temperature import fit_temperature
from shelfwise.errors import ConfigError
from shelfwise.export.static import CALIBRATION
from shelfwise.nn.build import build_classifier
from shelfwise.nn.towers import PictureClassifier
from shelfwise.train.align import align_text
from shelfwise.train.allocator import keep_freed_memory
from shelfwise.train.fit import Fitted, Watch, fit, load_weights, picture_accuracy, training_cost
from shelfwise.train.inputs import Inputs, TrainingRows, fingerprint, load_inputs, make_loader, pixel_chunks
from shelfwise.train.loop import Run, batched
from shelfwise.train.objectives import ClassifyPictures
from shelfwise.train.package import package
from shelfwise.train.precision import compare_pictures
from shelfwise.train.start import finished, pick_device, run_folder, set_threads
from shelfwise.train.unlike import fit_unlike

log = logging.getLogger(__name__)

ALIGN_ROWS = 20_000
"""Rows whose features the text alignment sees: more does not help it."""


def train(
    config: Config,
    out: Path,
    *,
    resume: bool = False,
    init_from: Path | None = None,
    watch: Callable[[Watch], None] = lambda _: None,
    inputs: Inputs | None = None,
    max_errors: int = 0,
) -> Bundle:
    """Train as `config` says and write `out/bundle`; journal and checkpoints go to `out` as well.

    A finished run with the same configuration is returned as it is when `resume` is set. Without
    `resume`, an `out` that holds an unfinished run is refused, so that nothing is overwritten by a slip."""
    began = time.perf_counter()
    done = finished(config, out) if resume else None
    if isinstance(done, Bundle):
        return done
    with run_folder(out, resume=resume):
        set_threads(config.train.threads)
        keep_freed_memory()
        data = inputs or load_inputs(config, out, max_errors=max_errors)
        log.info("%d rows to train on, %d to validate", len(data.train), len(data.validation))
        model = _new_model(config, data.train, init_from)
        run = Run(model, config.train, pick_device(config.train.device))
        fitted = fit(
            run,
            make_loader(config, data.train),
            ClassifyPictures(len(data.train.classes), config.augment.mixup, config.unlike),
            picture_accuracy(data.validation),
            folder=out,
            fingerprint=fingerprint(config, data.train),
            resume=resume,
            watch=watch,
        )
        load_weights(model, fitted.weights)
        return _finish(config, data, run, fitted, out=out, began=began)


def _new_model(config: Config, data: TrainingRows, init_from: Path | None) -> PictureClassifier:
    """The classifier at the start of a run: random from the seed, or a bundle's weights."""
    statistics = pixel_statistics(pixel_chunks(data))
    mean, std = tuple(map(float, statistics.mean)), tuple(map(float, statistics.std))
    torch.manual_seed(config.train.seed)
    model = build_classifier(config, classes=len(data.classes), mean=mean, std=std)
    if init_from is not None:
        _start_from(model, init_from, data.classes)
    return model


def _finish(config: Config, data: Inputs, run: Run, fitted: Fitted, *, out: Path, began: float) -> Bundle:
    """Calibrate, align and package a trained classifier."""
    model = run.model
    assert isinstance(model, PictureClassifier)
    logits = batched(model, torch.from_numpy(data.validation.images), run.device).numpy()
    temperature = _temperature(logits, data.validation)
    unlike = fit_unlike(model, data.validation, config.unlike, run.device) if config.unlike.share else None
    tokenizer = TokenizerConfig() if config.text.align else None
    final: torch.nn.Module = model
    if tokenizer is not None:
        final = _align(model, data, config, tokenizer, temperature)
    info = BundleInfo(
        name=config.name,
        version="",
        created=now(),
        target=data.target,
        classes=data.train.classes,
        source=data.source,
        mean=tuple(model.normalize.mean.div(255).tolist()),
        std=tuple(model.normalize.std.div(255).tolist()),
        temperature=temperature,
        tokenizer=tokenizer,
        unlike=unlike,
        info={
            "training": training_cost(run, fitted, began),
            "validation": _validation(logits, data.validation),
            "rows": {"train": len(data.train), "validation": len(data.validation)},
        },
    )
    some = data.validation if len(data.validation) else data.train
    sample = torch.from_numpy(some.take(np.arange(min(64, len(some)))).images)
    seen = np.random.default_rng(config.train.seed).permutation(len(data.train))[:CALIBRATION]
    bundle = package(
        final,
        info=info,
        config=config,
        sample=sample,
        calibration=data.train.take(np.sort(seen)).images,
        journal=out / "journal.jsonl",
        path=out / "bundle",
    )
    compare_pictures(bundle, data.validation)
    return bundle


def _start_from(model: PictureClassifier, path: Path, classes: tuple[str, ...]) -> None:
    """Take over a bundle's weights; the head's rows follow the class names, new classes start afresh."""
    from shelfwise.predict.torch_backend import load_model

    bundle = Bundle.open(path)
    old = load_model(bundle)
    donor = getattr(old, "classifier", old).state_dict()
    present = model.state_dict()
    head = donor.pop("head.weight")
    if model.unlike is None:
        donor = {name: value for name, value in donor.items() if not name.startswith("unlike.")}
    wrong = [k for k, v in donor.items() if k not in present or present[k].shape != v.shape]
    if wrong or head.shape[1] != present["head.weight"].shape[1]:
        raise ConfigError(
            f"--init-from '{path}': its network has another shape than [model] says; "
            f"use the bundle's own [model] and [preprocess] (see {path / 'config.json'})"
        )
    rows = present["head.weight"].clone()
    for k, name in enumerate(classes):
        if name in bundle.classes:
            rows[k] = head[bundle.classes.index(name)]
    model.load_state_dict({**present, **donor, "head.weight": rows})


def _align(
    model: PictureClassifier,
    data: Inputs,
    config: Config,
    tokenizer: TokenizerConfig,
    temperature: float,
) -> torch.nn.Module:
    """The dual encoder around `model`, aligned on at most `ALIGN_ROWS` training rows."""
    generator = np.random.default_rng(config.train.seed)
    rows = np.sort(generator.permutation(len(data.train))[:ALIGN_ROWS])
    some = data.train.take(rows)
    device = next(model.parameters()).device
    features: Tensor = batched(model.features, torch.from_numpy(some.images), device)
    return align_text(
        model.cpu(),
        features,
        torch.from_numpy(some.labels),
        class_prompts(some.classes, use="train", source=data.source, describe=config.text.describe),
        config=config,
        tokenizer=tokenizer,
        temperature=temperature,
        seed=config.train.seed,
    )


def _validation(logits: np.ndarray, data: LabelledPictures) -> dict[str, float]:
    known = data.labels >= 0
    if not known.any():
        return {}
    return {"accuracy": float((logits.argmax(1) == data.labels)[known].mean())}


def _temperature(logits: np.ndarray, data: LabelledPictures) -> float:
    """The temperature fitted on labelled validation rows; 1 without any."""
    known = data.labels >= 0
    return fit_temperature(logits[known], data.labels[known]) if known.any() else 1.0
