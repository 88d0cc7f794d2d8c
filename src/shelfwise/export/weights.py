"""Weights that a folder holds once: half as wide where that changes nothing, and shared by torch and ONNX.

An ONNX graph may name a place in another file instead of holding a weight. A safetensors file holds its
tensors as plain bytes, so the graph beside it needs no weights of its own, and cannot drift from them.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import nn

from shelfwise.export.onnx import Inputs, Link, outputs_of
from shelfwise.files import replacing

TOLERANCE = 1e-3
"""Largest change of a probability for which weights are kept in 16 bits."""
_SMALLEST = 32
"""Constants of fewer numbers stay in the graph."""
_TYPES = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}


def halved(
    module: nn.Module, inputs: Sequence[Inputs], links: Sequence[Link]
) -> tuple[nn.Module, torch.dtype, float]:
    """A copy of `module` with weights that float16 holds exactly, that type, and what it changes.

    That is the largest change of a probability over `inputs`. Above `TOLERANCE` it is the module itself,
    float32 and 0."""
    rounded = copy.deepcopy(module).half().float()
    # numpy's max, since Python's own loses a NaN that does not come first.
    change = float(np.max([_change(module, rounded, some, links) for some in inputs]))
    if change <= TOLERANCE:
        return rounded, torch.float16, change
    return module, torch.float32, 0.0


def save_weights(module: nn.Module, path: Path, dtype: torch.dtype) -> None:
    """Write the state dict as safetensors, all that is floating-point as `dtype`."""
    save_file(
        {
            name: value.detach().to(dtype if value.is_floating_point() else value.dtype).contiguous().clone()
            for name, value in module.state_dict().items()
        },
        path,
    )


def share_weights(graph: Path, weights: Path, target: Path) -> None:
    """Write `graph` to `target`, its constants that `weights` holds too named by their place there.

    `target` then needs `weights` in its folder."""
    model = onnx.load(graph)
    known = _known(weights)
    kept, turned = [], []
    for constant in model.graph.initializer:
        values = numpy_helper.to_array(constant)
        stored = known.get(_key(values)) if values.size >= _SMALLEST else None
        if stored is None:
            kept.append(constant)
            continue
        kept.append(_reference(constant.name + ".stored", stored, weights.name))
        turned += _restored(constant.name, stored)
    nodes = list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend([*turned, *nodes])
    with replacing(target) as partial:
        partial.write_bytes(model.SerializeToString(deterministic=True))


class _Stored(NamedTuple):
    """A tensor's place in a safetensors file; a graph may want it transposed."""

    kind: str
    shape: tuple[int, ...]
    start: int
    length: int
    transposed: bool = False


def _change(one: nn.Module, other: nn.Module, inputs: Inputs, links: Sequence[Link]) -> float:
    pairs = zip(outputs_of(one, inputs), outputs_of(other, inputs), links, strict=True)
    return float(np.max([np.abs(link(a) - link(b)).max() for a, b, link in pairs]))


def _known(weights: Path) -> dict[Any, _Stored]:
    """What the file holds, by its content as float32; matrices both ways round."""
    found: dict[Any, _Stored] = {}
    for stored, values in _tensors(weights):
        if values.ndim == 2:
            found.setdefault(_key(values.T), stored._replace(transposed=True))
        found[_key(values)] = stored
    return found


def _tensors(weights: Path) -> Iterator[tuple[_Stored, np.ndarray]]:
    """Places and values of the floating-point tensors (the format: 8 bytes, a JSON header, the data)."""
    raw = weights.read_bytes()
    begin = 8 + int.from_bytes(raw[:8], "little")
    for name, entry in json.loads(raw[8:begin]).items():
        if name == "__metadata__" or entry["dtype"] not in _TYPES:
            continue
        start, end = entry["data_offsets"]
        stored = _Stored(entry["dtype"], tuple(entry["shape"]), begin + start, end - start)
        kind = np.float16 if stored.kind == "F16" else np.float32
        values = np.frombuffer(raw, kind, stored.length // np.dtype(kind).itemsize, stored.start)
        yield stored, values.reshape(stored.shape).astype(np.float32)


def _key(values: np.ndarray) -> Any:
    return values.dtype.str, values.shape, hash(values.tobytes())


def _reference(name: str, stored: _Stored, file: str) -> TensorProto:
    constant = TensorProto(
        name=name,
        dims=stored.shape,
        data_type=_TYPES[stored.kind],
        data_location=TensorProto.EXTERNAL,
    )
    for key, value in (("location", file), ("offset", stored.start), ("length", stored.length)):
        constant.external_data.add(key=key, value=str(value))
    return constant


def _restored(name: str, stored: _Stored) -> list[onnx.NodeProto]:
    """Nodes that make the graph's constant of the stored one; runtimes run them once, when they load it."""
    wide = f"{name}.wide" if stored.transposed else name
    nodes = [helper.make_node("Cast", [f"{name}.stored"], [wide], to=TensorProto.FLOAT)]
    if stored.transposed:
        nodes.append(helper.make_node("Transpose", [wide], [name], perm=[1, 0]))
    return nodes
