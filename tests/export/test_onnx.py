"""The ONNX export: any batch size, the same numbers as torch, and a guard that fails when they are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from shelfwise.errors import BundleError
from shelfwise.export.onnx import (
    PARITY,
    check_parity,
    export_onnx,
    largest_difference,
    sigmoid,
    softmax,
)
from shelfwise.export.quantize import quantize_dynamic_int8
from shelfwise.export.session import open_session


class TwoHeads(nn.Module):
    """Logits and unit vectors of raw pixels, as a dual encoder gives them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.logits = nn.Linear(16, 3)
        self.vectors = nn.Linear(16, 5)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        flat = pixels.flatten(1).float() / 255
        return self.logits(flat), nn.functional.normalize(self.vectors(flat), dim=1)


def pixels(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 4, 4, 1), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "two.onnx"
    names = ["logits", "embeddings"]
    export_onnx(TwoHeads(), pixels(2), path, input_name="pixels", output_names=names, dynamic={0: "batch"})
    return path


@pytest.fixture
def module() -> TwoHeads:
    return TwoHeads()


@pytest.mark.parametrize("count", [1, 2, 3, 65])
def test_every_batch_size_gives_what_torch_gives(exported: Path, module: TwoHeads, count: int) -> None:
    assert check_parity(module, pixels(count), exported) <= PARITY / 10
    logits, vectors = open_session(exported, threads=1).run(None, {"pixels": pixels(count).numpy()})
    assert logits.shape == (count, 3)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_the_file_is_one_file_with_named_ends(exported: Path) -> None:
    session = open_session(exported, threads=None)
    assert [end.name for end in session.get_inputs()] == ["pixels"]
    assert session.get_inputs()[0].type == "tensor(uint8)"
    assert [end.name for end in session.get_outputs()] == ["logits", "embeddings"]
    assert [path.name for path in exported.parent.iterdir()] == ["two.onnx"]


def test_the_file_says_nothing_of_the_machine_it_was_made_on(exported: Path) -> None:
    content = exported.read_bytes()
    for word in (b"stack_trace", b".py", str(Path(__file__).parent).encode()):
        assert word not in content


@pytest.mark.parametrize("head", ["logits", "vectors"])
def test_a_module_that_moved_away_from_its_file_is_found(exported: Path, module: TwoHeads, head: str) -> None:
    with torch.no_grad():
        getattr(module, head).weight[0, 0] += 0.05
    with pytest.raises(BundleError, match=r"export to 'two\.onnx' differs from the model by"):
        check_parity(module, pixels(8), exported)


@pytest.mark.parametrize("head", ["logits", "vectors"])
def test_a_graph_with_a_number_that_is_not_one_is_found(
    exported: Path, module: TwoHeads, tmp_path: Path, head: str
) -> None:
    graph = onnx.load(exported)
    (weight,) = (w for w in graph.graph.initializer if w.name == f"{head}.weight")
    spoilt = numpy_helper.to_array(weight).copy()
    spoilt[:] = np.nan
    weight.CopyFrom(numpy_helper.from_array(spoilt, weight.name))
    onnx.save(graph, tmp_path / "two.onnx")
    with pytest.raises(BundleError, match="by nan"):
        check_parity(module, pixels(8), tmp_path / "two.onnx")


def test_a_graph_of_another_shape_is_found(exported: Path, module: TwoHeads) -> None:
    module.logits = nn.Linear(16, 1)
    with pytest.raises(BundleError, match="other shapes"):
        check_parity(module, pixels(8), exported)


class Ordinal(nn.Module):
    """What reviews need besides: a two-dimensional product, and cumulative products of probabilities."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Linear(16, 5)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.head(rows)
        return torch.sigmoid(logits).cumprod(1).clamp(min=1e-7).log(), logits


def test_cumulative_products_are_exported_and_eight_bits_can_be_made(tmp_path: Path) -> None:
    module, rows = Ordinal().eval(), torch.randn(6, 16, generator=torch.Generator().manual_seed(1))
    names, whole, small = ["more", "logits"], tmp_path / "a.onnx", tmp_path / "a.int8.onnx"
    export_onnx(module, rows[:2], whole, input_name="rows", output_names=names, dynamic={0: "texts"})
    assert check_parity(module, rows, whole, links=[np.exp, sigmoid]) <= 1e-6
    quantize_dynamic_int8(whole, small)
    assert 0 < largest_difference(module, rows, small, links=[np.exp, sigmoid]) < 0.1


def test_probabilities_of_logits_of_any_size_are_finite() -> None:
    logits = np.array([[-1e4, 0.0, 1e4]], np.float32)
    assert sigmoid(logits) == pytest.approx(np.array([[0.0, 0.5, 1.0]]))
    assert softmax(logits) == pytest.approx(np.array([[0.0, 0.0, 1.0]]))
