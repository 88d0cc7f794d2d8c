"""ONNX export with a numerical parity check: a file that differs from its module is never kept."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxscript import opset18 as op
from torch import Tensor, nn

from shelfwise.errors import BundleError
from shelfwise.export.session import open_session

PARITY = 1e-4
"""Largest absolute difference between torch and onnxruntime, on probabilities and unit vectors."""

Inputs = Tensor | tuple[Tensor, ...]
"""What a module is called with."""
Link = Callable[[np.ndarray], np.ndarray]
"""From an output to what is compared of it, such as `softmax`."""


def export_onnx(
    module: nn.Module,
    example: Tensor,
    path: Path,
    *,
    input_name: str,
    output_names: Sequence[str],
    dynamic: dict[int, str],
) -> None:
    """Write a `module` of one input in evaluation mode to `path`; `dynamic` names the axes that may vary."""
    inputs = {input_name: (example, dynamic)}
    export_graph(module, inputs, path, output_names=output_names)


def export_graph(
    module: nn.Module,
    inputs: Mapping[str, tuple[Tensor, Collection[int]]],
    path: Path,
    *,
    output_names: Sequence[str],
) -> None:
    """Write `module` in evaluation mode to `path`; `inputs` has an example of each and its axes that vary."""
    module = module.eval()
    axes = tuple(dict.fromkeys(varying, torch.export.Dim.DYNAMIC) for _, varying in inputs.values())
    for talker in ("torch.onnx", "onnxscript"):
        logging.getLogger(talker).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # onnxscript and torch warn about their own internals here, nothing that a user could change.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            tuple(example for example, _ in inputs.values()),
            dynamo=True,
            input_names=list(inputs),
            output_names=list(output_names),
            # torch wants them as the signature has them: all of `*parts` together.
            dynamic_shapes=(axes,) if _takes_any_number(module) else axes,
            external_data=False,
            verbose=False,
            custom_translation_table={torch.ops.aten.cumprod.default: _cumprod},
        )
        assert program is not None
        # Stack traces name folders of this machine, and would make the bytes depend on them.
        for node in program.model.graph:
            node.metadata_props.clear()
        onnx.save(_without_shapes_of_weights(program.model_proto), path)


def _takes_any_number(module: nn.Module) -> bool:
    parameters = inspect.signature(module.forward).parameters.values()
    return any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)


def check_parity(
    module: nn.Module, inputs: Inputs, path: Path, *, links: Sequence[Link] | None = None
) -> float:
    """`largest_difference`; a BundleError where it is above `PARITY`."""
    difference = largest_difference(module, inputs, path, links=links)
    if not difference <= PARITY:
        raise BundleError(
            f"export to '{path.name}' differs from the model by {difference:.2g} (> {PARITY:g})"
        )
    return difference


def largest_difference(
    module: nn.Module, inputs: Inputs, path: Path, *, links: Sequence[Link] | None = None
) -> float:
    """The largest difference between `module` and the file over `inputs`; BundleError for other shapes.

    `links`, one for each output, make of them what is compared. Without, rows of unit length are compared
    as they are and all else as logits."""
    session = open_session(path, 1)
    expected = outputs_of(module, inputs)
    named = zip(session.get_inputs(), _several(inputs), strict=True)
    got = session.run(None, {given.name: value.numpy() for given, value in named})
    if [a.shape for a in expected] != [b.shape for b in got]:
        raise BundleError(f"export to '{path.name}' gives other shapes than the model")
    links = links or [_comparable] * len(expected)
    # numpy's max, since Python's own loses a NaN that does not come first.
    return float(
        np.max([np.abs(link(a) - link(b)).max() for a, b, link in zip(expected, got, links, strict=True)])
    )


@torch.no_grad()
def outputs_of(module: nn.Module, inputs: Inputs) -> list[np.ndarray]:
    """The outputs of `module` in evaluation mode, as arrays."""
    outputs = module.eval()(*_several(inputs))
    return [part.float().numpy() for part in (outputs if isinstance(outputs, tuple) else (outputs,))]


def _several(inputs: Inputs) -> tuple[Tensor, ...]:
    return inputs if isinstance(inputs, tuple) else (inputs,)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of classes along the last axis."""
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(-1, keepdims=True))


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities of things that are each there or not."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)))


def _comparable(rows: np.ndarray) -> np.ndarray:
    """Unit vectors as they are, logits as probabilities."""
    return rows if np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-3) else softmax(rows)


def _cumprod(self: Any, dim: int, dtype: int = -1) -> Any:
    """Cumulative products of numbers that are not negative, which ONNX has no operator for."""
    axis: Any = op.Constant(value_int=dim)
    logs: Any = op.Log(self)
    return op.Exp(op.CumSum(logs, axis))


def _without_shapes_of_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without what it says twice, and what 8-bit conversion, which turns weights over, trips on."""
    weights = {weight.name for weight in model.graph.initializer}
    kept = [value for value in model.graph.value_info if value.name not in weights]
    del model.graph.value_info[:]
    model.graph.value_info.extend(kept)
    return model
