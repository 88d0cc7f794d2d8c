"""`ProductPredictor`: products in; category path, attributes and unit vectors out, from whatever is known.

B products, P pictures of all of them, K classes of a target, E dimensions of the shared space.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from shelfwise.bundle import ProductsBundle, TargetInfo
from shelfwise.data.preprocess import Preprocessor
from shelfwise.data.product_input import ProductInput, table_input, text_input
from shelfwise.data.product_pictures import decode_pictures
from shelfwise.data.product_rows import text_of_product
from shelfwise.data.prompts import target_prompts
from shelfwise.data.review_tokens import TextReader, load_tokenizer
from shelfwise.data.taxonomy import Taxonomy, distinct_names
from shelfwise.decide.temperature import apply_temperature, sigmoid
from shelfwise.errors import BundleError, MissingExtraError
from shelfwise.predict.onnx_backend import Precision
from shelfwise.predict.product_backend import Known, OnnxProductBackend, ProductBackend, by_product
from shelfwise.predict.zero_shot import NamedClasses, prompt_vectors
from shelfwise.schema import LabelScore, Product, ProductAnswer, TargetAnswer

CHUNK = 128
"""Products worked on at once: bounds the memory of a large request."""
ASKED = "asked"
"""The name, among the targets, of what was asked by `named` classes."""
LIKELY = 0.5
"""Probability from which one of several values is stated."""


@dataclass(frozen=True)
class ProductScores:
    """Calibrated probabilities, a row for each product."""

    probabilities: dict[str, Float[ndarray, "B _"]]
    """Of each target's finest classes; of several values at once each for itself."""
    logits: dict[str, Float[ndarray, "B _"]]
    """What they are made from, divided by the temperature: these tell sure answers apart."""
    vectors: Float[ndarray, "B E"] | None
    known: dict[str, Bool[ndarray, "B"]]
    """Which products have which of the modalities that the fusion listens to."""


@dataclass(frozen=True, eq=False)
class ReadProduct:
    """A product as the networks take it in, but for its text and table."""

    product: Product
    pictures: tuple[UInt8[ndarray, "H W C"], ...]
    warnings: tuple[str, ...]
    bad: tuple[str, str] | None
    """Kind and reason of the first picture that cannot be used."""


