"""One product, asked about again and again: with other pictures, with other words, with less known of it.

Free of torch: whatever runs the bundle, onnxruntime as a rule, answers. B versions, P pictures, T tokens,
K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from shelfwise.bundle import ProductsBundle, TargetInfo
from shelfwise.config import PreprocessConfig
from shelfwise.data.product_input import ProductInput
from shelfwise.data.product_rows import text_of_product
from shelfwise.predict.product_backend import Known, by_product
from shelfwise.predict.products import ProductPredictor
from shelfwise.schema import Product

CHUNK = 64


class AskedProduct:
    """Calibrated logits of one target's classes for versions of a product.

    Where nothing is known that the fusion listens to, they are those of `prior_of` the target: a network is
    never taught what to say then."""

    def __init__(self, predictor: ProductPredictor, product: Product, image_root: Path, target: str) -> None:
        self._predictor, self._product, self._target = predictor, product, target
        bundle = predictor.bundle
        self.info = bundle.reading.targets[target]
        self._nothing = prior_of(bundle, self.info)
        self.text = text_of_product(product)
        self.tokens = None if predictor.reader is None else predictor.reader.first_places(self.text)
        """Where in the text the tokens of a pretrained title tower are; None where it reads words."""
        self.given = predictor.read([product], image_root)
        self.modalities_used = bundle.modalities_used
        self.fusion: str = bundle.config.fusion.kind
        self.background = background_of(bundle.config.preprocess)
        self._known = predictor.encode(self.given)
        self.whole: Float[ndarray, "K"] = self._asked(self._known)[0]
        """Logits from all that is known."""

    @property
    def pixels(self) -> UInt8[ndarray, "P H W C"]:
        """The usable pictures, as the network sees them."""
        return self.given.pixels

    @cached_property
    def _pictures(self) -> Known:
        """Each picture as a product of its own."""
        return self._predictor.encode_pictures(self.pixels)

    @property
    def there(self) -> tuple[str, ...]:
        """The modalities that are known of the product and that the fusion listens to."""
        return tuple(
            name for name in self.modalities_used if name in self._known and self._known[name].present.any()
        )

    @property
    def vector(self) -> Float[ndarray, "E"] | None:
        """The product's unit vector; None where there is no shared space."""
        found = self._predictor.scores(self._known).vectors
        return None if found is None else np.asarray(found[0])

    def of_subset(self, subset: Sequence[str]) -> Float[ndarray, "K"]:
        """Logits as if these modalities were all that is known."""
        everyone = np.ones(1, bool)
        known = {
            name: part if name in subset else part.without(everyone) for name, part in self._known.items()
        }
        return np.asarray(self._asked(known)[0])

    def of_texts(self, texts: Sequence[str]) -> Float[ndarray, "B K"]:
        """Logits with another title, all else as it is."""
        parts = []
        for start in range(0, len(texts), CHUNK):
            some = [self._product.model_copy(update={"title": text, "description": None, "images": ()})
                    for text in texts[start : start + CHUNK]]  # fmt: skip
            known = self._predictor.encode(self._predictor.read(some))
            parts.append(self._asked(known | {"picture": _tiled(self._known["picture"], len(some))}))
        return np.concatenate(parts)

    def of_pictures(self, number: int, pixels: UInt8[ndarray, "B H W C"]) -> Float[ndarray, "B K"]:
        """Logits with other versions of picture `number`, all else as it is."""
        parts = []
        for start in range(0, len(pixels), CHUNK):
            some = pixels[start : start + CHUNK]
            changed = self._predictor.encode_pictures(some)
            known = {name: _tiled(part, len(some)) for name, part in self._known.items()}
            parts.append(self._asked(known | {"picture": self._beside_others(number, changed)}))
        return np.concatenate(parts)

    def _beside_others(self, number: int, changed: Known) -> Known:
        """Versions of one picture, each put together with the product's other pictures as they are."""
        count, versions = len(self._pictures.vector), len(changed.vector)
        tokens = np.repeat(self._pictures.tokens[None], versions, axis=0)
        vectors = np.repeat(self._pictures.vector[None], versions, axis=0)
        tokens[:, number], vectors[:, number] = changed.tokens, changed.vector
        owner = np.repeat(np.arange(versions), count)
        flat = (tokens.reshape(-1, *tokens.shape[2:]), vectors.reshape(-1, vectors.shape[2]))
        return by_product(*flat, owner, versions)

    def _asked(self, known: dict[str, Known]) -> Float[ndarray, "B K"]:
        scores = self._predictor.scores(known)
        found = scores.logits[self._target].copy()
        heard = np.any([scores.known[name] for name in self.modalities_used], axis=0)
        found[~heard] = self._nothing
        return found


def prior_of(bundle: ProductsBundle, info: TargetInfo) -> Float[ndarray, "K"]:
    """Logits of the share of the training products that each class has; of several values each its own."""
    counts = np.maximum(np.array(info.counts, np.float64), 1e-9)
    if not info.several:
        return np.asarray(np.log(counts / counts.sum()))
    rows = max(float(bundle.meta.info.get("rows", {}).get("train", 0)), counts.max() + 1)
    return np.asarray(np.log(counts / (rows - counts)))


def background_of(config: PreprocessConfig) -> int:
    """Grey level of a blank picture: Fashion-MNIST's own preparation makes products bright on black."""
    return 0 if config.fit == "fashion-mnist" else config.background


def _tiled(part: Known, times: int) -> Known:
    """What a tower says of one product, for each of its versions."""
    return Known(*(np.repeat(values, times, axis=0) for values in (part.tokens, part.present, part.vector)))


def pictures_alone(pixels: UInt8[ndarray, "P H W C"], fields: int) -> ProductInput:
    """Input of as many products (at least one), each of which has one picture and nothing else."""
    count = max(len(pixels), 1)
    ids, values = np.zeros((count, 1), np.int64), np.zeros((count, fields), np.int64)
    owner = np.arange(len(pixels))
    return ProductInput(pixels, owner, ids, ids.copy(), values, values.astype(np.float32))
