"""int8 of convolutions: activations by the ranges that were once seen of them (static).

The ranges are a few numbers, which a bundle keeps: its 8-bit form can be made again without a picture.
N pictures, H x W x C raw pixels.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from jaxtyping import UInt8
from numpy import ndarray
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import (
    CalibrationDataReader,
    CalibrationMethod,
    TensorsData,
    create_calibrator,
)
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from shelfwise.errors import BundleError
from shelfwise.export.fold import fold_norms, rename, widen_constants
from shelfwise.export.quantize import no_new_root_handler
from shelfwise.files import replacing

CALIBRATION = 1000
"""Pictures whose ranges are taken, at most."""
_AT_ONCE = 50
_MAPS = ("Relu", "MaxPool", "Add")
"""What keeps a feature map in 8 bits. What stands on the last map is a few small products, left in float."""

Ranges = dict[str, tuple[float, float]]
"""Smallest and largest value of each activation, by the name that `fold.rename` gives it."""


def measure_ranges(source: Path, pixels: UInt8[ndarray, "N H W C"]) -> Ranges:
    """The ranges that the graph's activations have on pictures: their extremes (MinMax)."""
    if not len(pixels):
        raise ValueError("ranges need at least one picture")
    with tempfile.TemporaryDirectory(prefix="shelfwise-int8-") as folder, no_new_root_handler():
        plain = Path(folder) / "plain.onnx"
        onnx.save(_prepared(source)[0], plain)
        calibrator = create_calibrator(
            plain,
            ["Conv", *_MAPS],
            augmented_model_path=str(Path(folder) / "augmented.onnx"),
            calibrate_method=CalibrationMethod.MinMax,
            providers=["CPUExecutionProvider"],
        )
        calibrator.collect_data(_Reader(pixels))
        found = calibrator.compute_data()
    extremes = {name: found[name].range_value for name in found}
    return {name: (float(np.min(low)), float(np.max(high))) for name, (low, high) in extremes.items()}


def quantize_static_int8(source: Path, target: Path, ranges: Ranges) -> None:
    """Write the int8 form of `source` to `target`: weights by channel, explicit conversions (QDQ).

    A row's answer does not depend on the others. BundleError where `ranges` are another graph's."""
    model, nodes = _prepared(source)
    needed = {name for node in model.graph.node if node.name in nodes for name in node.output}
    if missing := sorted(needed - ranges.keys()):
        raise BundleError(
            f"the ranges do not fit '{source.name}': '{missing[0]}' has none; train the bundle again"
        )
    seen = {name: tuple(np.array(end, np.float32) for end in ends) for name, ends in ranges.items()}
    with replacing(target) as partial, no_new_root_handler():
        quantizer = QDQQuantizer(
            model,
            True,  # by channel
            False,  # all 8 bits of a weight
            QuantType.QInt8,
            QuantType.QUInt8,  # signed, a map of two users would part the graph into floats and bytes
            TensorsData(CalibrationMethod.MinMax, seen),
            nodes,
            [],
            ["Conv", *_MAPS],
            {},
        )
        quantizer.quantize_model()
        quantizer.model.save_model_to_file(str(partial), False)


def write_ranges(ranges: Ranges, path: Path) -> None:
    """Write them as JSON."""
    path.write_text(json.dumps(ranges, indent=1), encoding="utf-8")


def read_ranges(path: Path) -> Ranges:
    """What `write_ranges` wrote; BundleError where it is something else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        ranges = {str(name): (float(low), float(high)) for name, (low, high) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BundleError(f"'{path}' holds no ranges ({error}); copy or train the bundle again") from None
    if not all(np.isfinite(ends).all() and ends[0] <= ends[1] for ends in ranges.values()):
        raise BundleError(f"'{path}' holds ranges that are none; copy or train the bundle again")
    return ranges


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Pictures in batches, as onnxruntime wants to be given them."""

    def __init__(self, pixels: UInt8[ndarray, "N H W C"]) -> None:
        self._batches = self._parts(pixels)

    def get_next(self) -> dict[str, ndarray] | None:
        """The next batch; None after the last one."""
        return next(self._batches, None)

    def _parts(self, pixels: ndarray) -> Iterator[dict[str, ndarray]]:
        for start in range(0, len(pixels), _AT_ONCE):
            yield {"pixels": pixels[start : start + _AT_ONCE]}


def _prepared(source: Path) -> tuple[onnx.ModelProto, list[str]]:
    """The graph in the form that is quantized, and the names of the nodes that are."""
    model = onnx.load(source)
    widen_constants(model)
    fold_norms(model)
    rename(model)
    single = {weight.name for weight in model.graph.initializer if list(weight.dims[1:2]) == [1]}
    maps: set[str] = set()
    nodes = []
    for node in model.graph.node:
        inputs = [name for name in node.input if name]
        if node.op_type == "Conv" and single.intersection(inputs):
            continue  # of grey pictures: too few products a place for bytes to be worth it
        if node.op_type == "Conv" or (node.op_type in _MAPS and maps.issuperset(inputs)):
            maps.update(node.output)
            nodes.append(node.name)
    return onnx.shape_inference.infer_shapes(model), nodes