class ProductPredictor:
    """A products bundle that answers. Safe to share between threads."""

    def __init__(self, bundle: ProductsBundle, backend: ProductBackend) -> None:
        self.bundle = bundle
        self._backend = backend
        config = bundle.config
        self.reader = title_reader(bundle)
        """How a pretrained title tower reads; None where titles are hashed."""
        self._preprocessor = Preprocessor(config.preprocess, max_pixels=config.data.max_pixels)
        self._names = {name: distinct_names(target.paths) for name, target in bundle.reading.targets.items()}
        self._trees = {
            name: Taxonomy(target.levels, target.paths) for name, target in bundle.reading.targets.items()
        }

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        threads: int | None = None,
        precision: Precision = "fp32",
        backend: Literal["onnx", "openvino", "torch"] = "onnx",
    ) -> ProductPredictor:
        """Open a products bundle; `threads` bounds the cores of one call.

        In `int8` towers of pictures and pretrained ones of titles are faster; what it changes is in the
        bundle's info under `int8`. Torch, always in fp32, needs the `train` extra;
        OpenVINO, on the same files, the `openvino` extra."""
        bundle = ProductsBundle.open(Path(path))
        if backend != "torch":
            return cls(bundle, OnnxProductBackend(bundle, threads, precision, backend))
        try:
            from shelfwise.predict.torch_products import TorchProductBackend
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "torch", "train") from None

        return cls(bundle, TorchProductBackend(bundle))

    def predict(
        self,
        products: Iterable[Product],
        image_root: Path,
        *,
        top: int = 3,
        among: NamedClasses | None = None,
    ) -> Iterator[ProductAnswer]:
        """One answer for each product, in order, in bounded memory; one that cannot be answered fails alone.

        A picture that cannot be used is the warning `picture_skipped` where something else is known. With
        `among`, what `named` makes, those classes are compared too, under `asked`."""
        remaining = iter(products)
        row = 2
        while chunk := list(islice(remaining, CHUNK)):
            yield from self._answers(chunk, image_root, row, top, among)
            row += len(chunk)

    def read(self, products: Sequence[Product], image_root: Path = Path()) -> ProductInput:
        """Raw input of products as `predict` reads them; pictures that cannot be used are left out."""
        return self.input_of([self.read_one(product, image_root) for product in products])

    def named(self, names: Sequence[str]) -> NamedClasses:
        """Classes by name alone, whether or not they were learned, to be compared in the shared space.

        A `dual` bundle asks by its templates; others by the bare name, unless they were given templates:
        their space learned from titles, which are no prompts. BundleError where there is no shared space."""
        templates = self.bundle.reading.templates or {"default": ("{}",)}
        prompts = target_prompts(ASKED, [(name,) for name in names], templates)
        vectors = prompt_vectors(self.embed_texts, prompts.texts)
        return NamedClasses(tuple(names), vectors, self.bundle.reading.scale)

    def scores(self, known: dict[str, Known], only: Sequence[str] | None = None) -> ProductScores:
        """Calibrated probabilities and vectors; with `only` as if that was all that is known.

        What the fusion does not listen to changes nothing, and is not among the `known`."""
        if only is not None:
            everyone = np.ones(len(next(iter(known.values())).vector), bool)
            known = {name: part if name in only else part.without(everyone) for name, part in known.items()}
        found = self._backend.fuse(known)
        there = {name: np.asarray(known[name].present.any(axis=1)) for name in self.bundle.modalities_used}
        targets = self.bundle.reading.targets
        logits = {name: self._scaled(target, found[name], there) for name, target in targets.items()}
        probabilities = {name: _calibrated(target, logits[name]) for name, target in targets.items()}
        return ProductScores(probabilities, logits, found.get("vectors"), there)

    def encode(self, given: ProductInput) -> dict[str, Known]:
        """What each tower says."""
        backend, pictures = self._backend, len(given.owner)
        # onnxruntime cannot multiply nothing: without a picture a blank one tells the shapes.
        blank = np.zeros((1, *given.pixels.shape[1:]), np.uint8)
        tokens, vectors = backend.picture(given.pixels if pictures else blank)
        known = {
            "picture": by_product(tokens[:pictures], vectors[:pictures], given.owner, len(given)),
            "text": _present(*backend.title(given.words, given.pieces), given.words > 0),
        }
        if "table" in self.bundle.reading.modalities:
            known["table"] = _present(*backend.table(given.values, given.numbers), given.values > 0)
        return known

    def encode_pictures(self, pixels: UInt8[ndarray, "P H W C"]) -> Known:
        """What the picture tower says of each picture (at least one) as a product's only one.

        No other tower runs, so it is the way to ask of many versions of a picture."""
        tokens, vectors = self._backend.picture(pixels)
        return by_product(tokens, vectors, np.arange(len(pixels)), len(pixels))

    def embed_texts(self, texts: Sequence[str]) -> Float[ndarray, "N E"]:
        """Unit vectors of texts alone; BundleError where the bundle has no shared space."""
        bundle = self.bundle
        if not bundle.reading.shared:
            raise BundleError(f"bundle '{bundle.path}' has no shared space; train it with shared.loss")
        config, size = bundle.config, bundle.config.preprocess
        parts = [np.zeros((0, bundle.reading.shared), np.float32)]
        for start in range(0, len(texts), CHUNK):
            words, pieces = text_input(texts[start : start + CHUNK], config.title, self.reader)
            nothing = np.zeros((len(words), len(config.table.fields)), np.int64)
            pixels = np.zeros((0, size.height, size.width, size.channels), np.uint8)
            owner, numbers = np.zeros(0, np.int64), nothing.astype(np.float32)
            given = ProductInput(pixels, owner, words, pieces, nothing, numbers)
            vectors = self.scores(self.encode(given), ["text"]).vectors
            assert vectors is not None
            parts.append(vectors)
        return np.concatenate(parts)

    def _scaled(
        self, target: TargetInfo, logits: Float[ndarray, "B K"], there: dict[str, Bool[ndarray, "B"]]
    ) -> Float[ndarray, "B K"]:
        """Logits over the temperature of the modalities that are heard of each product."""
        heard = ([name for name in there if there[name][row]] for row in range(len(logits)))
        by_row = np.array([target.temperature_of(names) for names in heard], np.float32)
        return np.asarray(logits / by_row[:, None])

    def read_one(
        self, product: Product, image_root: Path = Path(), *, row: int = 2, at_once: int | None = None
    ) -> ReadProduct:
        """A product with its pictures decoded: the slow part of an answer that needs no network.

        `at_once` as for `data.pictures.decode`."""
        config = self.bundle.config
        pictures, bad, warnings = decode_pictures(
            product,
            image_root,
            row=row,
            most=config.picture.most,
            max_pixels=config.data.max_pixels,
            target_side=self._preprocessor.target_side,
            at_once=at_once,
        )
        return ReadProduct(
            product,
            tuple(self._preprocessor.picture(usable.picture.pixels) for usable in pictures),
            (*(warning.kind for warning in warnings), *("picture_skipped" for _ in bad)),
            (bad[0].kind, bad[0].why) if bad else None,
        )

    def input_of(self, read: Sequence[ReadProduct]) -> ProductInput:
        """Raw input of products whose pictures are decoded."""
        config = self.bundle.config
        pixels = [picture for one in read for picture in one.pictures]
        owner = [place for place, one in enumerate(read) for _ in one.pictures]
        shape = (0, config.preprocess.height, config.preprocess.width, config.preprocess.channels)
        words, pieces = text_input([text_of_product(one.product) for one in read], config.title, self.reader)
        fields = {name: tuple(one.product.fields.get(name) for one in read) for name in config.table.fields}
        values, numbers = table_input(fields, len(read), config.table, self.bundle.reading.scales)
        stacked = np.stack(pixels) if pixels else np.zeros(shape, np.uint8)
        return ProductInput(stacked, np.array(owner, np.int64), words, pieces, values, numbers)

    def answer(self, read: ReadProduct, scores: ProductScores, place: int, *, top: int = 3) -> ProductAnswer:
        """What the scores in row `place` say of a product."""
        product, label = read.product, self.bundle.label
        known = tuple(name for name, rows in scores.known.items() if rows[place])
        if not known:
            kind, why = self._nothing_known(read)
            return ProductAnswer(id=product.id, status="failed", error=why, error_kind=kind, bundle=label)
        said = {
            name: self._said(name, target, scores.probabilities[name][place], top)
            for name, target in self.bundle.reading.targets.items()
        }
        return ProductAnswer(
            id=product.id, status="ok", known=known, targets=said, warnings=read.warnings, bundle=label
        )

    def _nothing_known(self, read: ReadProduct) -> tuple[str, str]:
        """Kind and reason of having no answer."""
        used = self.bundle.modalities_used
        if read.bad and "picture" in used:
            return read.bad
        text = "word that can be read in its title" if text_of_product(read.product) else "title"
        lacking = {"picture": "usable picture", "text": text, "table": "field that the bundle reads"}
        said = " and ".join(f"no {lacking[name]}" for name in used)
        return "nothing_known", f"it has {said}, and the bundle answers from nothing else"

    def _answers(
        self,
        products: Sequence[Product],
        image_root: Path,
        row: int,
        top: int,
        among: NamedClasses | None,
    ) -> Iterator[ProductAnswer]:
        read = [self.read_one(product, image_root, row=row + n) for n, product in enumerate(products)]
        scores = self.scores(self.encode(self.input_of(read)))
        compared: ndarray = np.zeros(0)
        if among is not None and scores.vectors is not None:
            compared = among.probabilities(scores.vectors)
        for place, one in enumerate(read):
            answer = self.answer(one, scores, place, top=top)
            if among is not None and answer.status == "ok":
                asked = {ASKED: _compared(among.names, compared[place], top)}
                answer = answer.model_copy(update={"targets": answer.targets | asked})
            yield answer

    def _said(
        self, name: str, target: TargetInfo, probabilities: Float[ndarray, "K"], top: int
    ) -> TargetAnswer:
        """One target's answer."""
        order = np.argsort(-probabilities, kind="stable")
        best = tuple(
            LabelScore(label=self._names[name][k], probability=min(1.0, float(probabilities[k])))
            for k in order[:top].tolist()
        )
        if target.several:
            stated = [k for k in order if probabilities[k] >= LIKELY]
            return TargetAnswer(
                labels=tuple(target.paths[k][-1] for k in stated),
                probabilities=tuple(min(1.0, float(probabilities[k])) for k in stated),
                top=best,
                several=True,
            )
        tree, leaf = self._trees[name], int(order[0])
        sums = tuple(
            min(1.0, float(probabilities[tree.ancestors[:, level] == node].sum()))
            for level, node in enumerate(tree.ancestors[leaf].tolist())
        )
        return TargetAnswer(labels=target.paths[leaf], probabilities=sums, top=best)


