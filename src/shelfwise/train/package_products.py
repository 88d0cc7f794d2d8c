"""What becomes a products bundle: weights, an ONNX file a tower and one for what stands on them, a card.

Towers that gain by it have an 8-bit form besides."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy import ndarray
from tokenizers import Tokenizer
from torch import Tensor, nn

from shelfwise.bundle import EXPORTS, RANGES, BundleInfo, ProductsBundle, write_bundle
from shelfwise.bundle.neighbours import NEIGHBOURS, KnownProducts, write_known_products
from shelfwise.config import ProductsConfig
from shelfwise.data.product_input import table_input, text_input
from shelfwise.export.onnx import Link, check_parity, export_graph, largest_difference, softmax
from shelfwise.export.quantize import LOOKUPS, OPERATORS, quantize_dynamic_int8
from shelfwise.export.static import measure_ranges, quantize_static_int8, read_ranges, write_ranges
from shelfwise.export.weights import halved, save_weights, share_weights
from shelfwise.export.worth import int8_form
from shelfwise.nn.product_net import ProductNet, ProductTensors
from shelfwise.nn.product_pieces import (
    FusionPiece,
    PicturePiece,
    TablePiece,
    TitlePiece,
    TokensPiece,
    WholeNet,
    fusion_inputs,
)
from shelfwise.nn.product_towers import TitleTower
from shelfwise.predict.products import title_reader
from shelfwise.predict.torch_products import load_product_net
from shelfwise.schema import FieldValue
from shelfwise.train.package import drawn_pictures, kept_card, refuse_strangers, still_true
from shelfwise.train.product_card import product_card

WEIGHTS = "model.safetensors"
DRAWN = 16
"""Constructed products to compare on where no others are at hand."""
Named = dict[str, tuple[Tensor, Sequence[int]]]
"""Example and axes that vary, by the input's name."""


def package_products(
    net: ProductNet,
    *,
    info: BundleInfo,
    config: ProductsConfig,
    sample: ProductTensors,
    calibration: ndarray | None = None,
    tokenizer: Tokenizer | None = None,
    journal: Path | None,
    path: Path,
    known: KnownProducts | None = None,
) -> ProductsBundle:
    """Export the network and write the bundle at `path`; BundleError where a graph differs from torch.

    `sample` holds at least two products that the comparisons run on; on `calibration`, training pictures
    [N, H, W, C], activations take the ranges that 8 bits stand for; `tokenizer` is a pretrained title
    tower's. The largest differences are kept in the bundle's info: from torch under `parity`, of 16-bit
    weights from the trained ones under `weights`. `known` are training products that the bundle keeps to say
    what a product is like."""
    net = net.cpu().float().eval()
    _simplify(net)
    parts = (sample.pixels, sample.owner, sample.words, sample.pieces, sample.values, sample.numbers)
    whole, kind, change = halved(WholeNet(net), [parts], _links(net))
    net = whole.net  # type: ignore[assignment]
    with tempfile.TemporaryDirectory(prefix="shelfwise-") as scratch:
        folder = Path(scratch)
        save_weights(net, folder / WEIGHTS, kind)
        files = {WEIGHTS: folder / WEIGHTS}
        parity = _write_graphs(net, sample, calibration, folder, files)
        if known is not None:
            write_known_products(known, folder / NEIGHBOURS)
            files[NEIGHBOURS] = folder / NEIGHBOURS
        if tokenizer is not None:
            tokenizer.save(str(folder / "tokenizer.json"))
            files["tokenizer.json"] = folder / "tokenizer.json"
        if journal is not None and journal.exists():
            files["journal.jsonl"] = journal
        weights = {"type": str(kind).removeprefix("torch."), "largest_change": change}
        info = info.model_copy(update={"info": {**info.info, "parity": parity, "weights": weights}})
        bundle = write_bundle(path, info=info, config=config, files=files, card=product_card(info, config))
    assert isinstance(bundle, ProductsBundle)
    return bundle


def reexport_products(path: Path, calibration: ndarray | None = None) -> ProductsBundle:
    """Write the ONNX files of the products bundle at `path` afresh from its weights; all else stays.

    As `package.reexport` for pictures; the comparisons run on constructed products."""
    bundle = ProductsBundle.open(path, unchecked=EXPORTS)
    refuse_strangers(bundle)
    net = load_product_net(bundle)
    _simplify(net)
    kept = [name for name in bundle.meta.files if name not in (*EXPORTS, "config.json")]
    with tempfile.TemporaryDirectory(prefix="shelfwise-") as scratch:
        folder = Path(scratch)
        (folder / WEIGHTS).write_bytes((path / WEIGHTS).read_bytes())
        files = {name: path / name for name in kept}
        parity = _write_graphs(net, _constructed(bundle), calibration, folder, files)
        said = {**still_true(bundle, files), "parity": parity}
        info = bundle.meta.model_copy(update={"info": said})
        card = kept_card(bundle, info, product_card(info, bundle.config))
        written = write_bundle(path, info=info, config=bundle.config, files=files, card=card)
    assert isinstance(written, ProductsBundle)
    return written


