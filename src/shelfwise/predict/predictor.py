"""`Predictor`: raw pixels or products in, logits, probabilities and vectors out.

Shapes: B pictures, H x W x C raw pixels, K classes, T texts, E dimensions of the shared space.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from numpy import ndarray

from shelfwise.bundle import Bundle
from shelfwise.data.preprocess import Preprocessor
from shelfwise.data.product_pictures import decode_product
from shelfwise.data.tokens import TokenizerConfig, tokenize
from shelfwise.decide.temperature import apply_temperature
from shelfwise.errors import BundleError, MissingExtraError, PictureError
from shelfwise.predict.onnx_backend import Backend, OnnxBackend, PictureOutputs, Precision
from shelfwise.schema import LabelScore, Prediction, Product, RowError

CHUNK = 256
"""Pictures in one model call: bounds the memory of a large request."""
UNLIKE_TRAINING = "unlike_training"
"""The warning that a picture is unlike those that the bundle learned from: its answer means little."""


@dataclass(frozen=True, eq=False)
class PictureScores:
    """What a bundle says of B pictures."""

    probabilities: Float32[ndarray, "B K"]
    """Calibrated."""
    vectors: Float32[ndarray, "B E"] | None
    """Of unit length."""
    unlike: Bool[ndarray, "B"]
    """Which are unlike the training pictures."""


class Predictor:
    """A bundle that answers. Safe to share between threads."""

    def __init__(self, bundle: Bundle, backend: Backend) -> None:
        self.bundle = bundle
        self._backend = backend
        self._preprocessor = Preprocessor(bundle.config.preprocess, max_pixels=bundle.config.data.max_pixels)

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        threads: int | None = None,
        precision: Precision = "fp32",
        backend: Literal["onnx", "openvino", "torch"] = "onnx",
    ) -> Predictor:
        """Open a bundle; `threads` bounds the cores of one call.

        `int8` is several times as fast; what it changes is in the bundle's info under `int8`. Torch, always
        in fp32, needs the `train` extra; OpenVINO, on the same files, the `openvino` extra."""
        bundle = Bundle.open(Path(path))
        if backend != "torch":
            return cls(bundle, OnnxBackend(bundle, threads, precision, backend))
        try:
            from shelfwise.predict.torch_backend import TorchBackend
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "torch", "train") from None

        return cls(bundle, TorchBackend(bundle))

    def logits(self, pixels: UInt8[ndarray, "B H W C"]) -> Float32[ndarray, "B K"]:
        """Scores before temperature scaling, of pictures that are already prepared."""
        return self.picture_outputs(pixels, vectors=False).logits

    def probabilities(self, pixels: UInt8[ndarray, "B H W C"]) -> Float32[ndarray, "B K"]:
        """Calibrated probabilities of prepared pictures."""
        return self._calibrated(self.logits(pixels))

    def scores(self, pixels: UInt8[ndarray, "B H W C"], *, vectors: bool = True) -> PictureScores:
        """All that can be said of prepared pictures, in one pass; unit vectors only where wanted."""
        found = self.picture_outputs(pixels, vectors=vectors)
        return PictureScores(self._calibrated(found.logits), found.vectors, self._unlike(found))

    def embed_pictures(self, pixels: UInt8[ndarray, "B H W C"]) -> Float32[ndarray, "B E"]:
        """Unit vectors in the space shared with texts."""
        self._need_text()
        vectors = self.outputs(pixels)[1]
        assert vectors is not None
        return vectors

    def embed_texts(self, texts: Sequence[str]) -> Float32[ndarray, "T E"]:
        """Unit vectors in the space shared with pictures."""
        tokenizer = self._need_text()
        parts = [
            self._backend.text(tokenize(texts[i : i + CHUNK], tokenizer))
            for i in range(0, max(1, len(texts)), CHUNK)
        ]
        return np.concatenate(parts)[: len(texts)]

    def predict(
        self, products: Sequence[Product], *, top: int = 3, image_root: Path | None = None
    ) -> list[Prediction]:
        """One answer for each product, in order; a product that cannot be answered fails alone."""
        return [
            answer
            for i in range(0, len(products), CHUNK)
            for answer in self._predict_chunk(products[i : i + CHUNK], top, image_root)
        ]

    def stream(
        self, products: Iterator[Product], *, top: int = 3, image_root: Path | None = None
    ) -> Iterator[Prediction]:
        """`predict` over any number of products in bounded memory."""
        chunk: list[Product] = []
        for product in products:
            chunk.append(product)
            if len(chunk) == CHUNK:
                yield from self._predict_chunk(chunk, top, image_root)
                chunk = []
        yield from self._predict_chunk(chunk, top, image_root)

    def _predict_chunk(
        self, products: Sequence[Product], top: int, image_root: Path | None
    ) -> list[Prediction]:
        """Answers for at most `CHUNK` products."""
        if not products:
            return []
        numbers = range(len(products))
        batch, errors, warnings = self._preprocessor.batch(products, image_root or Path(), rows=numbers)
        failed = {error.row: error for error in errors}
        notes: dict[int, list[str]] = {}
        for warning in warnings:
            notes.setdefault(warning.row, []).append(warning.kind)
        scores, rows = self.scores(batch.pixels, vectors=False), iter(range(len(batch.pixels)))
        answers = []
        for i, product in zip(numbers, products, strict=True):
            warned = tuple(notes.get(i, ()))
            if i in failed:
                answers.append(self._failure(product.id, failed[i], warned))
                continue
            answers.append(self.answer(product.id, scores, next(rows), top=top, warnings=warned))
        return answers

    def _failure(self, id: str, error: RowError, warnings: tuple[str, ...]) -> Prediction:
        return Prediction(
            id=id,
            status="failed",
            error=_reason(error),
            error_kind=error.kind,
            warnings=warnings,
            bundle=self.bundle.label,
        )

    def read(
        self, product: Product, image_root: Path = Path(), *, at_once: int | None = None
    ) -> tuple[UInt8[ndarray, "H W C"], tuple[str, ...]]:
        """A product's first usable picture as the network takes it in, and what was odd about its pictures.

        PictureError of the first one where none can be used; `at_once` as for `data.pictures.decode`."""
        found, warnings = decode_product(
            product,
            image_root,
            row=2,
            max_pixels=self._preprocessor.max_pixels,
            target_side=self._preprocessor.target_side,
            at_once=at_once,
        )
        if isinstance(found, RowError):
            raise PictureError(found.kind, found.why)
        return self._preprocessor.picture(found.picture.pixels), tuple(note.kind for note in warnings)

    def answer(
        self, id: str, scores: PictureScores, row: int, *, top: int = 3, warnings: tuple[str, ...] = ()
    ) -> Prediction:
        """What row `row` of the scores says of a product."""
        probabilities = scores.probabilities[row]
        if scores.unlike[row]:
            warnings = (*warnings, UNLIKE_TRAINING)
        best = np.argsort(-probabilities, kind="stable")[: max(1, top)]
        labels = tuple(
            LabelScore(label=self.bundle.classes[k], probability=min(1.0, float(probabilities[k])))
            for k in best
        )
        return Prediction(
            id=id,
            status="ok",
            target=self.bundle.meta.target,
            label=labels[0].label,
            probability=labels[0].probability,
            top=labels,
            warnings=warnings,
            bundle=self.bundle.label,
        )

    def outputs(self, pixels: UInt8[ndarray, "B H W C"]) -> tuple[ndarray, ndarray | None]:
        """Logits [B, K] and, with a text tower, unit vectors [B, E], in one pass over the pictures."""
        found = self.picture_outputs(pixels)
        return found.logits, found.vectors

    def picture_outputs(self, pixels: UInt8[ndarray, "B H W C"], *, vectors: bool = True) -> PictureOutputs:
        """All that the network says, in one pass over the pictures; unit vectors only where wanted."""
        starts = range(0, len(pixels), CHUNK)
        parts = [self._backend.picture(pixels[i : i + CHUNK], vectors=vectors) for i in starts]
        if len(parts) == 1:
            return parts[0]
        if not parts:
            width, bundle = self.bundle.config.text.width, self.bundle
            return PictureOutputs(
                np.zeros((0, len(bundle.classes)), np.float32),
                np.zeros((0, width), np.float32) if vectors and bundle.has_text else None,
                np.zeros(0, np.float32) if bundle.meta.unlike else None,
            )
        logits, *others = zip(*parts, strict=True)
        joined = [None if some[0] is None else np.concatenate(some) for some in others]
        return PictureOutputs(np.concatenate(logits), *joined)

    def _unlike(self, outputs: PictureOutputs) -> Bool[ndarray, "B"]:
        """Which pictures are unlike the training pictures; none where the bundle cannot tell."""
        unlike = self.bundle.meta.unlike
        if unlike is None or outputs.unlike is None:
            return np.zeros(len(outputs.logits), bool)
        return np.asarray(outputs.unlike >= unlike.threshold)

    def _calibrated(self, logits: ndarray) -> ndarray:
        return apply_temperature(logits, self.bundle.temperature).astype(np.float32)

    def _need_text(self) -> TokenizerConfig:
        tokenizer = self.bundle.meta.tokenizer
        if tokenizer is None:
            raise BundleError(
                f"bundle '{self.bundle.path}' has no text tower; train it with text.align = true"
            )
        return tokenizer


def _reason(error: RowError) -> str:
    """Why a product failed, with the picture's name unless the id is that already."""
    named = error.value and error.value != error.id
    return f"{error.column} {error.value!r}: {error.why}" if named else error.why
