"""OpenVINO (the extra `openvino`) on the same ONNX files, in the place of onnxruntime's sessions."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import openvino
from numpy import ndarray

_CORE = openvino.Core()


class Port(NamedTuple):
    """An input or output, as onnxruntime describes one."""

    name: str
    shape: list[Any]
    """Lengths; None where they vary."""


class OpenVinoSession:
    """A compiled graph with the calls that our backends make of onnxruntime's sessions; safe for threads."""

    def __init__(self, path: Path, threads: int | None) -> None:
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        # Answers in float are float: the CPU plugin would take bfloat16 where the processor has it.
        settings["INFERENCE_PRECISION_HINT"] = "f32"
        self._model = _CORE.compile_model(_CORE.read_model(path), "CPU", settings)
        self._names = [port.get_any_name() for port in self._model.outputs]
        self._requests = threading.local()

    def get_inputs(self) -> list[Port]:
        """Of the graph, in order."""
        return [_port(port) for port in self._model.inputs]

    def get_outputs(self) -> list[Port]:
        """Of the graph, in order."""
        return [_port(port) for port in self._model.outputs]

    def run(self, names: list[str] | None, given: dict[str, ndarray], _: object = None) -> list[ndarray]:
        """The named outputs, or every one; all are computed."""
        request = getattr(self._requests, "own", None)
        if request is None:
            request = self._requests.own = self._model.create_infer_request()
        found = request.infer(given)
        return [np.array(found[name]) for name in names or self._names]


def _port(port: Any) -> Port:
    lengths = [length.get_length() if length.is_static else None for length in port.get_partial_shape()]
    return Port(port.get_any_name(), lengths)
