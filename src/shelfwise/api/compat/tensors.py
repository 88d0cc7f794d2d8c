"""Tensors of the Open Inference Protocol, as JSON and in its binary extension.

In the binary form a body is JSON, then the raw bytes of the tensors that the JSON says are there; a header
tells where the JSON ends. Elements of BYTES are each preceded by their length, four bytes, little-endian.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from numpy import ndarray
from pydantic import Field, TypeAdapter

from shelfwise.api.compat.openai import Foreign
from shelfwise.api.problems import RequestError
from shelfwise.api.state import parsed

LENGTH_HEADER = "inference-header-content-length"
TYPES: dict[str, np.dtype[Any]] = {"UINT8": np.dtype("u1"), "FP32": np.dtype("<f4"), "INT64": np.dtype("<i8")}
"""Types of numbers that are read or written."""
MOST_ELEMENTS = 1 << 26


class Tensor(Foreign):
    """One input."""

    name: str
    shape: list[int] = Field(min_length=1, max_length=8)
    datatype: str
    data: list[Any] | None = None
    parameters: dict[str, Any] = {}


class AskedOutput(Foreign):
    """One output that is wanted."""

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(Foreign):
    """What `/infer` is asked."""

    id: str | None = None
    inputs: list[Tensor] = Field(min_length=1, max_length=16)
    outputs: list[AskedOutput] = []
    parameters: dict[str, Any] = {}


_REQUEST = TypeAdapter(InferRequest).validate_json


def read_request(body: bytes, length: str | None) -> tuple[InferRequest, dict[str, ndarray | list[bytes]]]:
    """A request and its inputs by name, arrays of numbers or lists of bytes; RequestError 400."""
    rest = b""
    if length is not None:
        if not (length.isascii() and length.isdigit() and len(length) < 20) or int(length) > len(body):
            raise RequestError(400, f"{LENGTH_HEADER} does not fit the body")
        body, rest = body[: int(length)], body[int(length) :]
    asked = parsed(_REQUEST, body)
    inputs: dict[str, ndarray | list[bytes]] = {}
    for tensor in asked.inputs:
        size = tensor.parameters.get("binary_data_size")
        if size is not None:
            if not isinstance(size, int) or not 0 <= size <= len(rest):
                raise RequestError(400, f"input '{tensor.name}' has no {size} bytes behind the JSON")
            raw, rest = rest[:size], rest[size:]
            inputs[tensor.name] = _of_bytes(tensor, raw)
        else:
            inputs[tensor.name] = _of_json(tensor)
    return asked, inputs


def _count(tensor: Tensor) -> int:
    count = 1
    for length in tensor.shape:
        if length < 0:
            raise RequestError(400, f"input '{tensor.name}' has a negative length in its shape")
        count *= length
    if count > MOST_ELEMENTS:
        raise RequestError(413, f"input '{tensor.name}' has more than {MOST_ELEMENTS:,} elements")
    return count


def _type(tensor: Tensor) -> np.dtype[Any]:
    if tensor.datatype not in TYPES:
        raise RequestError(
            400, f"input '{tensor.name}' is {tensor.datatype}; BYTES, {', '.join(TYPES)} are read"
        )
    return TYPES[tensor.datatype]


def _of_bytes(tensor: Tensor, raw: bytes) -> ndarray | list[bytes]:
    count = _count(tensor)
    if tensor.datatype != "BYTES":
        kind = _type(tensor)
        if len(raw) != count * kind.itemsize:
            raise RequestError(400, f"input '{tensor.name}' has {len(raw)} bytes, its shape asks for others")
        return np.frombuffer(raw, kind).reshape(tensor.shape)
    elements: list[bytes] = []
    at = 0
    while at + 4 <= len(raw) and len(elements) < count:
        (size,) = struct.unpack_from("<I", raw, at)
        elements.append(raw[at + 4 : at + 4 + size])
        at += 4 + size
    if at != len(raw) or len(elements) != count:
        raise RequestError(400, f"input '{tensor.name}' has bytes that do not fit its shape")
    return elements


def _of_json(tensor: Tensor) -> ndarray | list[bytes]:
    if tensor.data is None:
        raise RequestError(400, f"input '{tensor.name}' has no data")
    count = _count(tensor)
    if tensor.datatype == "BYTES":
        flat = _flat(tensor.data)
        if len(flat) != count or not all(isinstance(element, str) for element in flat):
            raise RequestError(400, f"input '{tensor.name}' is not {count} texts")
        return [element.encode() for element in flat]
    try:
        values = np.array(_flat(tensor.data), _type(tensor))
        return values.reshape(tensor.shape)
    except (ValueError, TypeError, OverflowError):
        raise RequestError(
            400, f"input '{tensor.name}' is not {tensor.datatype} of shape {tensor.shape}"
        ) from None


def _flat(data: list[Any]) -> list[Any]:
    """Nested lists as one."""
    found: list[Any] = []
    stack = [iter(data)]
    while stack:
        for element in stack[-1]:
            if isinstance(element, list):
                stack.append(iter(element))
                break
            found.append(element)
        else:
            stack.pop()
    return found


def encoded_picture(element: bytes) -> bytes:
    """A picture's bytes: themselves, or their base64, since JSON has no bytes."""
    if element[:2] in (b"\xff\xd8", b"\x89P", b"GI", b"RI", b"BM", b"II", b"MM"):
        return element
    try:
        return base64.b64decode(b"".join(element.split()), validate=True)
    except ValueError:
        return element


Output = ndarray | Sequence[str]


def write_answer(
    asked: InferRequest, outputs: dict[str, Output], *, model: str, version: str
) -> tuple[bytes, dict[str, str]]:
    """The body of an answer and its headers, with those outputs in binary that are wanted so."""
    wanted = {output.name: output for output in asked.outputs}
    for name in wanted:
        if name not in outputs:
            raise RequestError(400, f"there is no output '{name}'; there are: {', '.join(outputs)}")
    told, tail = [], b""
    for name, values in outputs.items():
        if wanted and name not in wanted:
            continue
        own = wanted[name].parameters.get("binary_data") if name in wanted else None
        binary = bool(asked.parameters.get("binary_data_output", False) if own is None else own)
        if isinstance(values, ndarray):
            shape, kind = list(values.shape), "FP32"
            raw = np.ascontiguousarray(values, "<f4").tobytes() if binary else b""
            plain: Any = values.astype(np.float32).reshape(-1)
        else:
            shape, kind = [len(values)], "BYTES"
            raw = b"".join(
                struct.pack("<I", len(text)) + text for text in (value.encode() for value in values)
            )
            plain = list(values)
        tensor: dict[str, Any] = {"name": name, "shape": shape, "datatype": kind}
        if binary:
            tensor["parameters"] = {"binary_data_size": len(raw)}
            tail += raw
        else:
            tensor["data"] = plain
        told.append(tensor)
    answer = {"model_name": model, "model_version": version, "outputs": told}
    if asked.id is not None:
        answer["id"] = asked.id
    head = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    if not tail:
        return head, {"content-type": "application/json"}
    return head + tail, {"content-type": "application/octet-stream", LENGTH_HEADER: str(len(head))}
