"""Reviews bundles: small, the same through torch and ONNX, and their graphs written afresh when asked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from small_reviews import small_bundle
from typer.testing import CliRunner

from shelfwise.bundle import ReviewsBundle
from shelfwise.cli import app
from shelfwise.data.review_tokens import review_text
from shelfwise.data.synthetic_reviews import synthetic_reviews
from shelfwise.errors import BundleError
from shelfwise.predict.review_backend import pad_id
from shelfwise.predict.reviews import ReviewPredictor, ReviewScores
from shelfwise.predict.torch_reviews import load_review_net
from shelfwise.train import package_reviews
from shelfwise.train.package_reviews import reexport_reviews

GRAPHS = ("review.onnx", "review.int8.onnx", "aspects.onnx", "aspects.int8.onnx")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.getbasetemp())


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    """A bundle that a test may damage."""
    return Path(shutil.copytree(bundle, tmp_path / "bundle"))


def answers(path: Path) -> ReviewScores:
    texts = [review_text(review) for review in synthetic_reviews(20, seed=6)]
    return ReviewPredictor.load(path, threads=1).distributions(texts)


def test_a_bundle_says_how_far_its_files_are_from_what_was_trained(bundle: Path) -> None:
    info = ReviewsBundle.open(bundle).info
    assert set(info["parity"]) == {name.removesuffix(".onnx") for name in GRAPHS}
    assert max(info["parity"]["review"], info["parity"]["aspects"]) <= 1e-4
    assert 0 < info["parity"]["review.int8"] < 0.2
    for name, stored in info["weights"].items():
        assert stored["type"] == load_file(bundle / name)["encoder.embedding.weight"].dtype.name
        assert stored["largest_change"] <= 1e-3


def test_graphs_hold_no_weights_of_their_own(bundle: Path) -> None:
    """A third of the bundle would be there twice."""
    for graph, weights in (("review.onnx", "model.safetensors"), ("aspects.onnx", "aspects.safetensors")):
        content = (bundle / graph).read_bytes()
        assert weights.encode() in content
        assert len(content) < (bundle / weights).stat().st_size / 2


def test_the_card_tells_how_it_was_made_and_what_it_cannot_do(bundle: Path) -> None:
    opened = ReviewsBundle.open(bundle)
    card = (bundle / "README.md").read_text()
    for words in (opened.label, "80 rows", "not calibrated", "fit 0.60", "review.int8.onnx", "## Limits"):
        assert words in card
    validated = opened.meta.model_copy(update={"info": {**opened.meta.info, "validation": {"qwk": 0.81}}})
    assert "qwk 0.8100" in package_reviews.review_card(validated, opened.config)


def test_damaged_graphs_are_written_afresh(copy: Path, bundle: Path) -> None:
    (copy / "review.onnx").write_bytes(b"not a graph")
    (copy / "aspects.int8.onnx").unlink()
    (copy / "README.md").write_text(f"# {ReviewsBundle.open(bundle).label}\nEdited by its owner.\n")
    with pytest.raises(BundleError, match=f"run: shelfwise export {copy}"):
        ReviewsBundle.open(copy)
    result = CliRunner().invoke(app, ["export", str(copy)], catch_exceptions=False)
    assert result.exit_code == 0
    after, before = ReviewsBundle.open(copy), ReviewsBundle.open(bundle)
    assert result.stdout.startswith(f"{after.label}: {copy}\n")
    for name in GRAPHS:
        assert f"{name} differs from torch by at most" in result.stdout
        assert (copy / name).read_bytes() == (bundle / name).read_bytes()
    assert np.abs(answers(copy).stars - answers(bundle).stars).max() <= 1e-6
    for name in ("model.safetensors", "aspects.safetensors", "tokenizer.json", "config.json"):
        assert (copy / name).read_bytes() == (bundle / name).read_bytes()
    assert (copy / "README.md").read_text() == f"# {after.label}\nEdited by its owner.\n"
    assert after.version == before.version
    assert after.meta.created == before.meta.created
    assert after.meta.info["weights"] == before.meta.info["weights"]


def test_an_export_that_differs_from_torch_leaves_the_bundle_alone(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    export = package_reviews.export_onnx

    def tampered(module: torch.nn.Module, *rest: object, **named: object) -> None:
        export(module, *rest, **named)  # type: ignore[arg-type]
        with torch.no_grad():
            next(iter(module.parameters())).mul_(1.5)

    monkeypatch.setattr(package_reviews, "export_onnx", tampered)
    with pytest.raises(BundleError, match=r"onnx' differs from the model"):
        reexport_reviews(copy)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def test_damage_elsewhere_is_not_exported(copy: Path) -> None:
    (copy / "tokenizer.json").write_bytes(b"{}")
    with pytest.raises(BundleError, match=r"tokenizer\.json was changed"):
        reexport_reviews(copy)


def test_a_file_that_is_not_the_bundles_is_not_lost(copy: Path) -> None:
    (copy / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match=r"holds 'notes\.txt'"):
        reexport_reviews(copy)
    assert (copy / "notes.txt").read_text() == "mine"


def test_a_lost_card_is_written_again(copy: Path) -> None:
    (copy / "README.md").unlink()
    bundle = reexport_reviews(copy)
    assert (copy / "README.md").read_text().startswith(f"# {bundle.label}\n")
    assert json.loads((copy / "bundle.json").read_text())["version"] == bundle.version


def written(bundle: Path, folder: Path, ids: torch.Tensor) -> dict[str, float]:
    """The largest differences of the review network's graphs on some ids."""
    opened = ReviewsBundle.open(bundle)
    shutil.copy(bundle / "model.safetensors", folder)
    net = load_review_net(opened)
    samples = package_reviews._samples(ids, pad_id(opened))
    return package_reviews._write_graphs(net, package_reviews._REVIEW, samples, folder, {})


def test_samples_without_a_word_are_compared_as_they_are(bundle: Path, tmp_path: Path) -> None:
    found = written(bundle, tmp_path, torch.full((2, 3), pad_id(ReviewsBundle.open(bundle))))
    assert found["review"] < 1e-4
    assert 0 <= found["review.int8"] < 0.5


def test_a_difference_that_is_no_number_is_not_lost(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = iter([0.1, np.nan, 0.2])
    monkeypatch.setattr(package_reviews, "largest_difference", lambda *_, **__: next(told))
    assert np.isnan(written(bundle, tmp_path, torch.arange(20, 29).reshape(3, 3))["review.int8"])
