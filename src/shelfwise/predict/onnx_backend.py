"""What runs a bundle's networks: the interface, and onnxruntime, which needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import onnxruntime
from jaxtyping import Float32, Int64, UInt8
from numpy import ndarray

from shelfwise.bundle import RANGES, AnyBundle, Bundle
from shelfwise.errors import BundleError, MissingExtraError
from shelfwise.export.session import open_session

_ASKED_ALONE = onnxruntime.RunOptions()
_ASKED_ALONE.only_execute_path_to_fetches = True
"""Without, onnxruntime computes outputs that nobody asked for."""

Precision = Literal["fp32", "int8"]
Runtime = Literal["onnx", "openvino"]
"""What runs the ONNX files."""


@runtime_checkable
class Session(Protocol):
    """What we use of onnxruntime's sessions, and `openvino_backend` gives as well."""

    def get_inputs(self) -> Any:
        """Each with `name` and `shape`."""

    def get_outputs(self) -> Any:
        """Each with `name` and `shape`."""

    def run(self, names: list[str] | None, given: dict[str, ndarray], options: Any = None, /) -> Any:
        """The named outputs, or every one."""


class PictureOutputs(NamedTuple):
    """What a network says of B pictures."""

    logits: Float32[ndarray, "B K"]
    vectors: Float32[ndarray, "B E"] | None
    """Unit vectors; None without a text tower."""
    unlike: Float32[ndarray, "B"] | None
    """Log-odds of none of the classes; None where that was not learned."""


@runtime_checkable
class Backend(Protocol):
    """Runs the two networks of a bundle."""

    def picture(self, pixels: UInt8[ndarray, "B H W C"], *, vectors: bool = True) -> PictureOutputs:
        """Logits and what else the bundle has learned; vectors only where they are wanted."""

    def text(self, ids: Int64[ndarray, "T L"]) -> Float32[ndarray, "T E"]:
        """Unit vectors of tokenised texts."""


class OnnxBackend:
    """onnxruntime, or another `runtime`, on `picture.onnx` and `text.onnx`, or on 8-bit forms."""

    def __init__(
        self,
        bundle: Bundle,
        threads: int | None,
        precision: Precision = "fp32",
        runtime: Runtime = "onnx",
    ) -> None:
        need_precision(bundle, precision)
        name = graph_name(bundle, "picture", precision)
        self._picture = graph_session(bundle, name, threads, runtime)
        self._text = None
        if bundle.has_text:
            self._text = graph_session(bundle, graph_name(bundle, "text", precision), threads, runtime)
        outputs = {output.name: output.shape[-1] for output in self._picture.get_outputs()}
        self._names = check_outputs(bundle, name, outputs)

    def picture(self, pixels: UInt8[ndarray, "B H W C"], *, vectors: bool = True) -> PictureOutputs:
        """Logits and what else the bundle has learned."""
        names = [name for name in self._names if vectors or name != "embeddings"]
        found = dict(zip(names, self._picture.run(names, {"pixels": pixels}, _ASKED_ALONE), strict=True))
        return PictureOutputs(found["logits"], found.get("embeddings"), found.get("unlike"))

    def text(self, ids: Int64[ndarray, "T L"]) -> Float32[ndarray, "T E"]:
        """Unit vectors of tokenised texts."""
        if self._text is None:
            raise ValueError("this bundle has no text tower")
        vectors: ndarray = self._text.run(None, {"ids": ids})[0]
        return vectors


def check_outputs(bundle: Bundle, name: str, widths: dict[str, Any]) -> list[str]:
    """Names of the outputs of a picture graph that the bundle has learned to give.

    `widths` are the graph's, by name. BundleError where they do not fit."""
    learned = {"logits": True, "embeddings": bundle.has_text, "unlike": bundle.meta.unlike is not None}
    wanted = [output for output, there in learned.items() if there]
    if widths.get("logits") != len(bundle.classes) or not set(wanted) <= widths.keys():
        raise BundleError(
            f"bundle '{bundle.path}': {name} gives {widths}, which do not fit {len(bundle.classes)} classes "
            "and what else the bundle says of itself; copy or train it again"
        )
    return wanted


def need_precision(bundle: AnyBundle, precision: Precision) -> None:
    """BundleError where a bundle is asked for 8 bits and has none."""
    first = "review" if bundle.meta.task == "reviews" else "picture"
    if precision == "int8" and f"{first}.int8.onnx" not in bundle.meta.files:
        remedy = f"run: shelfwise export {bundle.path}"
        if first == "picture" and RANGES not in bundle.meta.files:
            remedy += " --calibrate CATALOG, with pictures like those that it learned from"
        raise BundleError(f"bundle '{bundle.path}' has no {first}.int8.onnx; {remedy}")


def graph_name(bundle: AnyBundle, graph: str, precision: Precision) -> str:
    """The file of a network: of one that gains nothing in 8 bits the float32 form, whatever is asked for."""
    small = f"{graph}.int8.onnx"
    return small if precision == "int8" and small in bundle.meta.files else f"{graph}.onnx"


def graph_session(bundle: AnyBundle, name: str, threads: int | None, runtime: Runtime = "onnx") -> Session:
    """A CPU session on one of the bundle's files; MissingExtraError where OpenVINO is asked for in vain."""
    opener = _opener(runtime)
    path = bundle.path / name
    if not path.exists():
        raise BundleError(f"bundle '{bundle.path}' has no {name}; run: shelfwise export {bundle.path}")
    try:
        return opener(path, threads)
    except Exception as error:  # the runtimes' errors share no base
        why = str(error).splitlines()[0]
        raise BundleError(
            f"bundle '{bundle.path}': {name} does not load ({why}); run: shelfwise export {bundle.path}"
        ) from None


def _opener(runtime: Runtime) -> Callable[[Path, int | None], Session]:
    if runtime == "onnx":
        return open_session
    try:
        from shelfwise.predict.openvino_backend import OpenVinoSession
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "openvino", "openvino") from None
    return OpenVinoSession
