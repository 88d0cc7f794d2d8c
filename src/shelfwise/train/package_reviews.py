"""What becomes a reviews bundle: weights, graphs checked against torch, 8-bit forms, tokenizer, card."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from shelfwise.bundle import EXPORTS, BundleInfo, ReviewsBundle, write_bundle
from shelfwise.config import ReviewsConfig
from shelfwise.data.review_tokens import TextReader, load_tokenizer, padded, review_text
from shelfwise.data.synthetic_reviews import synthetic_reviews
from shelfwise.export.onnx import Link, check_parity, export_onnx, largest_difference, sigmoid, softmax
from shelfwise.export.quantize import quantize_dynamic_int8
from shelfwise.export.weights import halved, save_weights, share_weights
from shelfwise.nn.review_net import ReviewNet, ServedReviewNet
from shelfwise.predict.review_backend import pad_id
from shelfwise.predict.torch_reviews import load_review_net, load_tagger
from shelfwise.train.package import kept_card, refuse_strangers, still_true
from shelfwise.train.review_card import review_card

DRAWN = 32
"""Constructed reviews to compare on where no others are at hand."""


@dataclass(frozen=True)
class _Graph:
    """One of a bundle's networks: the names of its files and outputs, and what is compared of them."""

    name: str
    weights: str
    outputs: tuple[str, ...]
    links: tuple[Link, ...]


_REVIEW = _Graph(
    "review", "model.safetensors", ("stars", "sentiment", "recommended"), (softmax, softmax, softmax)
)
_ASPECTS = _Graph(
    "aspects", "aspects.safetensors", ("aspects", "terms", "implied"), (sigmoid, softmax, sigmoid)
)


def package_reviews(
    net: ReviewNet,
    tagger: nn.Module | None,
    tokenizer: Tokenizer,
    *,
    info: BundleInfo,
    config: ReviewsConfig,
    sample_ids: Tensor,
    journal: Path | None,
    path: Path,
) -> ReviewsBundle:
    """Export the networks and write the bundle at `path`; BundleError where a graph differs from torch.

    `sample_ids` [B, L] are padded rows that the comparisons run on. The largest differences of any
    probability are kept in the bundle's info: from torch under `parity`, from the trained float32 weights
    under `weights`."""
    pad: int = net.encoder.pad_id  # type: ignore[assignment]
    samples = _samples(sample_ids, pad)
    with tempfile.TemporaryDirectory(prefix="shelfwise-") as scratch:
        folder = Path(scratch)
        tokenizer.save(str(folder / "tokenizer.json"))
        files = {"tokenizer.json": folder / "tokenizer.json"}
        stored: dict[str, Any] = {}
        parity: dict[str, float] = {}
        for module, graph in ((net, _REVIEW), (tagger, _ASPECTS)):
            if module is None:
                continue
            rounded, stored[graph.weights] = _write_weights(module, graph, samples, folder)
            files[graph.weights] = folder / graph.weights
            parity |= _write_graphs(rounded, graph, samples, folder, files)
        if journal is not None and journal.exists():
            files["journal.jsonl"] = journal
        info = info.model_copy(update={"info": {**info.info, "parity": parity, "weights": stored}})
        return _written(path, info=info, config=config, files=files, card=review_card(info, config))


def reexport_reviews(path: Path) -> ReviewsBundle:
    """Write the ONNX files of the reviews bundle at `path` afresh from its weights; all else stays.

    As `package.reexport` for pictures; the comparisons run on constructed reviews."""
    bundle = ReviewsBundle.open(path, unchecked=EXPORTS)
    refuse_strangers(bundle)
    kept = [name for name in bundle.meta.files if name not in (*EXPORTS, "config.json")]
    samples = _samples(_drawn(bundle), pad_id(bundle))
    with tempfile.TemporaryDirectory(prefix="shelfwise-") as scratch:
        folder = Path(scratch)
        parity: dict[str, float] = {}
        files = {name: path / name for name in kept}
        for module, graph in ((load_review_net(bundle), _REVIEW), (load_tagger(bundle), _ASPECTS)):
            if module is not None:
                (folder / graph.weights).write_bytes((path / graph.weights).read_bytes())
                parity |= _write_graphs(module, graph, samples, folder, files)
        said = {**still_true(bundle, files), "parity": parity}
        info = bundle.meta.model_copy(update={"info": said})
        card = kept_card(bundle, info, review_card(info, bundle.config))
        return _written(path, info=info, config=bundle.config, files=files, card=card)


def _write_weights(
    module: nn.Module, graph: _Graph, samples: Sequence[Tensor], folder: Path
) -> tuple[nn.Module, dict[str, Any]]:
    """The module with the weights that were written, and how they differ from those that were trained."""
    module = module.cpu().float().eval()
    served = _served(module)
    rounded, kind, change = halved(served, samples, graph.links)
    rounded = rounded.net if isinstance(rounded, ServedReviewNet) else rounded
    save_weights(rounded, folder / graph.weights, kind)
    return rounded, {"type": str(kind).removeprefix("torch."), "largest_change": change}


def _write_graphs(
    module: nn.Module, graph: _Graph, samples: Sequence[Tensor], folder: Path, files: dict[str, Path]
) -> dict[str, float]:
    """Write a network's graph and its 8-bit form beside its weights; the largest differences from torch."""
    if simplify := getattr(module.encoder, "plain_attention", None):
        simplify()
    served = _served(module)
    whole, plain, small = (folder / f"{graph.name}{end}" for end in (".whole.onnx", ".onnx", ".int8.onnx"))
    export_onnx(
        served,
        samples[0][:2].clone(),
        whole,
        input_name="ids",
        output_names=graph.outputs,
        dynamic={0: "texts", 1: "tokens"},
    )
    share_weights(whole, folder / graph.weights, plain)
    quantize_dynamic_int8(whole, small)
    whole.unlink()
    files |= {plain.name: plain, small.name: small}
    exact = [check_parity(served, some, plain, links=graph.links) for some in samples]
    # Rows alone, as they are served: together they would share the scale of their activations. Without a word
    # in any of them there is none alone.
    alone = samples[1:] or samples
    rough = [largest_difference(served, some, small, links=graph.links) for some in alone]
    return {graph.name: float(np.max(exact)), f"{graph.name}.int8": float(np.max(rough))}


def _served(module: nn.Module) -> nn.Module:
    return ServedReviewNet(module) if isinstance(module, ReviewNet) else module


def _samples(ids: Tensor, pad: int) -> list[Tensor]:
    """The rows together, then each row alone without its padding."""
    return [ids, *(row[: int(row.ne(pad).sum())].unsqueeze(0) for row in ids if row.ne(pad).any())]


def _drawn(bundle: ReviewsBundle) -> Tensor:
    """Ids of constructed reviews, since a bundle keeps none of its training data."""
    reader = TextReader(load_tokenizer(bundle.path / "tokenizer.json"), bundle.reading.max_tokens)
    windows = reader.windows([review_text(review) for review in synthetic_reviews(DRAWN, seed=0)])
    return torch.from_numpy(padded(windows.ids, pad_id(bundle)))


def _written(
    path: Path, *, info: BundleInfo, config: ReviewsConfig, files: dict[str, Path], card: str
) -> ReviewsBundle:
    bundle = write_bundle(path, info=info, config=config, files=files, card=card)
    assert isinstance(bundle, ReviewsBundle)
    return bundle
