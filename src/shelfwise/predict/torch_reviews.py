"""The torch backend of reviews bundles: the very modules that were trained; the reference for the export."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from numpy import ndarray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from shelfwise.bundle import ReviewsBundle
from shelfwise.data.review_tokens import load_tokenizer
from shelfwise.errors import BundleError
from shelfwise.nn.encoders import build_review_net
from shelfwise.nn.review_net import ReviewNet, ServedReviewNet
from shelfwise.nn.tagger import Tagger
from shelfwise.predict.review_backend import BATCH_TOKENS


def load_review_net(bundle: ReviewsBundle) -> ReviewNet:
    """The bundle's network with its weights, in evaluation mode; BundleError where they are another's."""
    net = _untrained(bundle)
    _fill(net, bundle, "model.safetensors")
    return net


def load_tagger(bundle: ReviewsBundle) -> Tagger | None:
    """The bundle's tagger with its weights, in evaluation mode; None where it has no aspects."""
    aspects = bundle.reading.aspects
    if aspects is None:
        return None
    tagger = Tagger(_untrained(bundle).encoder, 2 * len(aspects.aspects), 0.0)
    _fill(tagger, bundle, "aspects.safetensors")
    return tagger


def _untrained(bundle: ReviewsBundle) -> ReviewNet:
    tokenizer = load_tokenizer(bundle.path / "tokenizer.json")
    return build_review_net(bundle.config.encoder, tokenizer, bundle.reading.architecture)


def _fill(module: nn.Module, bundle: ReviewsBundle, name: str) -> None:
    """Load weights, of whatever precision, into a float32 module."""
    try:
        module.load_state_dict(load_file(bundle.path / name))
    except (OSError, RuntimeError, SafetensorError) as error:
        why = str(error).splitlines()[0]
        raise BundleError(
            f"bundle '{bundle.path}': {name} does not fit its description ({why}); copy or train it again"
        ) from None
    module.eval()


class TorchReviewBackend:
    """The bundle's weights in torch."""

    batch_tokens = BATCH_TOKENS

    def __init__(self, bundle: ReviewsBundle) -> None:
        self._review = ServedReviewNet(load_review_net(bundle)).eval()
        self._tagger = load_tagger(bundle)

    @torch.inference_mode()
    def review(self, ids: Int64[ndarray, "B L"]) -> tuple[ndarray, ndarray, ndarray]:
        """Stars, sentiment, recommended."""
        stars, sentiment, recommended = self._review(torch.from_numpy(ids))
        return stars.numpy(), sentiment.numpy(), recommended.numpy()

    @torch.inference_mode()
    def aspects(self, ids: Int64[ndarray, "B L"]) -> tuple[ndarray, ndarray, ndarray]:
        """Aspects, tags, implied."""
        if self._tagger is None:
            raise ValueError("this bundle has no aspects")
        aspects, tags, implied = self._tagger(torch.from_numpy(ids))
        return aspects.numpy(), tags.numpy(), implied.numpy()
