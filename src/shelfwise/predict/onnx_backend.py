"""What runs a bundle's networks: the interface, and onnxruntime, which needs no torch."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import onnxruntime
from jaxtyping import Float32, Int64, UInt8
from numpy import ndarray

from shelfwise.bundle import AnyBundle, Bundle
from shelfwise.errors import BundleError
from shelfwise.export.session import open_session


@runtime_checkable
class Backend(Protocol):
    """Runs the two networks of a bundle."""

    def picture(self, pixels: UInt8[ndarray, "B H W C"]) -> tuple[ndarray, ndarray | None]:
        """Logits [B, K] and, with a text tower, unit vectors [B, E]."""

    def text(self, ids: Int64[ndarray, "T L"]) -> Float32[ndarray, "T E"]:
        """Unit vectors of tokenised texts."""


class OnnxBackend:
    """onnxruntime on `picture.onnx` and `text.onnx`."""

    def __init__(self, bundle: Bundle, threads: int | None) -> None:
        self._picture = graph_session(bundle, "picture.onnx", threads)
        self._text = graph_session(bundle, "text.onnx", threads) if bundle.has_text else None
        widths = [output.shape[-1] for output in self._picture.get_outputs()]
        if widths[0] != len(bundle.classes) or len(widths) < 1 + bundle.has_text:
            raise BundleError(
                f"bundle '{bundle.path}': picture.onnx gives {widths} numbers, which do not fit "
                f"{len(bundle.classes)} classes; copy or train it again"
            )

    def picture(self, pixels: UInt8[ndarray, "B H W C"]) -> tuple[ndarray, ndarray | None]:
        """Logits and unit vectors."""
        outputs = self._picture.run(None, {"pixels": pixels})
        return outputs[0], outputs[1] if len(outputs) > 1 else None

    def text(self, ids: Int64[ndarray, "T L"]) -> Float32[ndarray, "T E"]:
        """Unit vectors of tokenised texts."""
        if self._text is None:
            raise ValueError("this bundle has no text tower")
        vectors: ndarray = self._text.run(None, {"ids": ids})[0]
        return vectors


def graph_session(bundle: AnyBundle, name: str, threads: int | None) -> onnxruntime.InferenceSession:
    """A CPU session on one of the bundle's files."""
    path = bundle.path / name
    if not path.exists():
        raise BundleError(f"bundle '{bundle.path}' has no {name}; run: shelfwise export {bundle.path}")
    try:
        return open_session(path, threads)
    except Exception as error:  # onnxruntime's errors share no base
        why = str(error).splitlines()[0]
        raise BundleError(
            f"bundle '{bundle.path}': {name} does not load ({why}); run: shelfwise export {bundle.path}"
        ) from None
