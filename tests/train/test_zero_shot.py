"""Zero-shot: a checkpoint answers as it is, by prompts; trained weights may be moved half way back to it."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn import draw_catalog
from small_checkpoints import PairKind, save_small_pair
from small_products import products_config

for library in ("transformers", "peft"):
    pytest.importorskip(library, reason=f"needs the extra 'text' ({library})")

from shelfwise.bundle import ProductsBundle  # noqa: E402
from shelfwise.config import ProductsConfig  # noqa: E402
from shelfwise.data.catalog import read_catalog  # noqa: E402
from shelfwise.data.prompts import read_templates, target_prompts  # noqa: E402
from shelfwise.errors import BundleError, ConfigError  # noqa: E402
from shelfwise.nn.pretrained_halves import PictureEncoder, load_text, pair_scale  # noqa: E402
from shelfwise.nn.product_net import ProductNet  # noqa: E402
from shelfwise.predict.products import ProductPredictor  # noqa: E402
from shelfwise.schema import Product  # noqa: E402
from shelfwise.train.product_inputs import ProductInputs, load_product_inputs  # noqa: E402
from shelfwise.train.product_validation import in_order  # noqa: E402
from shelfwise.train.products import train_products  # noqa: E402
from shelfwise.train.zero_shot import ALPHAS, UNKNOWN, begin_zero_shot, interpolated, mix  # noqa: E402


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_catalog(tmp_path_factory.mktemp("shop"), 60, size=24)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, table: Path) -> dict[PairKind, Path]:
    folder = tmp_path_factory.mktemp("pairs")
    texts = [line.split(",")[1] for line in table.read_text().splitlines()[1:]]
    return {kind: save_small_pair(folder / kind, kind, texts) for kind in ("clip", "siglip")}


def config_of(table: Path, pair: Path, **sections: Any) -> ProductsConfig:
    tower = {"tower": "pretrained", "checkpoint": str(pair)}
    values = {"picture": tower, "title": tower, "fusion": {"kind": "dual"}, "train": {"epochs": 0}}
    for name, section in sections.items():
        values[name] = values.get(name, {}) | section
    return products_config(table, **values)


def begun(config: ProductsConfig) -> tuple[ProductNet, ProductInputs]:
    data = load_product_inputs(config)
    torch.manual_seed(0)
    net = ProductNet(config, data.classes, data.mean, data.std)
    begin_zero_shot(net, config, data)
    return net.eval(), data


@pytest.fixture(scope="module")
def bundle(
    table: Path, pairs: dict[PairKind, Path], tmp_path_factory: pytest.TempPathFactory
) -> ProductsBundle:
    return train_products(config_of(table, pairs["siglip"]), tmp_path_factory.mktemp("zero"))


@torch.no_grad()
@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_logits_are_the_checkpoints_own_cosines_with_its_prompts(
    kind: PairKind, table: Path, pairs: dict[PairKind, Path]
) -> None:
    config = config_of(table, pairs[kind])
    net, data = begun(config)
    pictures, texts = PictureEncoder.load(str(pairs[kind])).eval(), load_text(str(pairs[kind])).eval()
    prompts = target_prompts("category", data.classes["category"].paths, read_templates())
    batch = next(in_order(data.train, 5)).products
    seen = torch.nn.functional.normalize(pictures(net.picture.normalize(batch.pixels))[1], dim=1)
    assert data.reader is not None
    rows = []
    for some in prompts.texts:
        vectors = []
        for text in some:
            ids = torch.tensor(data.reader.first([text]))
            vectors.append(torch.nn.functional.normalize(texts(ids, ids >= 0)[1], dim=1)[0])
        rows.append(torch.nn.functional.normalize(torch.stack(vectors).mean(0), dim=0))
    expected = pair_scale(str(pairs[kind]))[0] * seen @ torch.stack(rows).T
    parts = net.encode(batch)
    logits, vectors = net.answer(
        {"picture": parts["picture"], "text": parts["text"].without(parts["text"].there)}
    )
    assert torch.allclose(logits["category"], expected, atol=1e-4)
    assert vectors is not None
    assert torch.allclose(vectors, seen, atol=1e-5)


def test_both_modalities_answer_by_the_mean_of_their_vectors(
    table: Path, pairs: dict[PairKind, Path]
) -> None:
    net, data = begun(config_of(table, pairs["clip"]))
    with torch.no_grad():
        parts = net.encode(next(in_order(data.train, 5)).products)
        vectors = net.vectors(parts)
    mean = torch.nn.functional.normalize(parts["picture"].pooled + parts["text"].pooled, dim=1)
    assert torch.allclose(vectors, mean, atol=1e-5)
    assert net.temperature is not None
    assert net.temperature().item() == pytest.approx(math.exp(2.3), rel=1e-4)


@pytest.mark.parametrize(("kind", "bias"), [("clip", -3.0), ("siglip", -10.0)])
def test_several_values_begin_with_a_bias_or_with_nothing(
    kind: PairKind, bias: float, table: Path, pairs: dict[PairKind, Path]
) -> None:
    targets = {"category": {"labels": ["category"]}, "colour": {"labels": ["colour"], "several": True}}
    net, _ = begun(config_of(table, pairs[kind], targets=targets, train={"epochs": 1}))
    linear = net.heads["colour"].linear
    assert linear.bias.tolist() == pytest.approx([bias] * len(linear.bias))  # type: ignore[union-attr, arg-type]
    assert bool(linear.weight.any()) == (kind == "siglip")  # type: ignore[union-attr, operator]


def test_no_epochs_make_a_bundle_of_the_checkpoint_as_it_is(
    bundle: ProductsBundle, table: Path, pairs: dict[PairKind, Path]
) -> None:
    assert bundle.info["training"]["steps"] == 0
    assert bundle.info["validation"]
    assert bundle.reading.shared == 32
    assert max(gap for name, gap in bundle.info["parity"].items() if "int8" not in name) < 1e-4
    asked = [item for item in read_catalog(bundle.config.data) if isinstance(item, Product)][:6]
    sides = [ProductPredictor.load(bundle.path, threads=1, backend=side) for side in ("onnx", "torch")]  # type: ignore[arg-type]
    ours, theirs = (list(side.predict(asked, table.parent)) for side in sides)
    for one, other in zip(ours, theirs, strict=True):
        for name, said in one.targets.items():
            assert said.probabilities == pytest.approx(other.targets[name].probabilities, abs=1e-4)
    text = "a photo of a bag."
    assert sides[0].embed_texts([text, ""]) == pytest.approx(sides[1].embed_texts([text, ""]), abs=1e-4)
    assert sides[0].embed_texts([]).shape == (0, 32)
    again = train_products(bundle.config, bundle.path.parent, resume=True)
    assert again.version == bundle.version


def test_a_zero_shot_bundle_is_asked_for_names_that_it_never_saw(bundle: ProductsBundle, table: Path) -> None:
    predictor = ProductPredictor.load(bundle.path, threads=1)
    named = predictor.named(["clog", "umbrella", "bag"])
    assert named.scale == pytest.approx(math.exp(2.3), rel=1e-4)
    prompts = target_prompts("asked", [("clog",)], read_templates()).texts[0]
    vectors = predictor.embed_texts(list(prompts))
    mean = vectors.mean(0)
    assert named.vectors[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)
    asked = [item for item in read_catalog(bundle.config.data) if isinstance(item, Product)][:3]
    for answer in predictor.predict([*asked, Product(id="none")], table.parent, top=2, among=named):
        if answer.id == "none":
            assert answer.status == "failed"
            continue
        said = answer.targets["asked"]
        assert len(said.top) == 2
        assert said.labels == (said.top[0].label,)
        assert said.top[0].probability >= said.top[1].probability


def test_without_a_shared_space_nothing_can_be_compared(bundle: ProductsBundle) -> None:
    predictor = ProductPredictor.load(bundle.path, threads=1)
    products = bundle.reading.model_copy(update={"shared": 0})
    predictor.bundle.meta = bundle.meta.model_copy(update={"products": products})
    with pytest.raises(BundleError, match="has no shared space"):
        predictor.named(["clog", "bag"])


def test_it_predicts_without_torch_and_transformers(bundle: ProductsBundle) -> None:
    code = (
        "import sys; sys.modules |= dict.fromkeys(('torch', 'transformers', 'peft'));"
        "from shelfwise.predict.products import ProductPredictor; from shelfwise.schema import Product;"
        f"p = ProductPredictor.load({str(bundle.path)!r}, threads=1); from pathlib import Path;"
        "print(next(p.predict([Product(id='a', title='red shoe')], Path())).status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "ok", done.stderr


def test_own_templates_go_into_the_bundle_and_bad_ones_are_refused_first(
    table: Path, pairs: dict[PairKind, Path], tmp_path: Path
) -> None:
    own = tmp_path / "own.toml"
    own.write_text('default = ["picture: {}"]')
    config = config_of(table, pairs["clip"], zero_shot={"templates": str(own)})
    bundle = train_products(config, tmp_path / "run")
    own.unlink()
    assert bundle.reading.templates == {"default": ("picture: {}",)}
    predictor = ProductPredictor.load(bundle.path)
    vectors = predictor.embed_texts(["picture: clog"])
    assert predictor.named(["clog", "bag"]).vectors[:1] == pytest.approx(vectors, abs=1e-5)
    with pytest.raises(ConfigError, match="cannot be read"):
        train_products(config, tmp_path / "other")


def test_the_ends_of_the_mixture_are_the_two_networks() -> None:
    start = {"a": torch.randn(3, 2), "n": torch.tensor(3)}
    end = {"a": torch.randn(3, 2), "n": torch.tensor(5)}
    assert all(torch.equal(value, start[name]) for name, value in interpolated(start, end, 0.0).items())
    assert all(torch.equal(value, end[name]) for name, value in interpolated(start, end, 1.0).items())
    half = interpolated(start, end, 0.25)
    assert torch.allclose(half["a"], 0.75 * start["a"] + 0.25 * end["a"])
    with pytest.raises(ValueError, match="other weights"):
        interpolated(start, {}, 0.5)


@pytest.mark.parametrize(("wise", "alpha"), [(0.0, 0.0), (0.3, 0.3), (1.0, 1.0), ("auto", 0.4), (None, None)])
def test_a_network_is_moved_towards_zero_shot_as_asked(
    wise: Any, alpha: float | None, table: Path, pairs: dict[PairKind, Path]
) -> None:
    config = config_of(table, pairs["clip"], zero_shot={"wise": wise}, train={"epochs": 1})
    start, data = begun(config)
    net, _ = begun(config)
    with torch.no_grad():
        for weights in net.parameters():
            weights.add_(1.0)
    first = next(iter(start.state_dict()))

    def score() -> float:
        """Best at 0.4 of the way, as good at 0.5."""
        moved = (net.state_dict()[first] - start.state_dict()[first]).mean().item()
        return 1.0 if 0.39 < moved < 0.51 else 0.5

    told = mix(net, config, data, score)
    if alpha is None:
        assert told == {}
        return
    assert told["wise"]["alpha"] == alpha
    assert len(told["wise"]["validation"]) == (len(ALPHAS) if wise == "auto" else 0)
    for name, value in net.state_dict().items():
        if value.is_floating_point() and not name.startswith("picture.normalize"):
            assert torch.allclose(value, start.state_dict()[name] + alpha, atol=1e-5)


def test_without_anything_to_choose_by_the_mixture_is_even(table: Path, pairs: dict[PairKind, Path]) -> None:
    config = config_of(table, pairs["clip"], zero_shot={"wise": "auto"}, train={"epochs": 1})
    net, data = begun(config)
    assert mix(net, config, data, lambda: None)["wise"] == {"alpha": UNKNOWN, "validation": {}}


def test_a_tuned_pair_ends_between_its_two_ends(
    table: Path, pairs: dict[PairKind, Path], tmp_path: Path
) -> None:
    config = config_of(
        table,
        pairs["clip"],
        picture={"tuning": "full"},
        title={"tuning": "lora"},
        zero_shot={"wise": "auto"},
        train={"epochs": 1, "batch_size": 16},
    )
    bundle = train_products(config, tmp_path)
    wise = bundle.info["wise"]
    assert wise["validation"][f"{wise['alpha']:g}"] == max(wise["validation"].values())
    assert "of the way from zero-shot to trained (WiSE-FT)" in (bundle.path / "README.md").read_text()
