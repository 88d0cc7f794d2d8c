"""Static int8: norms that fold away, ranges that are kept, and answers that hardly change."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from shelfwise.errors import BundleError
from shelfwise.export.fold import fold_norms, rename, widen_constants
from shelfwise.export.onnx import export_onnx, largest_difference, softmax
from shelfwise.export.session import open_session
from shelfwise.export.static import (
    measure_ranges,
    quantize_static_int8,
    read_ranges,
    write_ranges,
)
from shelfwise.export.worth import int8_form
from shelfwise.nn.towers import Normalize, Stage


class Net(nn.Module):
    """Two stages, one halved by a maximum and one by its stride, as our towers are built."""

    def __init__(self, *, channels: int = 3, residual: bool = False, sign: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.normalize = Normalize((0.4, 0.5, 0.6)[:channels], (0.3, 0.2, 0.25)[:channels])
        self.stages = nn.Sequential(
            Stage(channels, 8, depth=2, stride=False, residual=residual),
            Stage(8, 16, depth=2, stride=True, residual=residual),
        )
        self.head = nn.Linear(16, 4)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.uniform_(-0.3, 0.3)  # type: ignore[union-attr]
                part.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.uniform_(part.bias, -0.3, 0.3)
                with torch.no_grad():
                    part.weight[0] *= sign

    def forward(self, pixels: Tensor) -> Tensor:
        maps = self.stages(self.normalize(pixels))
        return self.head(nn.functional.max_pool2d(maps, maps.shape[2:]).flatten(1))


def pixels(count: int, seed: int = 0, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 12, 12, channels), dtype=torch.uint8, generator=generator)


def exported(net: Net, path: Path) -> Path:
    channels = net.normalize.mean.numel()
    export_onnx(
        net,
        pixels(2, channels=channels),
        path,
        input_name="pixels",
        output_names=["logits"],
        dynamic={0: "batch"},
    )
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(Net(), tmp_path_factory.mktemp("static") / "whole.onnx")


@pytest.fixture(scope="module")
def small(whole: Path) -> Path:
    path = whole.with_name("small.onnx")
    quantize_static_int8(whole, path, measure_ranges(whole, pixels(100).numpy()))
    return path


def kinds(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


@pytest.mark.parametrize("residual", [False, True])
def test_norms_behind_a_maximum_fold_away_and_no_answer_changes(tmp_path: Path, *, residual: bool) -> None:
    net = Net(residual=residual)
    model = onnx.load(exported(net, tmp_path / "a.onnx"))
    before = kinds(model)
    fold_norms(model)
    assert before["BatchNormalization"] == 1
    assert kinds(model) == before - Counter(["BatchNormalization"])
    onnx.checker.check_model(model)
    onnx.save(model, tmp_path / "b.onnx")
    assert largest_difference(net, pixels(7), tmp_path / "b.onnx", links=[np.asarray]) <= 1e-5
    named = {name for node in model.graph.node for name in node.input}
    assert {constant.name for constant in model.graph.initializer} <= named


def test_a_norm_that_turns_things_over_stays(tmp_path: Path) -> None:
    """The maximum of what is turned over is the minimum."""
    net = Net(sign=-1.0)
    model = onnx.load(exported(net, tmp_path / "a.onnx"))
    fold_norms(model)
    assert kinds(model)["BatchNormalization"] == 1


def test_names_follow_from_the_graph_alone(whole: Path) -> None:
    model = onnx.load(whole)
    rename(model)
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    assert {"Cast_0", "Sub_0", "Conv_0", "Conv_1"} <= set(names)
    assert [output.name for output in model.graph.output] == ["logits"]
    onnx.checker.check_model(model)


def test_a_constant_per_channel_gets_one_per_column_and_no_answer_changes(tmp_path: Path) -> None:
    net = Net()
    model = onnx.load(exported(net, tmp_path / "a.onnx"))
    widen_constants(model)
    sizes = {constant.name: list(constant.dims) for constant in model.graph.initializer}
    widened = [node.input[1] for node in model.graph.node if node.op_type in ("Sub", "Div")]
    assert [sizes[name] for name in widened] == [[3, 1, 12]] * 2
    onnx.save(model, tmp_path / "b.onnx")
    assert largest_difference(net, pixels(7), tmp_path / "b.onnx", links=[np.asarray]) <= 1e-5


def test_of_grey_pictures_the_first_convolution_stays_in_float(tmp_path: Path) -> None:
    whole, small = exported(Net(channels=1), tmp_path / "a.onnx"), tmp_path / "b.onnx"
    grey = pixels(100, channels=1).numpy()
    quantize_static_int8(whole, small, measure_ranges(whole, grey))
    one, other = (open_session(path, 1).run(None, {"pixels": grey})[0] for path in (whole, small))
    assert np.abs(softmax(one) - softmax(other)).max() < 0.03
    convolved = [w.data_type for w in onnx.load(small).graph.initializer if len(w.dims) == 4]
    assert Counter(convolved) == {onnx.TensorProto.INT8: 3, onnx.TensorProto.FLOAT: 1}


def test_a_map_with_two_users_stays_in_bytes(tmp_path: Path) -> None:
    """Of a residual stage the maximum goes to a convolution and to a sum."""
    whole, small = exported(Net(residual=True), tmp_path / "a.onnx"), tmp_path / "b.onnx"
    quantize_static_int8(whole, small, measure_ranges(whole, pixels(100).numpy()))
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "run.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(str(small), options, providers=["CPUExecutionProvider"])
    run = kinds(onnx.load(tmp_path / "run.onnx"))
    assert run["QLinearConv"] == 4
    assert run["Conv"] == 0


def test_int8_answers_as_float_does_with_a_byte_a_weight(whole: Path, small: Path) -> None:
    one, other = (
        open_session(path, 1).run(None, {"pixels": pixels(64, 1).numpy()})[0] for path in (whole, small)
    )
    assert np.abs(softmax(one) - softmax(other)).max() < 0.03
    assert not np.array_equal(one, other)
    graph = onnx.load(small).graph
    types = {w.name: w.data_type for w in graph.initializer}
    convolved = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolved) == 4
    dequantized = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    for node in convolved:
        source = dequantized[node.input[1]]
        assert types[source.input[0]] == onnx.TensorProto.INT8
        scales = next(w for w in graph.initializer if w.name == source.input[1])
        assert list(scales.dims) == [8] or list(scales.dims) == [16]
    assert not [node for node in graph.node if node.op_type == "Relu"]


def test_a_rows_answer_does_not_depend_on_the_others(small: Path) -> None:
    session = open_session(small, 1)
    some = pixels(16, 3).numpy()
    together = session.run(None, {"pixels": some})[0]
    alone = np.concatenate([session.run(None, {"pixels": row[None]})[0] for row in some])
    np.testing.assert_array_equal(together, alone)


def test_kept_ranges_give_the_same_bytes_and_nothing_is_left(
    whole: Path,
    small: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    ranges = measure_ranges(whole, pixels(100).numpy())
    write_ranges(ranges, tmp_path / "ranges.json")
    assert read_ranges(tmp_path / "ranges.json") == ranges
    quantize_static_int8(whole, tmp_path / "again.onnx", read_ranges(tmp_path / "ranges.json"))
    assert (tmp_path / "again.onnx").read_bytes() == small.read_bytes()
    assert list(scratch.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_ranges_of_another_graph_are_refused(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"the ranges do not fit 'whole\.onnx'"):
        quantize_static_int8(whole, tmp_path / "a.onnx", {"Conv_0": (0.0, 1.0)})
    assert not (tmp_path / "a.onnx").exists()


@pytest.mark.parametrize(
    "content", ["", "[]", '{"a": 1}', '{"a": [1]}', '{"a": [1, "x"]}', '{"a": [2, 1]}', '{"a": [NaN, 1]}']
)
def test_ranges_that_are_none_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "ranges.json").write_text(content)
    with pytest.raises(BundleError, match="copy or train the bundle again"):
        read_ranges(tmp_path / "ranges.json")


def test_ranges_need_a_picture(whole: Path) -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        measure_ranges(whole, pixels(0).numpy())


class Bag(nn.Module):
    def __init__(self, rows: int, width: int = 64) -> None:
        super().__init__()
        self.table, self.out = nn.Embedding(rows, width), nn.Linear(width, 8)

    def forward(self, ids: Tensor) -> Tensor:
        return self.out(self.table(ids).sum(1))


@pytest.mark.parametrize(("rows", "form"), [(100, None), (20_000, "lookups")])
def test_a_bag_gains_where_its_table_is_large(tmp_path: Path, rows: int, form: str | None) -> None:
    path = tmp_path / "bag.onnx"
    axes = {0: "texts", 1: "tokens"}
    ids = torch.ones(2, 3, dtype=torch.int64)
    export_onnx(Bag(rows), ids, path, input_name="ids", output_names=["out"], dynamic=axes)
    assert int8_form(path) == form


def test_convolutions_are_static_and_large_products_dynamic(whole: Path, tmp_path: Path) -> None:
    assert int8_form(whole) == "static"
    wide = nn.Sequential(nn.Flatten(), nn.Linear(1000, 1000), nn.Linear(1000, 4))
    path = tmp_path / "wide.onnx"
    export_onnx(
        wide, torch.zeros(2, 1000), path, input_name="rows", output_names=["out"], dynamic={0: "rows"}
    )
    assert int8_form(path) == "dynamic"
