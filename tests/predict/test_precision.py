"""8 bits: what a bundle says of them, what lacks them, and what is told to who asks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from shelfwise.bundle import Bundle, ProductsBundle, open_bundle, write_bundle
from shelfwise.cli import app
from shelfwise.errors import BundleError, MissingExtraError
from shelfwise.predict import Predictor, onnx_backend
from shelfwise.predict.product_backend import together
from shelfwise.predict.products import ProductPredictor
from shelfwise.train.package_products import reexport_products
from shelfwise.train.precision import changed


def without_int8(source: Path, path: Path) -> Path:
    """A copy as bundles were before there were 8 bits."""
    bundle = open_bundle(source)
    old = [name for name in bundle.meta.files if "int8" not in name and "ranges" not in name]
    files = {name: source / name for name in old if name != "config.json"}
    card = (source / "README.md").read_text(encoding="utf-8")
    assert "In 8 bits" in card
    write_bundle(path, info=bundle.meta, config=bundle.config, files=files, card=card)
    return path


def test_a_bundle_says_what_8_bits_change(tiny_bundle: Path, drawn_pictures: Callable[..., Any]) -> None:
    bundle = Bundle.open(tiny_bundle)
    said = bundle.info["int8"]
    assert said["rows"] == 64
    assert set(said["kept_fp32"]) == {"text"}
    assert 0 < bundle.info["parity"]["picture.int8"] < 0.1
    rows = drawn_pictures(64, seed=1000)
    whole, small = (
        Predictor.load(tiny_bundle, threads=1, precision=one).probabilities(rows.images)
        for one in ("fp32", "int8")
    )
    assert said["largest_change"] == pytest.approx(np.abs(whole - small).max(), abs=1e-6)
    assert said["accuracy"]["int8"] == (small.argmax(1) == rows.labels).mean()
    assert "- In 8 bits, on 64 validation rows: accuracy" in (tiny_bundle / "README.md").read_text()


def test_changes_are_counted_where_labels_are_known() -> None:
    whole, small = np.eye(3), np.eye(3)[[0, 2, 2]]
    found = changed(whole, small, np.array([0, 1, -1]))
    assert found["accuracy"] == {"fp32": 1.0, "int8": 0.5}
    assert found["other_answers"] == pytest.approx(1 / 3)
    assert found["largest_change"] == 1.0
    assert changed(whole, small, np.full(3, -1))["accuracy"] == {}


def test_a_products_bundle_says_it_by_what_is_known(tiny_products_bundle: Path) -> None:
    bundle = ProductsBundle.open(tiny_products_bundle)
    said = bundle.info["int8"]
    assert set(said["answers"]) == {"picture+text", "picture"}
    assert set(said["kept_fp32"]) == {"title", "table", "fuse"}
    assert "picture.int8" in bundle.info["parity"]
    assert "- In 8 bits, from picture and text, on" in (tiny_products_bundle / "README.md").read_text()


def test_a_reviews_bundle_says_it_of_its_stars(tiny_reviews_bundle: Path) -> None:
    bundle = open_bundle(tiny_reviews_bundle)
    said = bundle.info["int8"]
    assert said["rows"] == 80
    assert 0 < said["largest_change"] < 0.3
    assert abs(said["accuracy"]["fp32"] - said["accuracy"]["int8"]) < 0.1
    assert "- In 8 bits, on 80 validation rows: accuracy" in (tiny_reviews_bundle / "README.md").read_text()


def test_an_old_bundle_is_float_and_tells_what_to_run(
    tiny_bundle: Path, drawn_pictures: Callable[..., Any], tmp_path: Path
) -> None:
    old = without_int8(tiny_bundle, tmp_path / "old")
    pixels = drawn_pictures(4).images
    float_logits = Predictor.load(old, threads=1).logits(pixels)
    np.testing.assert_array_equal(float_logits, Predictor.load(tiny_bundle, threads=1).logits(pixels))
    remedy = r"has no picture\.int8\.onnx; run: shelfwise export .*old --calibrate CATALOG"
    with pytest.raises(BundleError, match=remedy):
        Predictor.load(old, precision="int8")
    folder = tmp_path / "shop" / "shirt"
    folder.mkdir(parents=True)
    from PIL import Image

    for i, picture in enumerate(drawn_pictures(8).images):
        Image.fromarray(picture[:, :, 0]).save(folder / f"{i}.png")
    done = CliRunner().invoke(
        app, ["export", str(old), "--calibrate", str(folder.parent)], catch_exceptions=False
    )
    assert done.exit_code == 0
    assert "picture.int8.onnx differs from torch by at most" in done.stdout
    assert Predictor.load(old, precision="int8", threads=1).logits(pixels).shape == (4, 4)
    assert "int8" not in Bundle.open(old).meta.info  # what was measured was of another file
    assert "In 8 bits" not in (old / "README.md").read_text(encoding="utf-8")


def test_a_lost_int8_file_is_made_again_from_the_kept_ranges(tiny_bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))
    (copy / "picture.int8.onnx").unlink()
    with pytest.raises(BundleError, match=r"picture\.int8\.onnx is missing; run: shelfwise export"):
        Predictor.load(copy)
    assert CliRunner().invoke(app, ["export", str(copy)]).exit_code == 0
    again, before = (path / "picture.int8.onnx" for path in (copy, tiny_bundle))
    assert again.read_bytes() == before.read_bytes()


def test_a_products_bundle_is_exported_afresh(tiny_products_bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_products_bundle, tmp_path / "copy"))
    (copy / "picture.int8.onnx").write_bytes(b"")
    (copy / "fuse.onnx").unlink()
    bundle = reexport_products(copy)
    assert bundle.meta.files == ProductsBundle.open(tiny_products_bundle).meta.files
    assert bundle.version == ProductsBundle.open(tiny_products_bundle).version


def test_an_old_products_bundle_is_float(tiny_products_bundle: Path, tmp_path: Path) -> None:
    old = without_int8(tiny_products_bundle, tmp_path / "old")
    assert ProductPredictor.load(old, threads=1).bundle.name
    with pytest.raises(BundleError, match=r"has no picture\.int8\.onnx; run: shelfwise export"):
        ProductPredictor.load(old, precision="int8")


def test_rows_that_ran_alone_are_filled_up() -> None:
    rows = [(np.full((1, n, 2), n, np.float32), np.full((1, 3), n, np.float32)) for n in (1, 3)]
    tokens, vectors = together(rows, 4)
    assert tokens[:, :, 0].tolist() == [[1, 0, 0, 0], [3, 3, 3, 0]]
    assert vectors[:, 0].tolist() == [1, 3]


def test_openvino_that_is_not_there_is_named(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "shelfwise.predict.openvino_backend", raising=False)
    with pytest.raises(MissingExtraError, match=r'pip install "shelfwise\[openvino\]"'):
        Predictor.load(tiny_bundle, backend="openvino")
    assert onnx_backend.graph_name(Bundle.open(tiny_bundle), "text", "int8") == "text.onnx"


def test_int8_answers_without_torch(tiny_bundle: Path) -> None:
    code = f"""
import sys
sys.modules["torch"] = sys.modules["onnx"] = None
import numpy as np
from shelfwise.predict import Predictor
predictor = Predictor.load({str(tiny_bundle)!r}, threads=1, precision="int8")
print(predictor.probabilities(np.zeros((2, 28, 28, 1), np.uint8)).shape, predictor.embed_texts(["a"]).shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "(2, 4) (1, 16)\n", done.stderr
