"""`shelfwise export`: ONNX files written afresh from the weights, and nothing else touched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from shelfwise.bundle import Bundle
from shelfwise.cli import app
from shelfwise.errors import BundleError
from shelfwise.predict import Predictor
from shelfwise.train import package
from shelfwise.train.package import reexport


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A bundle that a test may damage."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def answers(path: Path) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 28, 28, 1), dtype=np.uint8)
    return Predictor.load(path, threads=1).probabilities(pixels)


def test_damaged_onnx_files_are_written_afresh(copy: Path, tiny_bundle: Path) -> None:
    (copy / "picture.onnx").write_bytes(b"not a graph")
    (copy / "text.onnx").unlink()
    (copy / "README.md").write_text(f"# {Bundle.open(tiny_bundle).label}\nEdited by its owner.\n")
    with pytest.raises(BundleError, match=f"run: shelfwise export {copy}"):
        Bundle.open(copy)
    result = CliRunner().invoke(app, ["export", str(copy)], catch_exceptions=False)
    assert result.exit_code == 0
    after, before = Bundle.open(copy), Bundle.open(tiny_bundle)
    assert result.stdout.startswith(f"{after.label}: {copy}\n")
    assert "text.onnx differs from torch by at most" in result.stdout
    assert np.abs(answers(copy) - answers(tiny_bundle)).max() <= 1e-6
    for name in ("model.safetensors", "config.json", "journal.jsonl"):
        assert (copy / name).read_bytes() == (tiny_bundle / name).read_bytes()
    assert (copy / "README.md").read_text() == f"# {after.label}\nEdited by its owner.\n"
    assert after.meta.created == before.meta.created
    assert after.meta.info["training"] == before.meta.info["training"]
    assert set(after.meta.info["parity"]) == {"picture", "picture.int8", "text"}
    assert after.meta.files == Bundle.open(copy).meta.files
    assert [path.name for path in copy.parent.iterdir()] == ["bundle"]


def test_an_export_that_differs_from_torch_leaves_the_bundle_alone(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    export = package.export_onnx

    def tampered(module: torch.nn.Module, *rest: object, **named: object) -> None:
        export(module, *rest, **named)  # type: ignore[arg-type]
        with torch.no_grad():
            module.get_parameter("model.classifier.head.weight").mul_(1.5)

    monkeypatch.setattr(package, "export_onnx", tampered)
    with pytest.raises(BundleError, match=r"picture\.onnx' differs from the model"):
        reexport(copy)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def test_damage_elsewhere_is_not_exported(copy: Path) -> None:
    (copy / "model.safetensors").write_bytes(b"short")
    with pytest.raises(BundleError, match=r"model\.safetensors was changed"):
        reexport(copy)


def test_a_file_that_is_not_the_bundles_is_not_lost(copy: Path) -> None:
    (copy / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match=r"holds 'notes\.txt'"):
        reexport(copy)
    assert (copy / "notes.txt").read_text() == "mine"


def test_a_lost_card_is_written_again(copy: Path) -> None:
    (copy / "README.md").unlink()
    bundle = reexport(copy)
    assert (copy / "README.md").read_text().startswith(f"# {bundle.label}\n")
    assert json.loads((copy / "bundle.json").read_text())["version"] == bundle.version
