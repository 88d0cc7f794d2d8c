"""Networks that do not fit what their bundle says are refused before they answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shelfwise.bundle import Bundle, write_bundle
from shelfwise.errors import BundleError
from shelfwise.predict import Predictor


@pytest.fixture
def misdescribed(tiny_bundle: Path, tmp_path: Path) -> Callable[..., Path]:
    """A whole copy of the tiny bundle whose `bundle.json` says something else of its networks."""

    def make(**changes: Any) -> Path:
        whole = Bundle.open(tiny_bundle)
        files = {name: tiny_bundle / name for name in whole.meta.files if name != "config.json"}
        path = tmp_path / "bundle"
        write_bundle(path, info=whole.meta, config=whole.config, files=files, card="")
        meta = json.loads((path / "bundle.json").read_text())
        (path / "bundle.json").write_text(json.dumps({**meta, **changes}))
        return path

    return make


@pytest.mark.parametrize(
    ("changes", "backend"),
    [
        ({"classes": ["one"]}, "onnx"),
        ({"classes": list("abcdefgh")}, "onnx"),
        ({"classes": ["one"]}, "torch"),
        ({"tokenizer": None}, "torch"),
        ({"mean": [0.1, 0.2, 0.3]}, "torch"),
    ],
    ids=str,
)
def test_a_description_of_another_network_is_refused(
    misdescribed: Callable[..., Path], changes: dict[str, Any], backend: Any
) -> None:
    with pytest.raises(BundleError, match="fit") as caught:
        Predictor.load(misdescribed(**changes), backend=backend)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_no_network_is_one_line(tiny_bundle: Path, tmp_path: Path) -> None:
    whole = Bundle.open(tiny_bundle)
    files = {name: tiny_bundle / name for name in whole.meta.files if name != "config.json"}
    files["picture.onnx"] = tmp_path / "noise"
    files["picture.onnx"].write_bytes(b"not a network" * 10)
    bundle = write_bundle(tmp_path / "bundle", info=whole.meta, config=whole.config, files=files, card="")
    with pytest.raises(BundleError, match=r"picture\.onnx does not load \(.*run: shelfwise export") as caught:
        Predictor.load(bundle.path)
    assert len(str(caught.value).splitlines()) == 1


def test_more_threads_than_cores_are_not_started(tiny_bundle: Path) -> None:
    predictor = Predictor.load(tiny_bundle, threads=100_000)
    assert predictor.logits(np.zeros((1, 28, 28, 1), np.uint8)).shape == (1, 4)
