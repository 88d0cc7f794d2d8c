"""ONNX export with a numerical parity check: a file that differs from its module is never kept."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from shelfwise.errors import BundleError

PARITY = 1e-4
"""Largest absolute difference between torch and onnxruntime, on probabilities and unit vectors."""


def export_onnx(
    module: nn.Module,
    example: Tensor,
    path: Path,
    *,
    input_name: str,
    output_names: Sequence[str],
    dynamic: dict[int, str],
) -> None:
    """Write `module` in evaluation mode to `path`; `dynamic` names the axes of the input that may vary."""
    module = module.eval()
    axes = dict.fromkeys(dynamic, torch.export.Dim.DYNAMIC)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # onnxscript and torch warn about their own internals here, nothing that a user could change.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            input_names=[input_name],
            output_names=list(output_names),
            dynamic_shapes=(axes,),
            external_data=False,
            verbose=False,
        )
        assert program is not None
        # Stack traces name folders of this machine, and would make the bytes depend on them.
        for node in program.model.graph:
            node.metadata_props.clear()
        program.save(str(path), external_data=False)


@torch.no_grad()
def check_parity(module: nn.Module, inputs: Tensor, path: Path) -> float:
    """The largest difference between `module` and the file over `inputs`; a BundleError above `PARITY`.

    Logits (the first of several outputs, or rows that are not unit length) are compared as
    probabilities, unit vectors as they are."""
    session = open_session(path, threads=1)
    expected = module.eval()(inputs)
    expected = expected if isinstance(expected, tuple) else (expected,)
    got = session.run(None, {session.get_inputs()[0].name: inputs.numpy()})
    pairs = [(a.float().numpy(), b) for a, b in zip(expected, got, strict=True)]
    if any(a.shape != b.shape for a, b in pairs):
        raise BundleError(f"export to '{path.name}' gives other shapes than the model")
    # numpy's max, since Python's own loses a NaN that does not come first.
    difference = float(np.max([np.abs(_comparable(a) - _comparable(b)).max() for a, b in pairs]))
    if not difference <= PARITY:
        raise BundleError(
            f"export to '{path.name}' differs from the model by {difference:.2g} (> {PARITY:g})"
        )
    return difference


def open_session(path: Path, *, threads: int | None) -> onnxruntime.InferenceSession:
    """An onnxruntime CPU session; `threads` for one operator, all cores when None."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _comparable(rows: np.ndarray) -> np.ndarray:
    """Unit vectors as they are, logits as probabilities."""
    if np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-3):
        return rows
    exponentials = np.exp(rows - rows.max(1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(1, keepdims=True))
