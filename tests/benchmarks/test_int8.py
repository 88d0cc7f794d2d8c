"""The int8 benchmark on a tiny bundle: both sides do the same work, and every figure is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import int8
import numpy as np
import pytest

from shelfwise.bundle import Bundle, slim


@pytest.fixture(scope="module")
def shipped(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("shipped") / "pictures"
    slim(tiny_bundle, out)
    return Bundle.open(out)


def test_every_figure_is_there(
    tiny_bundle: Path, shipped: Bundle, drawn_pictures: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "CALLS", 5)
    monkeypatch.setattr(int8, "BATCH_SIZES", (4, 16))
    values = int8.measure(Bundle.open(tiny_bundle), shipped, drawn_pictures(32, seed=1000), 2)
    json.dumps(values, allow_nan=False)
    assert values["bundle"] == shipped.label
    assert values["single"]["int8_over_eager"] > 0
    assert values["single"]["shelfwise_int8"]["p50_us"] <= values["single"]["shelfwise_int8"]["p99_us"]
    assert set(values["batch"]["batch_sizes"].values()) <= {4, 16}
    assert values["test"]["int8"]["accuracy"] > 0.9
    int8.show(values)


def test_eager_torch_gives_the_same_answers(
    tiny_bundle: Path, shipped: Bundle, drawn_pictures: Callable[..., Any]
) -> None:
    pixels = drawn_pictures(8, seed=1000).images
    ours = int8.predictor_of(shipped, "fp32").probabilities(pixels)
    np.testing.assert_allclose(int8.eager(Bundle.open(tiny_bundle))(pixels), ours, atol=1e-4)  # type: ignore[call-overload]


def test_bundles_of_two_networks_are_not_compared(
    tiny_bundle: Path, shipped: Bundle, drawn_pictures: Callable[..., Any]
) -> None:
    other = Bundle(shipped.path, shipped.meta.model_copy(update={"info": {}}), shipped.config)
    with pytest.raises(SystemExit, match="was not made from"):
        int8.measure(Bundle.open(tiny_bundle), other, drawn_pictures(4), 1)