def _calibrated(target: TargetInfo, logits: Float[ndarray, "B K"]) -> Float[ndarray, "B K"]:
    if target.several:
        return sigmoid(logits)
    return apply_temperature(logits, 1.0)


def _compared(names: Sequence[str], probabilities: Float[ndarray, "K"], top: int) -> TargetAnswer:
    """Which of the named classes fits best."""
    order = np.argsort(-probabilities, kind="stable")[: max(1, top)]
    best = tuple(
        LabelScore(label=names[k], probability=min(1.0, float(probabilities[k]))) for k in order.tolist()
    )
    return TargetAnswer(labels=(best[0].label,), probabilities=(best[0].probability,), top=best)


def title_reader(bundle: ProductsBundle) -> TextReader | None:
    """How the bundle's pretrained title tower reads a text; None where titles are hashed."""
    if bundle.config.title.tower != "pretrained":
        return None
    if "tokenizer.json" not in bundle.meta.files or not bundle.reading.max_tokens:
        raise BundleError(f"bundle '{bundle.path}' has no tokenizer for its titles; copy or train it again")
    return TextReader(load_tokenizer(bundle.path / "tokenizer.json"), bundle.reading.max_tokens)


def _present(tokens: ndarray, vectors: ndarray, present: Bool[ndarray, "B T"]) -> Known:
    return Known(tokens, present, vectors)
