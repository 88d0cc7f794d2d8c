"""A bundle that learned what is unlike its training pictures warns of it, through every runtime."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shelfwise.bundle import Bundle
from shelfwise.config import Config, parse_config
from shelfwise.errors import ConfigError
from shelfwise.predict import Predictor
from shelfwise.schema import Picture, Product
from shelfwise.train.inputs import Inputs, fingerprint
from shelfwise.train.package import reexport
from shelfwise.train.run import train
from shelfwise.train.unlike import fit_unlike


@pytest.fixture(scope="module")
def wary_config(tiny_config: Config) -> Config:
    values = tiny_config.model_dump()
    values["model"] |= {"tower": "conv", "stem": 8, "widths": [8, 16], "depths": [2, 2]}
    values["model"] |= {"downsample": ["pool", "stride"], "head_scale": 1 / 9}
    values["train"] |= {"optimizer": "muon", "lr": 0.08, "epochs": 8}
    return parse_config({**values, "unlike": {"share": 0.25}}, where="wary")


@pytest.fixture(scope="module")
def inputs(drawn_pictures: Callable[..., Any]) -> Inputs:
    return Inputs(drawn_pictures(256), drawn_pictures(64, seed=1000), source="drawn", target="kind")


@pytest.fixture(scope="module")
def wary(wary_config: Config, inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a text tower that has learned what is unlike drawn garments."""
    return train(wary_config, tmp_path_factory.mktemp("wary"), inputs=inputs).path


def answered(bundle: Path, images: np.ndarray, **how: Any) -> list[tuple[str, ...]]:
    products = []
    for i, image in enumerate(images):
        file = io.BytesIO()
        Image.fromarray(image[:, :, 0]).save(file, "PNG")
        products.append(Product(id=str(i), images=(Picture(data=file.getvalue()),)))
    return [answer.warnings for answer in Predictor.load(bundle, threads=1, **how).predict(products)]


HOW = [{}, {"precision": "int8"}, {"backend": "torch"}]


@pytest.mark.parametrize("how", HOW, ids=["fp32", "int8", "torch"])
def test_a_picture_unlike_the_training_pictures_is_warned_of(
    wary: Path, how: dict[str, Any], drawn_pictures: Callable[..., Any]
) -> None:
    known = answered(wary, drawn_pictures(32, seed=5000).images, **how)
    noise = np.random.default_rng(0).integers(0, 256, (8, 28, 28, 1), dtype=np.uint8)
    strange = np.concatenate([noise, np.full((1, 28, 28, 1), 200, np.uint8)])
    assert answered(wary, strange, **how) == [("unlike_training",)] * 9
    assert sum(warnings == () for warnings in known) >= 28


def test_it_says_how_often_it_is_right(wary: Path) -> None:
    unlike = Bundle.open(wary).meta.unlike
    assert unlike is not None
    assert 0 < unlike.flagged["validation"] <= 2 / 64
    assert unlike.flagged["noise"] == 1.0
    assert "checks" in unlike.flagged
    card = (wary / "README.md").read_text()
    assert "get the warning `unlike_training`" in card
    assert "upside down" in card


def test_classes_are_asked_as_ever(wary: Path, drawn_pictures: Callable[..., Any]) -> None:
    predictor, rows = Predictor.load(wary, threads=1), drawn_pictures(64, seed=1000)
    assert predictor.logits(rows.images).shape == (64, 4)
    assert predictor.embed_pictures(rows.images).shape == (64, 16)
    assert predictor.picture_outputs(rows.images[:0]).unlike.shape == (0,)  # type: ignore[union-attr]
    assert Bundle.open(wary).info["validation"]["accuracy"] > 0.9


def test_it_is_exported_and_taken_over(
    wary: Path, tiny_config: Config, wary_config: Config, inputs: Inputs, tmp_path: Path
) -> None:
    before = Bundle.open(wary)
    assert reexport(wary).meta.files == before.meta.files
    plain = wary_config.model_copy(update={"unlike": tiny_config.unlike})
    for name, config in (("again", wary_config), ("plain", plain)):
        short = config.model_copy(update={"train": config.train.model_copy(update={"epochs": 0.2})})
        bundle = train(short, tmp_path / name, inputs=inputs, init_from=wary)
        assert bundle.info["validation"]["accuracy"] > 0.5
        assert (bundle.meta.unlike is None) == (name == "plain")
        assert answered(bundle.path, inputs.validation.images[:2])[0] in ((), ("unlike_training",))
    with pytest.raises(ConfigError, match="another shape"):
        train(tiny_config, tmp_path / "other", inputs=inputs, init_from=wary)


def test_a_run_without_it_goes_on_from_earlier_checkpoints(
    tiny_config: Config, wary_config: Config, inputs: Inputs
) -> None:
    assert not [name for name in fingerprint(tiny_config, inputs.train) if name.startswith("unlike")]
    assert fingerprint(wary_config, inputs.train)["unlike.share"] == 0.25


def test_without_validation_it_is_even_odds(wary: Path, wary_config: Config, inputs: Inputs) -> None:
    import torch

    from shelfwise.predict.torch_backend import load_model

    nothing = inputs.validation.take(np.zeros(0, np.int64))
    found = fit_unlike(
        load_model(Bundle.open(wary)).classifier, nothing, wary_config.unlike, torch.device("cpu")
    )  # type: ignore[union-attr, arg-type]
    assert found.threshold == 0.0
    assert found.flagged == {}
