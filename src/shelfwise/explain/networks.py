"""The networks of bundles, opened for gradients: the very weights that answer, in torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from shelfwise.bundle import Bundle, ProductsBundle
from shelfwise.data.product_input import ProductInput
from shelfwise.explain.feature_maps import feature_map_of
from shelfwise.explain.gradients import OpenNetwork
from shelfwise.nn.dual import DualEncoder
from shelfwise.nn.fusion import CrossAttention, Encoded
from shelfwise.nn.product_net import ProductNet, ProductTensors
from shelfwise.nn.towers import Normalize, PictureClassifier
from shelfwise.predict.torch_backend import load_model
from shelfwise.predict.torch_products import load_product_net


def open_classifier(bundle: Bundle) -> OpenNetwork | None:
    """The classifier of a pictures bundle; None where gradients cannot be taken in it."""
    model = load_model(bundle)
    classifier = model.classifier if isinstance(model, DualEncoder) else model
    assert isinstance(classifier, PictureClassifier)
    classifier.requires_grad_(False)
    return _opened(classifier.tower, classifier.normalize, lambda x: classifier(x) / bundle.temperature)


def open_product_net(bundle: ProductsBundle) -> ProductNet:
    """The network of a products bundle, made for gradients by its input and none by its weights."""
    net = load_product_net(bundle).requires_grad_(False)
    for name in bundle.config.pretrained:
        tower: Any = net.get_submodule(name)
        tower.encoder.plain_attention()  # the fused one goes back many times as slowly on a CPU
    return net


@dataclass(frozen=True, eq=False)
class Gaze:
    """Where L tokens of a title look in one picture: shares of their attention."""

    places: Float[ndarray, "L h w"]
    elsewhere: Float[ndarray, "L"]
    """To what is of no place in it, such as a transformer's class token."""


class OpenProduct:
    """The network of a products bundle, what `open_product_net` gives, with one product in it."""

    def __init__(self, bundle: ProductsBundle, given: ProductInput, net: ProductNet) -> None:
        self._net = net
        self._targets, self._modalities_used = bundle.reading.targets, bundle.modalities_used
        parts = (given.pixels, given.owner, given.words, given.pieces, given.values, given.numbers)
        self._tensors = ProductTensors(*map(torch.from_numpy, parts))

    def of_picture(self, number: int, target: str) -> OpenNetwork | None:
        """The answer as a function of one picture, all else as it is; None where there are no gradients."""
        known, (pooled, tokens) = self._known, self._pictures
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

    @cached_property
    def _known(self) -> dict[str, Encoded]:
        with torch.no_grad():
            return self._net.encode(self._tensors)

    @cached_property
    def _pictures(self) -> tuple[Float[Tensor, "P D"], Float[Tensor, "P T D"]]:
        with torch.no_grad():
            pooled, tokens = self._net.picture(self._tensors.pixels)
        return pooled, tokens

    def gaze(self) -> list[Gaze] | str:
        """Where each token of the title looks in each picture by cross-attention; or why nobody knows."""
        fusion, last = self._net.fusion, feature_map_of(self._net.picture)
        pictures, words = len(self._tensors.owner), int((self._tensors.words > 0).sum())
        if not isinstance(fusion, CrossAttention):
            return "the bundle's fusion has no cross-attention"
        if last is None:
            return "the tokens of this picture tower are of no places"
        if not pictures or not words:
            return "it takes a title and a picture"
        with torch.no_grad(), last.watched() as kept:
            self._net.picture(self._tensors.pixels[:1])
            weights = fusion.attend(self._known)["text", "picture"][0, :words]
        down, across = last.shape(kept[0], *self._tensors.pixels.shape[1:3])
        by_picture = weights.reshape(words, pictures, -1).transpose(0, 1)
        return [
            Gaze(
                places=shares[:, -down * across :].reshape(words, down, across).numpy(),
                elsewhere=shares[:, : -down * across].sum(1).numpy(),
            )
            for shares in by_picture
        ]

    def _temperature(self, target: str, known: dict[str, Encoded]) -> float:
        there = (name for name in self._modalities_used if bool(known[name].there[0]))
        return self._targets[target].temperature_of(there)


def open_pictures(bundle: ProductsBundle, target: str, net: ProductNet) -> OpenNetwork:
    """A products network asked of one picture at a time and nothing else: B pictures are B products."""
    temperature = bundle.reading.targets[target].temperature_of({"picture"} & {*bundle.modalities_used})
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
        raise ValueError("this picture tower does not normalise")
    return opened


def _opened(tower: nn.Module, within: nn.Module, logits: Callable[[Tensor], Tensor]) -> OpenNetwork | None:
    normalize = next((part for part in within.modules() if isinstance(part, Normalize)), None)
    return None if normalize is None else OpenNetwork(logits, normalize, feature_map_of(tower))


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
