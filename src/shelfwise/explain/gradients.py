"""Where in the picture, by gradients: integrated gradients and Grad-CAM, in torch.

B pictures, C channels, H x W pixels, D features of a map of h x w places, K classes, V values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from numpy import ndarray
from torch import Tensor, nn

from shelfwise.explain.feature_maps import FeatureMap
from shelfwise.explain.question import Question
from shelfwise.schema.explanation import Method

STEPS = 32
"""Midpoints of the way from the blank picture; the sum is then off by about a hundredth of the change."""
AT_ONCE = 160_000
"""Pixels that go through the network at once: all 32 steps of a picture of 60x80, three of one of 224x224. A
small network is a fifth quicker so than with a quarter of it; of a large one activations fill the memory."""
SMOOTH = 1 / 20
"""Deviation of the Gaussian over integrated gradients, of the picture's height."""

Value = Callable[[Float[Tensor, "B K"]], Float[Tensor, "B"]]
"""Calibrated logits to what is explained, in nats."""

INTEGRATED_GRADIENTS = Method(
    name="integrated gradients",
    source="Sundararajan et al., arXiv:1703.01365, equation 1",
    settings={"steps": STEPS, "baseline": "blank picture", "smooth": SMOOTH},
)


@dataclass(frozen=True)
class OpenNetwork:
    """A network that answers about pictures, and the two places in it that explanations look at."""

    logits: Callable[[UInt8[Tensor, "B H W C"]], Float[Tensor, "B K"]]
    """Calibrated: what a softmax makes the probabilities from."""
    normalize: nn.Module
    """Gives what the network computes with: where gradients are taken, since raw pixels are integers."""
    last: FeatureMap | None
    """Where Grad-CAM looks; None where no features of the tower lie on a grid."""


def log_odds(logits: Float[Tensor, "B K"], numbers: Int64[Tensor, "B"]) -> Float[Tensor, "B"]:
    """Of each row's class under a softmax, in nats: its logit against those of all other classes."""
    own = F.one_hot(numbers, logits.shape[1]).bool()
    # The lowest number, not -inf, whose gradient would be NaN where there is one class only.
    others = logits.masked_fill(own, torch.finfo(logits.dtype).min).logsumexp(1)
    return logits.gather(1, numbers[:, None])[:, 0] - others


def value_of(question: Question) -> Value:
    """`Question.value` in torch: the log odds of the class."""
    number = question.number
    if question.several:
        return lambda logits: logits[:, number]
    return lambda logits: log_odds(logits, torch.full((len(logits),), number))


def contrast_of(question: Question) -> Value:
    """`Question.contrast` in torch: the difference of two logits."""
    number, rival = question.number, question.rival
    if rival is None:
        raise ValueError("this question has no rival")
    return lambda logits: logits[:, number] - logits[:, rival]


def integrated_gradients(
    network: OpenNetwork,
    values: Sequence[Value],
    pixels: UInt8[ndarray, "B H W C"],
    background: int,
    steps: int = STEPS,
) -> Float[ndarray, "V B H W"]:
    """What each pixel adds to each value on the straight way from a blank picture, summed over channels.

    Completeness: a map sums to value(picture) - value(blank), but for the finite number of steps.

    The maps are rough where a network has ReLU and maxima. Smoothed by `maps.smooth`, which keeps the sum,
    they are truer to the model: see `integrated gradients, not smoothed` in benchmarks/LOG.md. Absolute
    values were no better, and cannot say what speaks against a class."""
    pictures = torch.from_numpy(pixels)
    with torch.no_grad():
        end = network.normalize(pictures)
        start = network.normalize(torch.full_like(pictures, background))
    total = end.new_zeros(len(values), *end.shape)
    at_once = max(1, AT_ONCE // pixels[..., 0].size)
    for first in range(0, steps, at_once):
        some = min(at_once, steps - first)
        shares = (torch.arange(first, first + some) + 0.5).div(steps).view(-1, 1, 1, 1, 1)
        between = (start + shares * (end - start)).flatten(0, 1).requires_grad_()
        with _replaced(network.normalize, between):
            logits = network.logits(pictures.repeat(some, 1, 1, 1))
        for number, gradient in enumerate(_gradients(logits, values, between)):
            total[number] += gradient.view(some, *end.shape).sum(0)
    found: ndarray = (total / steps * (end - start)).sum(2).numpy()
    return found


def grad_cam(
    network: OpenNetwork, values: Sequence[Value], pixels: UInt8[ndarray, "B H W C"]
) -> Float[ndarray, "V B H W"]:
    """The last feature map, each feature weighted by the mean of its gradient; what is negative becomes 0.

    As coarse as that map: its few places are stretched over the picture. ValueError where there is none."""
    if network.last is None:
        raise ValueError("this network has no feature map")
    size = pixels.shape[1:3]
    pictures = torch.from_numpy(pixels)
    with torch.no_grad():
        start = network.normalize(pictures)
    with _replaced(network.normalize, start.requires_grad_()), network.last.watched() as kept:
        logits = network.logits(pictures)
    maps = network.last.on_grid(kept[-1].detach(), *size)
    cams = []
    for gradient in _gradients(logits, values, kept[-1]):
        weights = network.last.on_grid(gradient, *size).mean((2, 3), keepdim=True)
        cam = F.relu((weights * maps).sum(1, keepdim=True))
        cams.append(F.interpolate(cam, size=size, mode="bilinear")[:, 0])
    found: ndarray = torch.stack(cams).numpy()
    return found


def _gradients(logits: Float[Tensor, "B K"], values: Sequence[Value], by: Tensor) -> Iterator[Tensor]:
    """Of each value by the same tensor: the network runs forth once for all of them."""
    for left, value in zip(reversed(range(len(values))), values, strict=True):
        yield torch.autograd.grad(value(logits).sum(), by, retain_graph=left > 0)[0]


@contextmanager
def _replaced(module: nn.Module, output: Tensor) -> Iterator[None]:
    """Within, `module` gives `output` whatever it is given: all behind it runs as in prediction."""
    handle = module.register_forward_hook(lambda _, __, ___: output)
    try:
        yield
    finally:
        handle.remove()
