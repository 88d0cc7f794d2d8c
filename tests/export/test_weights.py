"""Weights that a folder holds once: the graph beside a safetensors file computes what torch does with it."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn

from shelfwise.export.onnx import check_parity, export_onnx, softmax
from shelfwise.export.session import open_session
from shelfwise.export.weights import halved, save_weights, share_weights


class Small(nn.Module):
    """A table, a matrix product in three dimensions and one in two, and a buffer of whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(20, 8)
        self.mix = nn.Linear(8, 12)
        self.head = nn.Linear(12, 5)
        self.register_buffer("places", torch.arange(40))

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(torch.relu(self.mix(self.table(ids))).amax(1))


IDS = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 9, 9]])


def written(folder: Path, dtype: torch.dtype) -> tuple[nn.Module, Path]:
    """A module, and its graph in a folder with its weights."""
    module = Small().eval()
    if dtype == torch.float16:
        module = module.half().float()
    whole, weights, graph = folder / "whole.onnx", folder / "model.safetensors", folder / "small.onnx"
    export_onnx(module, IDS, whole, input_name="ids", output_names=["out"], dynamic={0: "texts", 1: "tokens"})
    save_weights(module, weights, dtype)
    share_weights(whole, weights, graph)
    whole.unlink()
    return module, graph


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_graph_without_weights_computes_what_torch_does(tmp_path: Path, dtype: torch.dtype) -> None:
    module, graph = written(tmp_path, dtype)
    for ids in (IDS, IDS[:1, :2]):
        assert check_parity(module, ids, graph, links=[softmax]) <= 1e-6
    constants = onnx.load(graph, load_external_data=False).graph.initializer
    assert sum(len(constant.raw_data) for constant in constants) < 200
    assert graph.stat().st_size < 4000


def test_float_weights_are_stored_in_half_and_whole_numbers_as_they_are(tmp_path: Path) -> None:
    written(tmp_path, torch.float16)
    stored = load_file(tmp_path / "model.safetensors")
    assert stored["mix.weight"].dtype.name == "float16"
    assert stored["places"].dtype.name == "int64"
    assert stored["mix.weight"].shape == (12, 8)


def test_the_bytes_are_the_same_each_time(tmp_path: Path) -> None:
    graphs = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        graphs.append(written(tmp_path / name, torch.float16)[1].read_bytes())
    assert graphs[0] == graphs[1]


def test_without_its_weights_a_graph_does_not_load(tmp_path: Path) -> None:
    _, graph = written(tmp_path, torch.float16)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(Exception, match=r"model\.safetensors"):
        open_session(graph, threads=1)


def test_weights_of_another_module_stay_in_the_graph(tmp_path: Path) -> None:
    module, whole = Small().eval(), tmp_path / "whole.onnx"
    export_onnx(module, IDS, whole, input_name="ids", output_names=["out"], dynamic={0: "texts", 1: "tokens"})
    save_weights(nn.Linear(8, 12), tmp_path / "model.safetensors", torch.float32)
    share_weights(whole, tmp_path / "model.safetensors", tmp_path / "small.onnx")
    assert check_parity(module, IDS, tmp_path / "small.onnx", links=[softmax]) <= 1e-6


def test_weights_are_halved_only_where_that_changes_next_to_nothing() -> None:
    module = Small().eval()
    rounded, dtype, change = halved(module, [IDS], [softmax])
    assert dtype == torch.float16
    assert 0 < change <= 1e-3
    kept = rounded.state_dict()["mix.weight"]
    assert torch.equal(kept, kept.half().float())
    assert not torch.equal(kept, module.mix.weight)

    with torch.no_grad():
        module.head.weight.mul_(1e6)  # past what float16 can hold
    same, dtype, change = halved(module, [IDS], [softmax])
    assert (same is module, dtype, change) == (True, torch.float32, 0.0)


def test_weights_that_overflow_in_half_stay_in_float_whichever_input_finds_them() -> None:
    module = Small().eval()
    with torch.no_grad():
        module.table.weight[7] = 1e6
    links = [lambda logits: logits]
    found, kind, change = halved(module, [IDS[:1], IDS], links)
    assert (found, kind, change) == (module, torch.float32, 0.0)
