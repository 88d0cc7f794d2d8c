"""Pretrained towers in products runs: what learns and what stays, what is remembered, exported and told."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn import draw_catalog
from small_checkpoints import KINDS, PAIRS, save_small_checkpoint, save_small_pair
from small_products import products_config

for library in ("transformers", "peft"):
    pytest.importorskip(library, reason=f"needs the extra 'text' ({library})")

from shelfwise.bundle import ProductsBundle  # noqa: E402
from shelfwise.config import ProductsConfig  # noqa: E402
from shelfwise.data.catalog import read_catalog  # noqa: E402
from shelfwise.errors import BundleError, ConfigError, DataError  # noqa: E402
from shelfwise.export.onnx import check_parity, export_graph  # noqa: E402
from shelfwise.nn.product_loader import ProductLoader  # noqa: E402
from shelfwise.nn.product_net import ProductNet  # noqa: E402
from shelfwise.nn.product_pieces import PicturePiece, TokensPiece  # noqa: E402
from shelfwise.predict.products import ProductPredictor  # noqa: E402
from shelfwise.schema import Product  # noqa: E402
from shelfwise.train.fit import Watch  # noqa: E402
from shelfwise.train.loop import Run, train_steps  # noqa: E402
from shelfwise.train.product_inputs import ProductInputs, load_product_inputs  # noqa: E402
from shelfwise.train.product_objective import LearnProducts  # noqa: E402
from shelfwise.train.product_validation import in_order  # noqa: E402
from shelfwise.train.products import train_products  # noqa: E402
from shelfwise.train.tower_tuning import prepare_towers, remember, settle  # noqa: E402

CPU = torch.device("cpu")
TOWERS = [("title", kind) for kind in KINDS] + [("picture", kind) for kind in PAIRS] + [("title", "clip")]
TOWERS += [("title", "siglip")]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_catalog(tmp_path_factory.mktemp("shop"), 60, size=24)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, table: Path) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    texts = [line.split(",")[1] for line in table.read_text().splitlines()[1:]]
    found = {kind: save_small_checkpoint(folder / kind, kind, texts) for kind in KINDS}
    return found | {kind: save_small_pair(folder / kind, kind, texts) for kind in PAIRS}


def config_of(table: Path, checkpoints: dict[str, Path], **towers: Any) -> ProductsConfig:
    """`title=("bert", {...})` and the like; all else as `products_config` has it."""
    sections = {
        name: {"tower": "pretrained", "checkpoint": str(checkpoints[value[0]])} | value[1]
        if isinstance(value, tuple)
        else value
        for name, value in towers.items()
    }
    sections["train"] = {"epochs": 1, "batch_size": 16} | sections.get("train", {})
    return products_config(table, **sections)


def ready(config: ProductsConfig, data: ProductInputs) -> ProductNet:
    """A network whose towers are prepared."""
    torch.manual_seed(0)
    net = ProductNet(config, data.classes, data.mean, data.std)
    prepare_towers(net, config, CPU)
    return net


def some_steps(net: ProductNet, config: ProductsConfig, data: ProductInputs, steps: int) -> None:
    """Training from the beginning."""
    run = Run(net, config.train, CPU)
    remember(net, config, CPU, in_order(data.train))
    loader = ProductLoader(data.train, config.train.batch_size, seed=0)
    for record in train_steps(run, loader, LearnProducts(config, {})):
        if record.step == steps:
            return


@pytest.mark.parametrize("tuning", ["frozen", "lora", "full"])
@pytest.mark.parametrize(("tower", "kind"), TOWERS)
def test_what_may_learn_moves_and_nothing_else(
    tower: str, kind: str, tuning: str, table: Path, checkpoints: dict[str, Path]
) -> None:
    config = config_of(table, checkpoints, **{tower: (kind, {"tuning": tuning})})
    data = load_product_inputs(config)
    net = ready(config, data)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    some_steps(net, config, data, 2)
    modality, batch = "text" if tower == "title" else tower, next(in_order(data.train, 8)).products
    moved = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    inside = {name for name in moved if ".encoder." in name}
    assert f"{tower}.out.weight" in moved
    assert bool(inside) == (tuning != "frozen")
    if tuning == "lora":
        assert all("lora_" in name for name in inside)
        with torch.no_grad():
            unmerged = net.eval().encode(batch)[modality].pooled
            settle(net, config)
            assert torch.allclose(net.encode(batch)[modality].pooled, unmerged, atol=1e-5)
        plain = ProductNet(config, data.classes, data.mean, data.std)
        assert net.state_dict().keys() == plain.state_dict().keys()
    if tuning == "full" and tower == "title":
        assert not any("word_embeddings" in name or "token_embedding" in name for name in inside)


@pytest.mark.parametrize(("tower", "kind"), TOWERS)
def test_every_tower_is_exported(
    tower: str, kind: str, table: Path, checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    size = {"height": 16, "width": 32} if kind in PAIRS else {}
    config = config_of(table, checkpoints, **{tower: (kind, {})}, preprocess=size)
    data = load_product_inputs(config)
    net = ProductNet(config, data.classes, data.mean, data.std).eval()
    net.get_submodule(tower).encoder.plain_attention()  # type: ignore[operator]
    batch = next(in_order(data.train, 8)).products
    if tower == "title":
        module, name, example, axes = TokensPiece(net), "words", batch.words, (0, 1)
        shorter = example[:3, :-2].clone()
        shorter[1] = 0
    else:
        module, name, example, axes = PicturePiece(net), "pixels", batch.pixels, (0,)
        shorter = example[:1]
    path = tmp_path / "tower.onnx"
    export_graph(module, {name: (example, axes)}, path, output_names=["tokens", "vector"])
    links = [lambda values: values] * 2
    assert check_parity(module, example, path, links=links) < 1e-4
    assert check_parity(module, shorter, path, links=links) < 1e-4


def test_a_bundle_of_two_tuned_towers_answers_alike_without_its_checkpoints(
    table: Path, checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    mine = {kind: shutil.copytree(checkpoints[kind], tmp_path / kind) for kind in ("distilbert", "vit")}
    towers = {
        "picture": ("vit", {"tuning": "lora", "lora_rank": 2}),
        "title": ("distilbert", {"tuning": "full", "layer_decay": 0.5}),
    }
    config = config_of(table, mine, **towers, train={"head_lr": 0.02, "ema": 0.9})
    bundle = train_products(config, tmp_path / "run")
    for folder in mine.values():
        shutil.rmtree(folder)
    assert max(gap for name, gap in bundle.info["parity"].items() if "int8" not in name) < 1e-4
    assert bundle.info["checkpoints"]["title"]["tuning"] == "full"
    assert bundle.meta.mean == pytest.approx((0.48, 0.46, 0.41))
    assert "The picture tower is from `" in (bundle.path / "README.md").read_text()
    whole = [item for item in read_catalog(config.data) if isinstance(item, Product)][:4]
    asked = [
        *whole,
        whole[0].model_copy(update={"title": None}),
        whole[1].model_copy(update={"images": ()}),
        whole[2].model_copy(update={"title": "日本 \ud800 " * 200}),
        Product(id="wide", images=(*whole[0].images, *whole[1].images), title=" "),
    ]
    sides = [ProductPredictor.load(bundle.path, threads=1, backend=side) for side in ("onnx", "torch")]  # type: ignore[arg-type]
    ours, theirs = (list(side.predict(asked, table.parent)) for side in sides)
    assert [answer.known for answer in ours[4:]] == [
        ("picture",),
        ("text",),
        ("picture", "text"),
        ("picture",),
    ]
    for one, other in zip(ours, theirs, strict=True):
        assert one.status == "ok"
        for name, said in one.targets.items():
            assert said.probabilities == pytest.approx(other.targets[name].probabilities, abs=1e-4)
    (bundle.path / "tokenizer.json").write_text("{}")
    with pytest.raises(BundleError, match=r"tokenizer.json was changed or damaged"):
        ProductPredictor.load(bundle.path)


def test_frozen_towers_are_asked_once_for_each_picture_and_title(
    table: Path, checkpoints: dict[str, Path]
) -> None:
    config = config_of(table, checkpoints, picture=("clip", {}), title=("bert", {}))
    data = load_product_inputs(config)
    net = ready(config, data).eval()
    forgetful = copy.deepcopy(net)
    remember(net, config, CPU, in_order(data.train))
    calls = []
    for tower in (net.picture, net.title):
        tower.encoder.register_forward_hook(lambda *_: calls.append(1))  # type: ignore[operator]
    batches = [batch.products for batch in in_order(data.train, 7)]
    known = [net.encode(batch) for batch in batches]
    assert not calls
    with torch.no_grad():
        for batch, parts in zip(batches, known, strict=True):
            for name, part in forgetful.encode(batch).items():
                assert torch.allclose(part.pooled, parts[name].pooled, atol=1e-5)
                assert torch.equal(part.there, parts[name].there)


@pytest.mark.parametrize(
    ("sections", "picture", "title"),
    [
        ({}, True, True),
        ({"augment": {"flip": "random"}}, False, True),
        ({"fusion": {"kind": "cross_attention"}}, False, False),
    ],
)
def test_nothing_is_remembered_that_changes_or_whose_tokens_are_looked_at(
    sections: dict[str, Any], picture: bool, title: bool, table: Path, checkpoints: dict[str, Path]
) -> None:
    config = config_of(table, checkpoints, picture=("siglip", {}), title=("siglip", {}), **sections)
    data = load_product_inputs(config)
    net = ready(config, data)
    remember(net, config, CPU, in_order(data.train))
    assert (net.picture.memory is not None, net.title.memory is not None) == (picture, title)


def test_a_run_of_pretrained_towers_goes_on_to_the_same_weights(
    table: Path,
    checkpoints: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny_products_bundle: Path,
) -> None:
    tiny = ProductsBundle.open(tiny_products_bundle)
    config = config_of(
        table,
        checkpoints,
        title=("bert", {"tuning": "lora"}),
        picture=("vit", {}),
        train={"epochs": 3, "checkpoint_every": 2},
    )
    kept: list[dict[str, torch.Tensor]] = []
    monkeypatch.setattr(
        "shelfwise.train.products.package_products",
        lambda net, **_: kept.append(dict(net.state_dict())),
    )
    monkeypatch.setattr("shelfwise.train.products.compare_products", lambda *_: None)
    monkeypatch.setattr("shelfwise.train.products.open_bundle", lambda _: tiny)

    def stop(watch: Watch) -> None:
        if watch.record.step == 5:
            raise KeyboardInterrupt

    train_products(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train_products(config, tmp_path / "cut", watch=stop)
    train_products(config, tmp_path / "cut", resume=True)
    whole, resumed = kept
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_layers_of_a_wholly_tuned_tower_have_rates_of_their_own(
    table: Path, checkpoints: dict[str, Path]
) -> None:
    config = config_of(
        table,
        checkpoints,
        picture=("clip", {"tuning": "full", "layer_decay": 0.5}),
        title=("roberta", {"tuning": "lora", "layer_decay": 0.5}),
        train={"lr": 0.01, "head_lr": 0.04},
    )
    data = load_product_inputs(config)
    net = ProductNet(config, data.classes, data.mean, data.std)
    prepare_towers(net, config, CPU)
    run = Run(net, config.train, CPU)
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    peaks = {names[id(p)]: group["peak"] for group in run.optimizers[0].param_groups for p in group["params"]}
    layer = "picture.encoder.network.vision_model.encoder.layers.{}.mlp.fc1.weight"
    assert [peaks[layer.format(i)] for i in range(2)] == pytest.approx([0.0025, 0.005])
    assert peaks["picture.encoder.network.vision_model.embeddings.class_embedding"] == pytest.approx(0.00125)
    assert peaks["picture.encoder.network.visual_projection.weight"] == pytest.approx(0.01)
    assert peaks["picture.out.weight"] == peaks["heads.category.linear.weight"] == pytest.approx(0.04)
    assert {peak for name, peak in peaks.items() if "lora_" in name} == {0.01}


@pytest.mark.parametrize(
    ("towers", "error", "said"),
    [
        ({"title": ("bert", {"checkpoint": "./none"})}, DataError, "checkpoint './none' is not a folder"),
        ({"title": ("bert", {"checkpoint": "a/none"})}, DataError, "checkpoint 'a/none' is no folder here"),
        ({"picture": ("clip", {"checkpoint": "a/none"})}, DataError, "checkpoint 'a/none' is no folder"),
        ({"title": ("bert", {"max_tokens": 65})}, ConfigError, "reads at most 64"),
        (
            {"picture": ("vit", {}), "preprocess": {"height": 20}},
            ConfigError,
            "use multiples of that (it was trained at 24x24)",
        ),
        ({"picture": ("bert", {})}, DataError, "is none that reads pictures here: clip, siglip, vit"),
        ({"title": ("vit", {})}, DataError, "is no text encoder"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_one_line_before_training(
    towers: dict[str, Any],
    error: type[Exception],
    said: str,
    table: Path,
    checkpoints: dict[str, Path],
    tmp_path: Path,
) -> None:
    with pytest.raises(error) as caught:
        train_products(config_of(table, checkpoints, **towers), tmp_path)
    assert said in str(caught.value)
    assert str(caught.value).count("checkpoint '") <= 1
    assert "\n" not in str(caught.value)


def test_titles_are_cut_to_what_is_read_and_empty_ones_are_absent(
    table: Path, checkpoints: dict[str, Path]
) -> None:
    config = config_of(table, checkpoints, title=("roberta", {"max_tokens": 8}))
    data = load_product_inputs(config)
    assert data.reader is not None
    from shelfwise.data.product_input import text_input

    words, pieces = text_input(["", "shoe " * 50, " "], config.title, data.reader)
    assert words.shape[1] == 8
    assert (words[1] > 0).all()
    assert (words[1, 0], words[1, -1]) == (1, 3)  # RoBERTa's own 0 and 2, which are no padding here
    assert not words[0].any()
    assert not pieces.any()
    assert np.array_equal(words[:1], np.zeros((1, 8), np.int64))
    with pytest.raises(ValueError, match="reads by its tokenizer"):
        text_input(["a"], config.title)


def test_a_bundle_without_its_tokenizer_is_refused(
    tiny_products_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = ProductsBundle.open(tiny_products_bundle)
    title = bundle.config.title.model_copy(update={"tower": "pretrained"})
    monkeypatch.setattr(bundle, "config", bundle.config.model_copy(update={"title": title}))
    monkeypatch.setattr(ProductsBundle, "open", lambda *_: bundle)
    for backend, said in (("onnx", "has no tokenizer"), ("torch", "does not describe its title tower")):
        with pytest.raises(BundleError, match=said):
            ProductPredictor.load(bundle.path, backend=backend)  # type: ignore[arg-type]


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_pair_of_towers_learns_without_a_label_and_reads_fields_apart(
    epochs: int, table: Path, checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    config = config_of(
        table,
        checkpoints,
        picture=("clip", {}),
        title=("clip", {}),
        data={"source": str(table), "columns": {"images": ["image"], "title": "title"}},
        fusion={"kind": "dual"},
        shared={"fields": {"title": 1.0}},
        train={"epochs": epochs},
    )
    bundle = train_products(config, tmp_path)
    assert not bundle.reading.targets
    assert bundle.reading.shared > 0
    vectors = ProductPredictor.load(bundle.path, threads=1).embed_texts(["a red shoe"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
