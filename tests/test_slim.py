"""Copies for serving answer as the whole bundle does, weigh less, and say what they cannot do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from shelfwise.bundle import DEFAULTS, Bundle, default_bundle, open_bundle, slim, write_bundle
from shelfwise.cli import app
from shelfwise.config import Config
from shelfwise.data.synthetic_reviews import synthetic_reviews
from shelfwise.errors import BundleError, ShelfwiseError
from shelfwise.predict import Predictor
from shelfwise.predict.products import ProductPredictor
from shelfwise.predict.reviews import ReviewPredictor
from shelfwise.schema import Product
from shelfwise.train.package import reexport
from shelfwise.train.run import train

ROOM = 12_000_000
"""Bytes that the default bundles may take together."""


def weight(path: Path) -> int:
    return sum(file.stat().st_size for file in path.iterdir())


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    out = tmp_path / "copy"
    slim(tiny_bundle, out)
    return out


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_copy_answers_the_same_and_weighs_less(
    tiny_bundle: Path, copy: Path, precision: Any, drawn_pictures: Callable[..., Any]
) -> None:
    pixels = drawn_pictures(16).images
    one, other = (Predictor.load(path, threads=1, precision=precision) for path in (tiny_bundle, copy))
    np.testing.assert_array_equal(one.logits(pixels), other.logits(pixels))
    np.testing.assert_array_equal(one.embed_texts(["a shoe"]), other.embed_texts(["a shoe"]))
    assert weight(copy) < 0.6 * weight(tiny_bundle)
    names = {file.name for file in copy.iterdir()}
    assert names == {
        *("README.md", "bundle.json", "config.json"),
        *("picture.onnx", "picture.int8.onnx", "text.onnx"),
    }
    bundle = Bundle.open(copy)
    assert bundle.info["slim_of"] == one.bundle.label
    assert (copy / "README.md").read_text().startswith(f"# {bundle.label}\n")
    assert bundle.journal() == []


def test_what_a_copy_cannot_do_is_said(copy: Path, tiny_config: Config, tmp_path: Path) -> None:
    def refused(action: Callable[[], object]) -> str:
        with pytest.raises(ShelfwiseError) as caught:
            action()
        return str(caught.value)

    words = "was made for serving, without model.safetensors: .* use the whole one, tiny@"
    for action in (
        lambda: Predictor.load(copy, backend="torch"),
        lambda: reexport(copy),
        lambda: train(tiny_config, tmp_path / "run", init_from=copy),
    ):
        with pytest.raises(BundleError, match=words):
            action()
    result = CliRunner().invoke(app, ["export", str(copy)])
    assert "made for serving" in str(result.exception)
    assert "was changed or damaged" in refused(lambda: damaged(copy))


def damaged(copy: Path) -> Bundle:
    (copy / "text.onnx").write_bytes(b"")
    return Bundle.open(copy)


def test_a_bundle_that_merely_lost_its_weights_is_damaged(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    files = {name: tiny_bundle / name for name in bundle.meta.files if name not in ("config.json",)}
    del files["model.safetensors"]
    with_graph_left_out = bundle.meta.model_copy(update={"left_out": ("picture.onnx",)})
    write_bundle(tmp_path / "b", info=with_graph_left_out, config=bundle.config, files=files, card="")
    with pytest.raises(BundleError, match=r"model\.safetensors is missing; copy or train it again"):
        Bundle.open(tmp_path / "b")


def test_a_copy_of_a_copy_and_what_else_is_kept(copy: Path, tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.json"
    metrics.write_text("{}")
    again = slim(copy, tmp_path / "again", metrics=metrics, appendix="## Licence\n- MIT\n")
    assert again.meta.info["slim_of"] == Bundle.open(copy).meta.info["slim_of"]
    assert again.meta.left_out == Bundle.open(copy).meta.left_out
    assert json.loads((again.path / "metrics.json").read_text()) == {}
    assert (again.path / "README.md").read_text().endswith("\n## Licence\n- MIT\n")
    assert Bundle.open(again.path).label == again.label


def test_weights_that_graphs_refer_to_stay(
    tiny_reviews_bundle: Path, tiny_products_bundle: Path, tmp_path: Path
) -> None:
    for whole, load in (
        (tiny_reviews_bundle, ReviewPredictor.load),
        (tiny_products_bundle, ProductPredictor.load),
    ):
        out = tmp_path / whole.parent.name
        assert slim(whole, out).meta.left_out[0] == "journal.jsonl"
        assert (out / "model.safetensors").exists()
        assert load(out, threads=1).bundle.meta.info["slim_of"]
    reviews = list(synthetic_reviews(4, seed=1))
    answers = [
        [a.star_probabilities for a in ReviewPredictor.load(path, threads=1).predict(reviews)]
        for path in (tiny_reviews_bundle, tmp_path / tiny_reviews_bundle.parent.name)
    ]
    assert answers[0] == answers[1]
    product = Product(id="a", title="a red shoe")
    told = [
        next(iter(ProductPredictor.load(path, threads=1).predict([product], Path()))).targets
        for path in (tiny_products_bundle, tmp_path / tiny_products_bundle.parent.name)
    ]
    assert told[0] == told[1]


def test_the_command_says_what_it_weighs(tiny_bundle: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["export", str(tiny_bundle), "--slim", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert " MB of " in result.stdout
    assert "left out: journal.jsonl, picture.ranges.json, model.safetensors" in result.stdout
    (tmp_path / "mine").mkdir()
    for arguments, words in (
        (("--slim", str(tmp_path / "mine")), "is no bundle"),
        (("--slim", str(tiny_bundle)), "is the bundle itself"),
        (("--slim", str(tmp_path / "x"), "--calibrate", "c.csv"), "run export --calibrate first"),
    ):
        assert words in str(CliRunner().invoke(app, ["export", str(tiny_bundle), *arguments]).exception)


def test_a_default_bundle_is_found_by_name_or_its_absence_told(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shelfwise.bundle import serving

    monkeypatch.setattr(serving, "resources", lambda _: tmp_path)
    with pytest.raises(BundleError, match="no default bundle 'pictures'; make it by scripts/default_bundles"):
        default_bundle("pictures")
    slim(tiny_bundle, tmp_path / "bundles" / "pictures")
    assert Predictor.load(default_bundle("pictures"), threads=1).bundle.name == "tiny"
    with pytest.raises(BundleError, match="the package has pictures and reviews"):
        default_bundle("products")


def test_the_bundles_in_the_package_are_whole_and_small() -> None:
    found = []
    for name in DEFAULTS:
        try:
            found.append(default_bundle(name))
        except BundleError:
            continue
    if not found:
        pytest.skip("no default bundle in this checkout; scripts/default_bundles.py makes them")
    assert sum(map(weight, found)) <= ROOM
    for path in found:
        bundle = open_bundle(path)
        assert "metrics.json" in bundle.meta.files
        assert "## Licence" in (path / "README.md").read_text()


def test_a_copy_does_not_tell_where_its_data_lay(tiny_reviews_bundle: Path, tmp_path: Path) -> None:
    bundle = open_bundle(tiny_reviews_bundle)
    data = bundle.config.data.model_copy(update={"source": str(tmp_path / "reviews.csv")})
    files = {name: tiny_reviews_bundle / name for name in bundle.meta.files if name != "config.json"}
    config = bundle.config.model_copy(update={"data": data})
    moved = write_bundle(tmp_path / "whole", info=bundle.meta, config=config, files=files, card="")
    metrics = tmp_path / "metrics.json"
    metrics.write_text(json.dumps({"of": {"source": str(tmp_path / "reviews.csv")}, "n": [1]}), "utf-8")
    copy = slim(moved.path, tmp_path / "copy", metrics=metrics)
    assert copy.config.data.source == "reviews.csv"
    told = json.loads((copy.path / "metrics.json").read_text("utf-8"))
    assert told == {"of": {"source": "reviews.csv"}, "n": [1]}