def _write_graphs(
    net: ProductNet,
    sample: ProductTensors,
    calibration: ndarray | None,
    folder: Path,
    files: dict[str, Path],
) -> dict[str, float]:
    """Write every graph into `folder`, which has the weights, and its 8-bit form where it gains by one.

    Names them in `files`; the largest differences from torch. Ranges are those of `files` unless pictures to
    take them from are given; a convolution without either has no 8-bit form."""
    parity: dict[str, float] = {}
    for name, module, inputs, outputs, links in _graphs(net, sample):
        graph, shared, small = (folder / f"{name}{end}" for end in (".whole.onnx", ".onnx", ".int8.onnx"))
        export_graph(module, inputs, graph, output_names=outputs)
        share_weights(graph, folder / WEIGHTS, shared)
        examples = tuple(example for example, _ in inputs.values())
        parity[name] = check_parity(module, examples, shared, links=links)
        files[shared.name] = shared
        form = int8_form(graph) if name in ("picture", "title") else None
        if form == "static":
            if calibration is not None:
                files[RANGES] = folder / RANGES
                write_ranges(measure_ranges(graph, calibration), files[RANGES])
            if RANGES not in files:
                continue
            quantize_static_int8(graph, small, read_ranges(files[RANGES]))
        elif form is not None:
            quantize_dynamic_int8(graph, small, OPERATORS if form == "dynamic" else LOOKUPS)
        if form is not None:
            files[small.name] = small
            parity[f"{name}.int8"] = largest_difference(module, examples, small, links=links)
        graph.unlink()
    return parity


def _constructed(bundle: ProductsBundle) -> ProductTensors:
    """Products of drawn pictures and made-up titles, since a bundle keeps none of its training data."""
    config = bundle.config
    pictures = drawn_pictures(config.preprocess)
    pixels = pictures[:: len(pictures) // DRAWN]
    titles = [f"{'new ' * (i % 3)}product {i} of our shop" for i in range(len(pixels))]
    words, pieces = text_input(titles, config.title, title_reader(bundle))
    fields: dict[str, tuple[FieldValue, ...]] = {
        name: tuple(float(i) for i in range(len(pixels))) for name in config.table.fields
    }
    values, numbers = table_input(fields, len(pixels), config.table, bundle.reading.scales)
    given = (np.arange(len(pixels)), words, pieces, values, numbers)
    return ProductTensors(pixels, *map(torch.from_numpy, given))


def _simplify(net: ProductNet) -> None:
    """Pretrained encoders that remember nothing, with attention as plain products: fewer and faster nodes."""
    for tower in (net.picture, net.title):
        if hasattr(tower, "memory"):
            tower.memory = None  # type: ignore[assignment]
        if simplify := getattr(getattr(tower, "encoder", None), "plain_attention", None):
            simplify()


def _graphs(
    net: ProductNet, sample: ProductTensors
) -> list[tuple[str, nn.Module, Named, list[str], list[Link]]]:
    """Name, module, inputs, outputs and comparisons of every graph."""
    both = ["tokens", "vector"]
    plain: list[Link] = [_plain] * 2
    with torch.no_grad():
        encoded = net.encode(sample)
    # Cloned, since tokens may be views of vectors, which torch would not see as inputs of their own.
    fused: Named = {
        name: (value.clone(), (0, 1) if value.ndim > 1 and not name.endswith("_vector") else (0,))
        for name, value in fusion_inputs(net, encoded).items()
    }
    titles: Named = {"words": (sample.words, (0, 1)), "pieces": (sample.pieces, (0, 1))}
    title: nn.Module = TitlePiece(net)
    if not isinstance(net.title, TitleTower):
        title, titles = TokensPiece(net), {"words": titles["words"]}
    # No target's bare name, which may be that of a value inside the graph.
    outputs = [*(f"logits:{name}" for name in net.heads), *(["vectors"] if net.shared is not None else [])]
    graphs: list[tuple[str, nn.Module, Named, list[str], list[Link]]] = [
        ("picture", PicturePiece(net), {"pixels": (_two_pictures(sample), (0,))}, both, plain),
        ("title", title, titles, both, plain),
        ("fuse", FusionPiece(net), fused, outputs, _links(net)),
    ]
    if net.table is not None:
        table: Named = {"values": (sample.values, (0,)), "numbers": (sample.numbers, (0,))}
        graphs.append(("table", TablePiece(net), table, both, plain))
    return graphs


def _two_pictures(sample: ProductTensors) -> Tensor:
    """The sample's pictures, filled up with blank ones: none cannot be multiplied, one would be fixed."""
    blank = sample.pixels.new_zeros(max(0, 2 - len(sample.pixels)), *sample.pixels.shape[1:])
    return torch.cat([sample.pixels, blank])


def _links(net: ProductNet) -> list[Link]:
    found: list[Link] = [softmax for _ in net.heads]
    return [*found, _plain] if net.shared is not None else found


def _plain(values: np.ndarray) -> np.ndarray:
    return values
