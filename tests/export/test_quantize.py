"""int8 export: close to float32, smaller, the same bytes each time, and nothing left behind."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from small_checkpoints import save_small_checkpoint

from shelfwise.export.onnx import export_onnx
from shelfwise.export.quantize import quantize_dynamic_int8
from shelfwise.export.session import open_session

pytest.importorskip("transformers", reason="needs the extra 'text' (transformers)")

TEXTS = ["the dress fits well", "too small in the shoulders", "größer als erwartet", "the seams came apart"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small encoder as float32 ONNX, alone in its folder."""
    from shelfwise.nn.pretrained import PretrainedEncoder

    folder = tmp_path_factory.mktemp("quantize")
    checkpoint = save_small_checkpoint(folder / "bert", "bert", TEXTS, width=64)
    encoder = PretrainedEncoder.load(str(checkpoint))
    path = folder / "onnx" / "encoder.onnx"
    path.parent.mkdir()
    axes = {0: "batch", 1: "length"}
    export_onnx(encoder, ids(2, 9), path, input_name="ids", output_names=["states"], dynamic=axes)
    return path


def ids(batch: int, length: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(batch * length)
    return torch.randint(5, 60, (batch, length), generator=generator)


def states(path: Path, batch: torch.Tensor) -> np.ndarray:
    return np.asarray(open_session(path, threads=1).run(None, {"ids": batch.numpy()})[0])


@pytest.mark.parametrize(("batch", "length"), [(1, 1), (3, 20), (16, 64)])
def test_int8_points_where_float32_does(exported: Path, tmp_path: Path, batch: int, length: int) -> None:
    quantize_dynamic_int8(exported, tmp_path / "int8.onnx")
    one, other = (states(p, ids(batch, length)).mean(1) for p in (exported, tmp_path / "int8.onnx"))
    cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert cosine.min() > 0.98
    assert not np.array_equal(one, other)


def test_int8_holds_all_constant_products_and_tables_in_a_byte_a_weight(
    exported: Path, tmp_path: Path
) -> None:
    quantize_dynamic_int8(exported, tmp_path / "int8.onnx")
    graph = onnx.load(tmp_path / "int8.onnx").graph
    floats = sum(np.prod(w.dims) for w in graph.initializer if w.data_type == onnx.TensorProto.FLOAT)
    whole = sum(np.prod(w.dims) for w in graph.initializer)
    assert floats < whole / 10
    assert "MatMulInteger" in {node.op_type for node in graph.node}


def test_the_bytes_are_the_same_each_time_and_nothing_else_is_left(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    (tmp_path / "out").mkdir()
    for name in ("a.onnx", "b.onnx"):
        quantize_dynamic_int8(exported, tmp_path / "out" / name)
    one, other = ((tmp_path / "out" / name).read_bytes() for name in ("a.onnx", "b.onnx"))
    assert one == other
    assert b"scratch" not in one
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.onnx", "b.onnx"]
    assert list(scratch.iterdir()) == []
    assert [p.name for p in exported.parent.iterdir()] == ["encoder.onnx"]


def test_it_says_nothing_and_leaves_logging_alone(
    exported: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    handlers = root.handlers[:]
    root.handlers[:] = []
    try:
        quantize_dynamic_int8(exported, tmp_path / "int8.onnx")
        assert root.handlers == []
    finally:
        root.handlers[:] = handlers
    quantize_dynamic_int8(exported, tmp_path / "int8.onnx")
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_a_file_that_fails_leaves_the_earlier_one(exported: Path, tmp_path: Path) -> None:
    target = tmp_path / "int8.onnx"
    quantize_dynamic_int8(exported, target)
    before = target.read_bytes()
    (tmp_path / "broken.onnx").write_bytes(exported.read_bytes()[:5000])
    with pytest.raises(Exception, match=r"(?i)pars|decod"):
        quantize_dynamic_int8(tmp_path / "broken.onnx", target)
    assert target.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken.onnx", "int8.onnx"]
