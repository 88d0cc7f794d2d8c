"""What a run learns from: Fashion-MNIST or a catalogue, in memory or streamed from disk."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from shelfwise.config import Config
from shelfwise.config.training import NO_EFFECT
from shelfwise.data.catalog import ReadCount
from shelfwise.data.collect import target_of
from shelfwise.data.datasets import FASHION_MNIST, load_parts
from shelfwise.data.labelled import LabelledPictures
from shelfwise.data.streamed import StreamedPictures, stream_catalog
from shelfwise.errors import ConfigError, ErrorBudgetError
from shelfwise.nn.loaders import MemoryLoader, Order
from shelfwise.nn.streaming import StreamingLoader
from shelfwise.schema import RowError
from shelfwise.train.loop import Loader

log = logging.getLogger(__name__)

TrainingRows = LabelledPictures | StreamedPictures


@dataclass(frozen=True)
class Inputs:
    """The data of a run."""

    train: TrainingRows
    validation: LabelledPictures
    source: str
    target: str


def load_inputs(config: Config, out: Path, *, max_errors: int = 0) -> Inputs:
    """Training and validation rows of the configured data; the `stream` loader keeps its file in `out`.

    ConfigError where there is nothing to learn, ErrorBudgetError where more than `max_errors` rows of a
    catalogue cannot be used."""
    is_catalog = config.data.source != FASHION_MNIST
    train: TrainingRows
    if config.train.loader == "stream" and is_catalog:
        streamed = stream_catalog(config, out / "pictures.packed")
        _check_budget(config, streamed.count, streamed.errors, max_errors)
        train, validation = streamed.train, streamed.validation
    else:
        loaded = load_parts(config, ["train", "validation"])
        _check_budget(config, loaded.count, loaded.errors, max_errors)
        train, validation = loaded.parts["train"], loaded.parts["validation"]
    if not (train.labels >= 0).any():
        raise ConfigError(f"'{config.data.source}' has no labelled training rows")
    if len(train.classes) < 2:
        raise ConfigError(f"'{config.data.source}' has one class only: {train.classes}")
    target = target_of(config.data) if is_catalog else "category"
    return Inputs(train, validation, Path(config.data.source).name, target)


def make_loader(config: Config, rows: TrainingRows) -> Loader:
    """The training batches; the same ones from memory and from disk."""
    order: Order = "balanced" if config.train.balanced else "shuffled"
    size, seed, augment = config.train.batch_size, config.train.seed, config.augment
    if isinstance(rows, LabelledPictures):
        return MemoryLoader(rows, batch_size=size, seed=seed, order=order, augment=augment)
    return StreamingLoader(
        rows.source,
        rows.labels,
        size,
        preprocessor=rows.preprocessor,
        ids=rows.ids,
        seed=seed,
        order=order,
        augment=augment,
        workers=rows.workers,
    )


def pixel_chunks(rows: TrainingRows) -> Iterable[UInt8[ndarray, "_ _ _ _"]]:
    """All training pixels, a part at a time."""
    return [rows.images] if isinstance(rows, LabelledPictures) else rows.chunks()


def fingerprint(config: Config, rows: TrainingRows) -> dict[str, Any]:
    """What must be the same when a run goes on: all settings that change its weights, and the data."""
    sections = {"preprocess", "model", "augment", "train", "split"}
    if config.unlike.share:  # else it changes no weight, and checkpoints of earlier versions have none
        sections.add("unlike")
    dumped = config.model_dump(mode="json", include=sections)
    for free in NO_EFFECT:
        dumped["train"].pop(free, None)
    flat = {f"{section}.{key}": value for section, values in dumped.items() for key, value in values.items()}
    if isinstance(rows, LabelledPictures):
        digest = hashlib.sha256(np.ascontiguousarray(rows.images).data)
    else:
        digest = hashlib.sha256(rows.digest.encode())
    digest.update(rows.labels.tobytes())
    return {**flat, "data": digest.hexdigest()[:16]}


def _check_budget(
    config: Config, count: ReadCount, errors: list[RowError] | tuple[RowError, ...], max_errors: int
) -> None:
    log.info("%s", count)
    if count.failed > max_errors:
        raise ErrorBudgetError(
            f"'{config.data.source}': {count}; the first is {errors[0]}. "
            f"Mend them, or train without them: --max-errors {count.failed}"
        )
