"""int8 from a float32 ONNX file: weights by channel once, activations as they come (dynamic)."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from onnxruntime.quantization import quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

from shelfwise.files import replacing

OPERATORS = ["MatMul", "Gemm", "Gather"]
"""Products with constant weights, and embedding tables, half of MiniLM's file. On 200 reviews of 64 tokens
its vectors keep a mean cosine of 0.9926 to float32 (the least 0.967); with float tables 0.9930 (0.985) at
59 MB for 23; with the products behind each GELU in float 0.9962 (0.992) at 33 MB. By channel matters more:
one scale for a whole matrix gives 0.948."""


LOOKUPS = ["Gather"]
"""Embedding tables alone."""


def quantize_dynamic_int8(source: Path, target: Path, operators: Sequence[str] = OPERATORS) -> None:
    """Write the int8 form of `source` to `target`; the same source gives the same bytes.

    The scale of an activation is that of its batch, so a row's result depends a little on the others, unless
    `operators` are `LOOKUPS`."""
    with tempfile.TemporaryDirectory(prefix="shelfwise-int8-") as folder, replacing(target) as partial:
        # onnxruntime writes its intermediate files beside its input, which may stand in a bundle.
        inferred = Path(folder) / "inferred.onnx"
        with no_new_root_handler():
            quant_pre_process(source, inferred, skip_optimization=True, skip_symbolic_shape=True)
            quantize_dynamic(inferred, partial, op_types_to_quantize=list(operators), per_channel=True)


@contextmanager
def no_new_root_handler() -> Iterator[None]:
    """onnxruntime speaks through the root logger, which would be given a handler where it has none."""
    root = logging.getLogger()
    silent = logging.NullHandler()
    root.addHandler(silent)
    try:
        yield
    finally:
        root.removeHandler(silent)
