"""Vectors of products and of what people look for, by whichever bundle has a space for both.

A products bundle makes one vector of whatever is known of a product, and of words and a picture that are
asked for together: what is looked for is a product of which little is known. A pictures bundle has the vector
of the first usable picture, else of the title, and asks by the mean of both. B products, E dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from shelfwise.bundle import AnyBundle, Bundle, ProductsBundle, open_bundle
from shelfwise.data.preprocess import Preprocessor
from shelfwise.data.product_pictures import decode_pictures
from shelfwise.errors import BundleError
from shelfwise.predict.onnx_backend import OnnxBackend
from shelfwise.predict.predictor import Predictor
from shelfwise.predict.product_backend import OnnxProductBackend
from shelfwise.predict.products import ProductPredictor
from shelfwise.schema import Picture, Product


@dataclass(frozen=True)
class NoVector:
    """Why a product has no vector; `kind` is a short stable word for counting."""

    kind: str
    why: str


NOTHING_KNOWN = NoVector("nothing_known", "it has neither a usable picture nor a title")
ASKED = "asked"
"""The id of what is looked for."""
Embedded = Float32[ndarray, "E"] | NoVector


@runtime_checkable
class Embedder(Protocol):
    """What makes vectors. Safe to share between threads."""

    @property
    def bundle(self) -> AnyBundle:
        """Who makes them."""

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""

    def embed(self, products: Sequence[Product], image_root: Path = Path()) -> list[Embedded]:
        """A unit vector for each product, in order, or why it has none."""

    def ask(self, words: str | None, image: Picture | None, image_root: Path = Path()) -> Embedded:
        """A unit vector of what somebody looks for, or why there is none; an unusable picture is why."""


def open_embedder(path: Path | str, *, threads: int | None = None) -> Embedder:
    """The embedder of a bundle; BundleError where it has no space that words and pictures share."""
    bundle = open_bundle(Path(path))
    if isinstance(bundle, ProductsBundle):
        return ProductEmbedder(ProductPredictor(bundle, OnnxProductBackend(bundle, threads)))
    if isinstance(bundle, Bundle):
        return PictureEmbedder(Predictor(bundle, OnnxBackend(bundle, threads)))
    raise BundleError(f"'{path}' is a {bundle.meta.task} bundle; search needs one of products or pictures")


class ProductEmbedder:
    """Fused vectors of a products bundle."""

    def __init__(self, predictor: ProductPredictor) -> None:
        if not predictor.bundle.reading.shared:
            raise BundleError(
                f"bundle '{predictor.bundle.path}' has no shared space; train it with shared.loss"
            )
        self._predictor = predictor

    @property
    def bundle(self) -> ProductsBundle:
        """Who makes the vectors."""
        return self._predictor.bundle

    @property
    def dimension(self) -> int:
        """Of the shared space."""
        return self.bundle.reading.shared

    def embed(self, products: Sequence[Product], image_root: Path = Path()) -> list[Embedded]:
        """The fused vector of what is known of each; a picture that cannot be used is left out."""
        if not products:
            return []
        predictor = self._predictor
        scores = predictor.scores(predictor.encode(predictor.read(products, image_root)))
        assert scores.vectors is not None
        shown = [there for name, there in scores.known.items() if name != "table"]
        known = np.asarray(np.stack(shown).any(axis=0))
        vectors = scores.vectors.astype(np.float32)
        return [
            vectors[place] if known[place] else self._why_not(product, image_root)
            for place, product in enumerate(products)
        ]

    def ask(self, words: str | None, image: Picture | None, image_root: Path = Path()) -> Embedded:
        """The vector of a product with this title and picture."""
        product = Product(id=ASKED, images=() if image is None else (image,), title=words or None)
        if image is not None and (bad := self._why_not(product, image_root)) is not NOTHING_KNOWN:
            return bad
        return self.embed([product], image_root)[0]

    def _why_not(self, product: Product, image_root: Path) -> NoVector:
        """What is wrong with its first picture; `NOTHING_KNOWN` where nothing is, or there is none."""
        config = self.bundle.config
        preprocessor = Preprocessor(config.preprocess, max_pixels=config.data.max_pixels)
        _, bad, _ = decode_pictures(
            product,
            image_root,
            row=0,
            most=config.picture.most,
            max_pixels=config.data.max_pixels,
            target_side=preprocessor.target_side,
        )
        return NoVector(bad[0].kind, bad[0].why) if bad else NOTHING_KNOWN


class PictureEmbedder:
    """Vectors of a pictures bundle whose text tower shares its space."""

    def __init__(self, predictor: Predictor) -> None:
        if not predictor.bundle.has_text:
            raise BundleError(
                f"bundle '{predictor.bundle.path}' has no text tower; train it with text.align = true"
            )
        self._predictor = predictor
        config = predictor.bundle.config
        self._preprocessor = Preprocessor(config.preprocess, max_pixels=config.data.max_pixels)

    @property
    def bundle(self) -> Bundle:
        """Who makes the vectors."""
        return self._predictor.bundle

    @property
    def dimension(self) -> int:
        """Of the shared space."""
        return self.bundle.config.text.width

    def embed(self, products: Sequence[Product], image_root: Path = Path()) -> list[Embedded]:
        """The first usable picture's vector, else the title's."""
        if not products:
            return []
        rows = range(len(products))
        batch, errors, _ = self._preprocessor.batch(products, image_root, rows=rows)
        failed = {error.row: error for error in errors}
        pictures = iter(self._predictor.embed_pictures(batch.pixels))
        texts = [place for place in rows if place in failed and products[place].title]
        titles = [products[place].title or "" for place in texts]
        by_title = dict(zip(texts, self._predictor.embed_texts(titles), strict=True)) if texts else {}
        found: list[Embedded] = []
        for place in rows:
            if place not in failed:
                found.append(next(pictures))
            elif place in by_title:
                found.append(by_title[place])
            else:
                bad = products[place].images
                error = failed[place]
                found.append(NoVector(error.kind, error.why) if bad else NOTHING_KNOWN)
        return found

    def ask(self, words: str | None, image: Picture | None, image_root: Path = Path()) -> Embedded:
        """The mean of the words' and the picture's vectors, at unit length."""
        asked = [Product(id=ASKED, title=words)] if words else []
        asked += [Product(id=ASKED, images=(image,))] if image is not None else []
        if not asked:
            return NOTHING_KNOWN
        total = np.zeros(self.dimension, np.float32)
        for vector in self.embed(asked, image_root):
            if isinstance(vector, NoVector):
                return vector
            total += vector
        return np.asarray(total / max(float(np.linalg.norm(total)), 1e-12), np.float32)
