"""The rows that a data report goes through: of a shop's catalogue, or of Fashion-MNIST."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from shelfwise.config import CatalogConfig
from shelfwise.data import catalog, fashion_mnist
from shelfwise.data.pictures import DECODE_SIDE, DecodedPicture
from shelfwise.schema import RowError, RowWarning

FASHION_MNIST_TARGET = "category"


@dataclass(frozen=True)
class PicturedRow:
    """One product as the report sees it: texts, labels as plain strings, and its decoded picture."""

    id: str
    picture: DecodedPicture
    labels: dict[str, str]
    title: str = ""
    description: str = ""
    published: str = ""
    """`train` or `test` where the data set comes with such a division."""


def pictured_rows(config: CatalogConfig) -> Iterator[PicturedRow | RowError | RowWarning]:
    """Every row of the catalogue, streaming; what cannot be used comes as a RowError."""
    if config.source == "fashion-mnist":
        yield from _fashion_mnist_rows(config)
        return
    for item in catalog.read_pictures(config, target_side=DECODE_SIDE):
        if isinstance(item, RowError | RowWarning):
            yield item
            continue
        product = item.product
        labels = {target: _plain(value) for target, value in product.labels.items()}
        yield PicturedRow(product.id, item.picture, labels, product.title or "", product.description or "")


def target_of(config: CatalogConfig) -> str:
    """The label that the report looks at most closely: `target`, else the first one; empty for none."""
    if config.source == "fashion-mnist":
        return FASHION_MNIST_TARGET
    return config.target or next(iter(catalog.columns_of(config).labels), "")


def _plain(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else " | ".join(value)


def _fashion_mnist_rows(config: CatalogConfig) -> Iterator[PicturedRow]:
    for part in ("train", "test"):
        data = fashion_mnist.load(part, config.folder)
        for pixels, label, name in zip(data.images, data.labels.tolist(), data.ids, strict=True):
            digest = hashlib.sha256(pixels.tobytes()).digest()
            picture = DecodedPicture(pixels, "L", (), (pixels.shape[1], pixels.shape[0]), digest)
            yield PicturedRow(name, picture, {FASHION_MNIST_TARGET: data.classes[label]}, published=part)
