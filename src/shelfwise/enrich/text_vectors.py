"""Token ids to one vector a text, by torch in float32 or bfloat16, or by onnxruntime in int8.

Shapes: B texts, L tokens, D features.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from numpy import ndarray
from torch import Tensor, nn

from shelfwise.errors import ConfigError, MissingExtraError
from shelfwise.nn.pretrained import PretrainedEncoder

Precision = Literal["fp32", "bf16", "int8"]
Pooling = Literal["mean", "first"]
TextVectors = Callable[[Int64[ndarray, "B L"]], Float32[ndarray, "B D"]]
"""Padded token ids to one vector a row."""
ONNX_BYTES = 1_900_000_000
"""An ONNX file is one protobuf message, which ends at 2 GB."""


class Pooled(nn.Module):
    """An encoder, and one vector of its token states: their mean without padding, or the first."""

    def __init__(self, encoder: PretrainedEncoder, pooling: Pooling) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling

    def forward(self, ids: Int64[Tensor, "B L"]) -> Float[Tensor, "B D"]:
        """Vectors in float32; a row of padding alone has the mean 0."""
        states = self.encoder(ids).float()
        if self.pooling == "first":
            first: Tensor = states[:, 0]
            return first
        known = (ids != self.encoder.pad_id).unsqueeze(-1).float()
        mean: Tensor = (states * known).sum(1) / known.sum(1).clamp(min=1)
        return mean


class TorchVectors:
    """torch, on the GPU where there is one."""

    def __init__(self, pooled: Pooled, dtype: torch.dtype) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._pooled = pooled.to(self.device, dtype).eval()

    @torch.inference_mode()
    def __call__(self, ids: Int64[ndarray, "B L"]) -> Float32[ndarray, "B D"]:
        """One vector a row."""
        vectors: ndarray = self._pooled(torch.from_numpy(ids).to(self.device)).cpu().numpy()
        return vectors


class Int8Vectors:
    """onnxruntime on a quantized graph; a vector depends a little on the texts of its batch."""

    def __init__(self, path: Path, threads: int | None) -> None:
        from shelfwise.export.session import open_session

        self._session = open_session(path, threads)

    def __call__(self, ids: Int64[ndarray, "B L"]) -> Float32[ndarray, "B D"]:
        """One vector a row."""
        vectors: ndarray = self._session.run(None, {"ids": ids})[0]
        return vectors


def open_vectors(
    encoder: PretrainedEncoder,
    *,
    precision: Precision,
    pooling: Pooling,
    graph: Path,
    threads: int | None = None,
) -> TextVectors:
    """What turns ids into vectors; `graph` is where the int8 graph is kept, and made where it is missing."""
    pooled = Pooled(encoder, pooling).eval()
    if precision != "int8":
        return TorchVectors(pooled, torch.float32 if precision == "fp32" else torch.bfloat16)
    if not graph.exists():
        _export_int8(pooled, graph)
    return Int8Vectors(graph, threads)


def _export_int8(pooled: Pooled, graph: Path) -> None:
    """Export in float32, check against torch, quantize to `graph`."""
    try:
        import onnxscript  # noqa: F401

        from shelfwise.export.onnx import check_parity, export_onnx
        from shelfwise.export.quantize import quantize_dynamic_int8
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "onnx", "train") from None

    size = 4 * sum(weight.numel() for weight in pooled.parameters())
    if size > ONNX_BYTES:
        raise ConfigError(
            f"precision 'int8' is for encoders below 2 GB, and this one has {size / 1e9:.1f} GB; use 'bf16'"
        )
    graph.parent.mkdir(parents=True, exist_ok=True)
    pooled.encoder.plain_attention()
    example = _example(pooled.encoder)
    with tempfile.TemporaryDirectory(dir=graph.parent, prefix=".export-") as folder:
        whole = Path(folder) / "fp32.onnx"
        axes = {0: "batch", 1: "length"}
        export_onnx(pooled, example, whole, input_name="ids", output_names=["vectors"], dynamic=axes)
        check_parity(pooled, example, whole)
        quantize_dynamic_int8(whole, graph)


def _example(encoder: PretrainedEncoder) -> Int64[Tensor, "B L"]:
    """Ids of three texts of different lengths."""
    ids = np.arange(3 * 12, dtype=np.int64).reshape(3, 12) % 16
    ids[ids == encoder.pad_id] = 2 if encoder.pad_id != 2 else 3
    ids[1, 7:], ids[2, 3:] = encoder.pad_id, encoder.pad_id
    return torch.from_numpy(ids)
