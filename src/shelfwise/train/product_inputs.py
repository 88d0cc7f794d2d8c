"""What a products run learns from: the catalogue's parts, every target's classes, the scales of numbers."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from shelfwise.config import ProductsConfig, TitleTowerConfig
from shelfwise.config.training import NO_EFFECT, without_later
from shelfwise.data.picture_pool import EncodedPool, pictures_of_batches
from shelfwise.data.product_input import FieldScale, field_scales, number_of, table_input, text_input
from shelfwise.data.product_labels import check_several, classes_of, labels_of
from shelfwise.data.product_rows import ROWS, ProductParts, ProductRows, load_products
from shelfwise.data.review_tokens import TextReader, choose_max_tokens
from shelfwise.data.statistics import pixel_statistics
from shelfwise.data.taxonomy import Taxonomy
from shelfwise.errors import ConfigError, DataError, ErrorBudgetError
from shelfwise.nn.product_loader import ProductData
from shelfwise.nn.title_hiding import hidden_names

log = logging.getLogger(__name__)
CHUNK = 512
READ: dict[str, Any] = {
    **ROWS,
    **dict.fromkeys(("targets", "table"), True),
    "title": {"tower", "checkpoint", "max_tokens", "longest", "buckets", "words", "pieces"},
}
"""Settings that `load_product_inputs` depends on, as `ROWS` are."""


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
    digest: str = ""
    """Of all that is learned from, pixels included, in whichever form they are kept."""


def load_product_inputs(config: ProductsConfig, *, max_errors: int = 0) -> ProductInputs:
    """Training and validation products of the configured catalogue.

    ConfigError where there is nothing to learn, ErrorBudgetError where more than `max_errors` rows cannot
    be used."""
    return product_inputs(load_products(config), config, max_errors=max_errors)


def read_as(config: ProductsConfig, what: dict[str, Any] = READ) -> str:
    """The same for configurations that read the same data in the same way: all of it, or `ROWS`."""
    return json.dumps(config.model_dump(mode="json", include=what))


def product_inputs(found: ProductParts, config: ProductsConfig, *, max_errors: int = 0) -> ProductInputs:
    """As `load_product_inputs`, of a catalogue that was read before as `config` says."""
    source = config.data.source
    log.info("%s", found.count)
    if found.count.failed > max_errors:
        raise ErrorBudgetError(
            f"'{source}': {found.count}; the first is {found.errors[0]}. "
            f"Mend them, or train without them: --max-errors {found.count.failed}"
        )
    _tell_skipped(found, source)
    train = found.parts["train"]
    if not config.effective_targets:
        _need_pairs(train, source)
    if isinstance(train.pool, EncodedPool):
        log.info("pictures stay encoded and are decoded batch by batch: see train.picture_memory_mb")
    for name, target in config.effective_targets.items():
        check_several(name, target, train, config.data.columns)
    classes = {name: classes_of(name, target, train) for name, target in config.effective_targets.items()}
    scales = field_scales(train)
    reader = title_reader(config.title, train.titles)
    parts = [
        product_data(found.parts[part], config, classes, scales, reader) for part in ("train", "validation")
    ]
    parts[0] = replace(parts[0], **_contrasted(train, config, reader))
    hiding = hidden_names(train.titles, config, classes, parts[0].pieces.shape[1])
    parts[0] = replace(parts[0], hiding=hiding)
    mean, std, digest = _looked_through(parts[0], classes)
    return ProductInputs(
        train=parts[0],
        validation=parts[1],
        classes=classes,
        scales=scales,
        mean=mean,
        std=std,
        source=Path(source).name,
        ids=train.ids,
        titles=train.titles,
        reader=reader,
        digest=digest,
    )


def _tell_skipped(found: ProductParts, source: str) -> None:
    """Warn of pictures that cannot be used; DataError where pictures are named and none can."""
    if found.skipped is None:
        return
    count = found.count.warnings["picture_skipped"]
    if not any(len(part.places) for part in found.parts.values()):
        raise DataError(
            f"'{source}': none of its pictures can be used; the first is {found.skipped}. Mend "
            "data.image_root, or leave data.columns.images out to learn without pictures"
        )
    log.warning(
        "'%s': %s of the pictures cannot be used, and their products are learned without them; the first "
        "is %s",
        *(source, f"{count:,}", found.skipped),
    )


def _need_pairs(train: ProductRows, source: str) -> None:
    """ConfigError where pictures and titles are all there is to learn from, and too few have both."""
    both = (train.counts > 0) & np.array([bool(title) for title in train.titles], bool)
    if len({train.families[row] for row in np.flatnonzero(both)}) < 2:
        raise ConfigError(
            f"'{source}' has no label to learn, and {int(both.sum())} training products with both a picture "
            "and a title: name labels in data.columns.labels, or data.columns.images and title, which learn "
            "from each other"
        )


def _contrasted(rows: ProductRows, config: ProductsConfig, reader: TextReader | None) -> dict[str, Any]:
    """What the contrastive loss asks for besides: fields by themselves, weights of pairs."""
    found: dict[str, Any] = {}
    if config.shared.fields:
        texts = (rows.texts[name] for name in config.shared.fields)
        found["fields"] = tuple(text_input(some, config.title, reader) for some in texts)
    if config.shared.pairs is not None:
        found["pair_weights"] = pair_weights(rows, config.shared.pairs)
    return found


def pair_weights(rows: ProductRows, name: str) -> Float32[ndarray, "N"]:
    """How much each product counts in the contrastive loss: what its field `name` says, 1 on average.

    A product without a number has the mean of the others. ConfigError for a number below 0, and where none is
    above it."""
    found = [number_of(value) for value in rows.pairs]
    numbers = np.array([np.nan if number is None else number for number in found], np.float64)
    numbers[~np.isfinite(numbers)] = np.nan
    if (numbers < 0).any():
        row = int(np.flatnonzero(numbers < 0)[0])
        raise ConfigError(
            f"shared.pairs: '{name}' is {numbers[row]:g} of product '{rows.ids[row]}', and "
            "weights are 0 or more"
        )
    known = np.isfinite(numbers)
    if not (numbers[known] > 0).any():
        raise ConfigError(f"shared.pairs: '{name}' has no number above 0; name a field of numbers, or none")
    mean = numbers[known].mean()
    return np.where(known, numbers / mean, 1.0).astype(np.float32)


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
        labels={
            name: labels_of(target, rows, classes[name]) for name, target in config.effective_targets.items()
        },
        keys=np.array([families[name] for name in rows.families], dtype=np.int64),
    )


def fingerprint(config: ProductsConfig, data: ProductInputs) -> dict[str, Any]:
    """What must be the same when a run goes on: all settings that change its weights, and the data."""
    sections = {"preprocess", "picture", "title", "table", "fusion", "shared", "zero_shot", "augment"}
    sections |= {"train", "split"}
    dumped = config.model_dump(mode="json", include=sections)
    for free in NO_EFFECT:
        dumped["train"].pop(free, None)
    del dumped["shared"]["neighbours"]
    without_later(dumped)
    flat = {f"{section}.{key}": value for section, values in dumped.items() for key, value in values.items()}
    flat |= {
        f"targets.{name}": target.model_dump(mode="json") for name, target in config.effective_targets.items()
    }
    if config.zero_shot.templates is not None:
        flat["zero_shot.templates"] = hashlib.sha256(config.zero_shot.templates.read_bytes()).hexdigest()[:16]
    return {**flat, "data": data.digest}


def _looked_through(
    data: ProductData, classes: Mapping[str, Taxonomy]
) -> tuple[tuple[float, ...], tuple[float, ...], str]:
    """Mean and deviation of the training pixels, and a digest of all that is learned from: one pass."""
    names = {name: taxonomy.paths for name, taxonomy in classes.items()}
    digest = hashlib.sha256(json.dumps(names).encode())
    contrasted = [array for field in data.fields for array in field]
    if data.pair_weights is not None:
        contrasted.append(data.pair_weights)
    labels = data.labels.values()
    inputs = (data.places, data.first, data.words, data.pieces, data.values, data.numbers, data.keys)
    for array in (*inputs, *labels, *contrasted):
        digest.update(np.ascontiguousarray(array).tobytes())

    def chunks() -> Iterator[UInt8[ndarray, "_ _ _ _"]]:
        places = (data.places[start : start + CHUNK] for start in range(0, len(data.places), CHUNK))
        for pixels in pictures_of_batches(data.pool, places):
            digest.update(pixels.tobytes())
            yield pixels

    channels = data.pool.shape[-1]
    mean, std = (0.5,) * channels, (0.25,) * channels
    if len(data.places):
        statistics = pixel_statistics(chunks())
        mean, std = tuple(map(float, statistics.mean)), tuple(map(float, statistics.std))
    return mean, std, digest.hexdigest()[:16]
