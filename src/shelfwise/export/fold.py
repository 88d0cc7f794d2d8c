"""Graphs made ready for 8 bits: norms folded away, constants in a quick form, and names that stay."""

from __future__ import annotations

from collections import Counter
from itertools import count

import numpy as np
import onnx
from onnx import NodeProto, numpy_helper


def fold_norms(model: onnx.ModelProto) -> None:
    """Convolution, maximum, norm, ReLU become convolution, ReLU, maximum, in place; no answer changes.

    A maximum keeps its place under a norm that grows, so the norm may go into the weights before it; the
    exporter does that only where nothing stands between. In 8 bits a norm on its own is two conversions and a
    pass in float. Norms with a scale that is not positive stay."""
    graph = _Graph(model)
    for norm in [node for node in model.graph.node if node.op_type == "BatchNormalization"]:
        pool = graph.only_source(norm, "MaxPool")
        conv = graph.only_source(pool, "Conv") if pool is not None else None
        factor, offset = graph.affine(norm)
        if pool is None or conv is None or not (factor > 0).all() or conv.input[1] not in graph.constants:
            continue
        weights = graph.value(conv.input[1]) * factor[:, None, None, None]
        bias = offset + (graph.value(conv.input[2]) * factor if len(conv.input) > 2 else 0)
        conv.input[:] = [conv.input[0], graph.add(weights), graph.add(bias)]
        relu = graph.only_user(norm, "Relu")
        if relu is None:
            pool.output[0] = norm.output[0]
        else:
            # Before the maximum, where the convolution can take it over.
            before, after = conv.output[0], relu.output[0]
            earlier, later = NodeProto(), NodeProto()
            earlier.CopyFrom(relu)
            later.CopyFrom(pool)
            earlier.input[0], earlier.output[0] = before, f"{before}.relu"
            later.input[0], later.output[0] = earlier.output[0], after
            pool.CopyFrom(earlier)
            relu.CopyFrom(later)
        model.graph.node.remove(norm)
        graph = _Graph(model)
    _drop_unused(model)


def widen_constants(model: onnx.ModelProto) -> None:
    """A number per channel, taken from or dividing pixels, becomes one per channel and column, in place.

    8-bit convolutions have the channels last; there onnxruntime repeats a row of W x C numbers some thirty
    times as fast as one of C."""
    graph = _Graph(model)
    size = [one.dim_value for one in model.graph.input[0].type.tensor_type.shape.dim]
    if len(size) != 4 or not size[2]:
        return
    for node in model.graph.node:
        if node.op_type not in ("Sub", "Div") or node.input[1] not in graph.constants:
            continue
        value = graph.value(node.input[1])
        if value.shape == (size[3], 1, 1):
            node.input[1] = graph.add(np.broadcast_to(value, (size[3], 1, size[2])))
    _drop_unused(model)


def rename(model: onnx.ModelProto) -> None:
    """Nodes and what they give are called `Conv_0`, `Conv_1`, `Relu_0` ... in place.

    An exporter's own names follow from its version; ranges that were once seen must find their place."""
    kept = {output.name for output in model.graph.output}
    seen: Counter[str] = Counter()
    names: dict[str, str] = {}
    for node in model.graph.node:
        node.name = f"{node.op_type}_{seen[node.op_type]}"
        seen[node.op_type] += 1
        for number, output in enumerate(node.output):
            if output and output not in kept:
                names[output] = node.name if number == 0 else f"{node.name}.{number}"
        node.input[:] = [names.get(given, given) for given in node.input]
        node.output[:] = [names.get(given, given) for given in node.output]
    del model.graph.value_info[:]


def _drop_unused(model: onnx.ModelProto) -> None:
    """Leave out constants that nothing takes, which onnxruntime would complain of."""
    used = {name for node in model.graph.node for name in node.input}
    constants = [constant for constant in model.graph.initializer if constant.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(constants)


class _Graph:
    """Who makes and who uses what."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.constants = {constant.name: constant for constant in model.graph.initializer}
        self._source = {output: node for node in model.graph.node for output in node.output}
        self._users = Counter(given for node in model.graph.node for given in node.input)
        self._users.update(output.name for output in model.graph.output)

    def only_source(self, node: NodeProto, kind: str) -> NodeProto | None:
        """What makes the node's input, where it is a `kind` that nothing else uses."""
        source = self._source.get(node.input[0])
        single = source is not None and self._users[node.input[0]] == 1
        return source if single and source is not None and source.op_type == kind else None

    def only_user(self, node: NodeProto, kind: str) -> NodeProto | None:
        """What uses the node's output, where it is a `kind` and nothing else does."""
        users = [user for user in self.graph.node if node.output[0] in user.input]
        return users[0] if self._users[node.output[0]] == 1 and users and users[0].op_type == kind else None

    def affine(self, norm: NodeProto) -> tuple[np.ndarray, np.ndarray]:
        """Factor and offset that a norm comes to; no factor where they are not constants."""
        if any(name not in self.constants for name in norm.input[1:5]):
            return np.zeros(1, np.float32), np.zeros(1, np.float32)
        scale, bias, mean, variance = (self.value(name).astype(np.float64) for name in norm.input[1:5])
        epsilon = next((a.f for a in norm.attribute if a.name == "epsilon"), 1e-5)
        factor = scale / np.sqrt(variance + epsilon)
        return factor.astype(np.float32), (bias - mean * factor).astype(np.float32)

    def value(self, name: str) -> np.ndarray:
        """A constant."""
        return np.asarray(numpy_helper.to_array(self.constants[name]))

    def add(self, values: np.ndarray) -> str:
        """The name of a new constant."""
        name = next(f"folded.{i}" for i in count() if f"folded.{i}" not in self.constants)
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        self.constants[name] = self.graph.initializer[-1]
        return name
