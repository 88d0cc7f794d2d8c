"""What a products run learns from: the catalogue's parts, every target's classes, the scales of numbers."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from shelfwise.config import ProductsConfig, TitleTowerConfig
from shelfwise.config.training import NO_EFFECT
from shelfwise.data.product_input import FieldScale, field_scales, table_input, text_input
from shelfwise.data.product_labels import classes_of, labels_of
from shelfwise.data.product_rows import ProductParts, ProductRows, load_products
from shelfwise.data.review_tokens import TextReader, choose_max_tokens
from shelfwise.data.statistics import pixel_statistics
from shelfwise.data.taxonomy import Taxonomy
from shelfwise.errors import ConfigError, ErrorBudgetError
from shelfwise.nn.product_loader import ProductData
from shelfwise.nn.title_hiding import hidden_names

log = logging.getLogger(__name__)
CHUNK = 512


@dataclass(frozen=True)
class ProductInputs:
    """The data of a run."""

    train: ProductData
    validation: ProductData
    classes: dict[str, Taxonomy]
    """Of each target, as the training products have them."""
    scales: dict[str, FieldScale]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str
    ids: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    """Of the training products, for those who want to know what a product is like."""
    reader: TextReader | None = None
    """How a pretrained title tower reads."""


def load_product_inputs(config: ProductsConfig, *, max_errors: int = 0) -> ProductInputs:
    """Training and validation products of the configured catalogue.

    ConfigError where there is nothing to learn, ErrorBudgetError where more than `max_errors` rows cannot
    be used."""
    return product_inputs(load_products(config), config, max_errors=max_errors)


def product_inputs(found: ProductParts, config: ProductsConfig, *, max_errors: int = 0) -> ProductInputs:
    """As `load_product_inputs`, of a catalogue that was read before as `config` says."""
    source = config.data.source
    log.info("%s", found.count)
    if found.count.failed > max_errors:
        raise ErrorBudgetError(
            f"'{source}': {found.count}; the first is {found.errors[0]}. "
            f"Mend them, or train without them: --max-errors {found.count.failed}"
        )
    if not config.asked:
        raise ConfigError(f"'{source}' has no label to learn; name one in data.columns.labels")
    train = found.parts["train"]
    classes = {name: classes_of(name, target, train) for name, target in config.asked.items()}
    scales = field_scales(train)
    channels = config.preprocess.channels
    mean, std = (0.5,) * channels, (0.25,) * channels
    if len(train.places):
        statistics = pixel_statistics(_chunks(train))
        mean, std = tuple(map(float, statistics.mean)), tuple(map(float, statistics.std))
    reader = title_reader(config.title, train.titles)
    parts = [
        product_data(found.parts[part], config, classes, scales, reader) for part in ("train", "validation")
    ]
    hiding = hidden_names(train.titles, config, classes, parts[0].pieces.shape[1])
    parts[0] = replace(parts[0], hiding=hiding)
    return ProductInputs(
        parts[0], parts[1], classes, scales, mean, std, Path(source).name, train.ids, train.titles, reader
    )


def title_reader(config: TitleTowerConfig, texts: Sequence[str]) -> TextReader | None:
    """How the pretrained title tower reads, by the lengths of the training texts; None for hashed titles.

    ConfigError where more tokens are asked for than the checkpoint knows places for."""
    if config.tower != "pretrained":
        return None
    from shelfwise.nn.pretrained import load_tokenizer
    from shelfwise.nn.pretrained_halves import text_limit

    assert config.checkpoint is not None
    limit = text_limit(config.checkpoint)  # first, since it tells what reads no texts
    tokenizer = load_tokenizer(config.checkpoint)
    if config.max_tokens is not None and config.max_tokens > limit:
        raise ConfigError(
            f"title.max_tokens is {config.max_tokens}, but '{config.checkpoint}' reads at most {limit}"
        )
    reader = TextReader(tokenizer, limit)
    longest = min(config.longest, limit)
    lengths = reader.lengths(texts) + len(reader.prefix) + len(reader.suffix)
    return TextReader(tokenizer, config.max_tokens or choose_max_tokens(lengths, longest=longest))


def product_data(
    rows: ProductRows,
    config: ProductsConfig,
    classes: Mapping[str, Taxonomy],
    scales: dict[str, FieldScale],
    reader: TextReader | None = None,
) -> ProductData:
    """Products as the loader cuts batches from them; those of one family have one key."""
    words, pieces = text_input(rows.titles, config.title, reader)
    values, numbers = table_input(rows.fields, len(rows), config.table, scales)
    families = {name: number for number, name in enumerate(dict.fromkeys(rows.families))}
    return ProductData(
        pool=rows.pool,
        places=rows.places,
        first=rows.first,
        words=words,
        pieces=pieces,
        values=values,
        numbers=numbers,
        labels={name: labels_of(target, rows, classes[name]) for name, target in config.asked.items()},
        keys=np.array([families[name] for name in rows.families], dtype=np.int64),
    )


def fingerprint(config: ProductsConfig, data: ProductData) -> dict[str, Any]:
    """What must be the same when a run goes on: all settings that change its weights, and the data."""
    sections = {"preprocess", "picture", "title", "table", "fusion", "shared", "zero_shot", "augment"}
    sections |= {"train", "split"}
    dumped = config.model_dump(mode="json", include=sections)
    for free in NO_EFFECT:
        del dumped["train"][free]
    del dumped["shared"]["neighbours"]
    flat = {f"{section}.{key}": value for section, values in dumped.items() for key, value in values.items()}
    flat |= {f"targets.{name}": target.model_dump(mode="json") for name, target in config.asked.items()}
    digest = hashlib.sha256()
    for array in (data.places, data.words, data.values, data.numbers, data.keys, *data.labels.values()):
        digest.update(np.ascontiguousarray(array).tobytes())
    for start in range(0, len(data.places), CHUNK):
        digest.update(data.pool[data.places[start : start + CHUNK]].tobytes())
    return {**flat, "data": digest.hexdigest()[:16]}


def _chunks(rows: ProductRows) -> Iterator[UInt8[ndarray, "_ _ _ _"]]:
    for start in range(0, len(rows.places), CHUNK):
        yield rows.pool[rows.places[start : start + CHUNK]]
