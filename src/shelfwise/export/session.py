"""Sessions of onnxruntime, which alone runs what is exported: torch is not needed here."""

from __future__ import annotations

import os
from pathlib import Path

import onnxruntime

SLOW = ["SkipLayerNormFusion"]
"""What onnxruntime would do to a graph and had better not: the sum and norm that it makes one take MiniLM
five times as long as two (1.31, x86), a fifth of its int8 time."""


def open_session(path: Path, threads: int | None) -> onnxruntime.InferenceSession:
    """A CPU session; `threads` for one operator, all cores when None."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = min(threads, os.cpu_count() or 1)
    return onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW
    )
