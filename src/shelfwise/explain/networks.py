"""The networks of bundles, opened for gradients: the very weights that answer, in torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from shelfwise.bundle import Bundle, ProductsBundle
from shelfwise.data.product_input import ProductInput
from shelfwise.explain.gradients import OpenNetwork
from shelfwise.nn.dual import DualEncoder
from shelfwise.nn.fusion import CrossAttention, Encoded
from shelfwise.nn.product_net import ProductNet, ProductTensors
from shelfwise.nn.towers import Normalize, PictureClassifier
from shelfwise.predict.torch_backend import load_model
from shelfwise.predict.torch_products import load_product_net


def open_classifier(bundle: Bundle) -> OpenNetwork | None:
    """The classifier of a pictures bundle; None where its tower has no feature map."""
    model = load_model(bundle)
    classifier = model.classifier if isinstance(model, DualEncoder) else model
    assert isinstance(classifier, PictureClassifier)
    classifier.requires_grad_(False)
    return _opened(classifier.tower, classifier.normalize, lambda x: classifier(x) / bundle.temperature)


class OpenProduct:
    """The network of a products bundle, with one product in it."""

    def __init__(self, bundle: ProductsBundle, given: ProductInput, net: ProductNet | None = None) -> None:
        self._net = (net or load_product_net(bundle)).requires_grad_(False)
        self._targets = bundle.reading.targets
        parts = (given.pixels, given.owner, given.words, given.pieces, given.values, given.numbers)
        self._tensors = ProductTensors(*map(torch.from_numpy, parts))

    def of_picture(self, number: int, target: str) -> OpenNetwork | None:
        """The answer as a function of one picture, all else as it is; None where no tower has a map."""
        with torch.no_grad():
            known = self._net.encode(self._tensors)
            pooled, tokens = self._net.picture(self._tensors.pixels)
        temperature = self._temperature(target, known)

        def logits(pixels: Tensor) -> Tensor:
            versions = len(pixels)
            own_pooled, own_tokens = self._net.picture(pixels)
            picture = _beside_others(number, own_pooled, own_tokens, pooled, tokens)
            parts = {name: picture if name == "picture" else _tiled(part, versions)
                     for name, part in known.items()}  # fmt: skip
            found: Tensor = self._net.answer(parts)[0][target] / temperature
            return found

        return _opened(self._net.picture, self._net.picture, logits)

    def gaze(self) -> list[Float[ndarray, "L h w"]] | None:
        """Where each token of the title looks in each picture by cross-attention: shares of its places.

        None where there is no picture or no word, or no attention between them."""
        fusion, last = self._net.fusion, _last_map(self._net.picture)
        pictures, words = len(self._tensors.owner), int((self._tensors.words > 0).sum())
        if not isinstance(fusion, CrossAttention) or last is None or not pictures or not words:
            return None
        shapes: list[torch.Size] = []
        handle = last.register_forward_hook(lambda _, __, output: shapes.append(output.shape))
        with torch.no_grad():
            weights = fusion.attend(self._net.encode(self._tensors))["text", "picture"][0, :words]
        handle.remove()
        by_picture = weights.reshape(words, pictures, *shapes[0][2:])
        return [by_picture[:, number].numpy() for number in range(pictures)]

    def _temperature(self, target: str, known: dict[str, Encoded]) -> float:
        if self._targets[target].several:
            return 1.0
        there = "+".join(name for name, part in known.items() if bool(part.there[0]))
        return self._targets[target].temperatures.get(there, 1.0)


def open_pictures(bundle: ProductsBundle, target: str, net: ProductNet) -> OpenNetwork:
    """A products network asked of one picture at a time and nothing else: B pictures are B products."""
    temperature = bundle.reading.targets[target].temperatures.get("picture", 1.0)
    net.requires_grad_(False)
    blank = torch.zeros((1, 1), dtype=torch.int64)
    fields = len(bundle.config.table.fields)

    def logits(pixels: Tensor) -> Tensor:
        count = len(pixels)
        ids = blank.expand(count, 1)
        values = torch.zeros((count, fields), dtype=torch.int64)
        tensors = ProductTensors(pixels, torch.arange(count), ids, ids, values, values.float())
        found: Tensor = net(tensors)[0][target] / temperature
        return found

    opened = _opened(net.picture, net.picture, logits)
    if opened is None:
        raise ValueError("this picture tower has no feature map")
    return opened


def _opened(tower: nn.Module, within: nn.Module, logits: Callable[[Tensor], Tensor]) -> OpenNetwork | None:
    normalize = next((part for part in within.modules() if isinstance(part, Normalize)), None)
    last = _last_map(tower)
    return None if normalize is None or last is None else OpenNetwork(logits, normalize, last)


def _last_map(tower: nn.Module) -> nn.Module | None:
    """The module of a picture tower that gives its last feature map."""
    stages = getattr(tower, "stages", None)
    if isinstance(stages, nn.ModuleList) and len(stages):
        return stages[-1]
    conv = getattr(tower, "conv", None)
    return conv if isinstance(conv, nn.Conv2d) else None


def _beside_others(
    number: int,
    own_pooled: Float[Tensor, "B D"],
    own_tokens: Float[Tensor, "B T D"],
    pooled: Float[Tensor, "P D"],
    tokens: Float[Tensor, "P T D"],
) -> Encoded:
    """Versions of one picture, each put together with the product's other pictures as they are."""
    count, versions = len(pooled), len(own_pooled)
    others: Sequence[int] = [k for k in range(count) if k != number]
    mean = (own_pooled + pooled[others].sum(0)) / count
    side_by_side = [own_tokens if k == number else tokens[k].expand(versions, -1, -1) for k in range(count)]
    together = torch.cat(side_by_side, 1)
    return Encoded(together, torch.ones(together.shape[:2], dtype=torch.bool), mean)


def _tiled(part: Encoded, times: int) -> Encoded:
    return replace(
        part,
        tokens=part.tokens.expand(times, -1, -1),
        present=part.present.expand(times, -1),
        pooled=part.pooled.expand(times, -1),
    )
