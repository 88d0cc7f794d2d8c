"""Where in the picture, by gradients: integrated gradients and Grad-CAM, in torch.

B pictures, C channels, H x W pixels, D features of a map of h x w places, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from numpy import ndarray
from torch import Tensor, nn

from shelfwise.explain.question import Question
from shelfwise.schema.explanation import Method

STEPS = 32
"""Midpoints of the way from the blank picture; the sum is then off by about a hundredth of the change."""
SMOOTH = 1 / 20
"""Deviation of the Gaussian over integrated gradients, of the picture's height."""

Value = Callable[[Float[Tensor, "B K"]], Float[Tensor, "B"]]
"""Calibrated logits to what is explained, in nats."""

INTEGRATED_GRADIENTS = Method(
    name="integrated gradients",
    source="Sundararajan et al., arXiv:1703.01365, equation 1",
    settings={"steps": STEPS, "baseline": "blank picture", "smooth": SMOOTH},
)
GRAD_CAM = Method(
    name="Grad-CAM",
    source="Selvaraju et al., arXiv:1610.02391, equations 1 and 2",
    settings={"map": "last feature map"},
)


@dataclass(frozen=True)
class OpenNetwork:
    """A network that answers about pictures, and the two places in it that explanations look at."""

    logits: Callable[[UInt8[Tensor, "B H W C"]], Float[Tensor, "B K"]]
    """Calibrated: what a softmax makes the probabilities from."""
    normalize: nn.Module
    """Gives what the network computes with: where gradients are taken, since raw pixels are integers."""
    last: nn.Module
    """Gives the last feature map [B, D, h, w]."""


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
    value: Value,
    pixels: UInt8[ndarray, "B H W C"],
    background: int,
    steps: int = STEPS,
) -> Float[ndarray, "B H W"]:
    """What each pixel adds to the value on the straight way from a blank picture, summed over channels.

    Completeness: a map sums to value(picture) - value(blank), but for the finite number of steps.

    The maps are rough where a network has ReLU and maxima. Smoothed by `maps.smooth`, which keeps the sum,
    they are truer to the model: see `integrated gradients, not smoothed` in benchmarks/LOG.md. Absolute
    values were no better, and cannot say what speaks against a class."""
    pictures = torch.from_numpy(pixels)
    with torch.no_grad():
        end = network.normalize(pictures)
        start = network.normalize(torch.full_like(pictures, background))
    total = torch.zeros_like(end)
    for step in range(steps):
        between = (start + (step + 0.5) / steps * (end - start)).requires_grad_()
        with _replaced(network.normalize, between):
            total += torch.autograd.grad(value(network.logits(pictures)).sum(), between)[0]
    found: ndarray = (total / steps * (end - start)).sum(1).numpy()
    return found


def grad_cam(
    network: OpenNetwork, value: Value, pixels: UInt8[ndarray, "B H W C"]
) -> Float[ndarray, "B H W"]:
    """The last feature map, each feature weighted by the mean of its gradient; what is negative becomes 0.

    As coarse as that map: its few places are stretched over the picture."""
    kept: list[Tensor] = []
    handle = network.last.register_forward_hook(lambda _, __, output: kept.append(output))
    pictures = torch.from_numpy(pixels)
    try:
        with torch.no_grad():
            start = network.normalize(pictures)
        with _replaced(network.normalize, start.requires_grad_()):
            total = value(network.logits(pictures)).sum()
    finally:
        handle.remove()
    maps = kept[-1]
    weights = torch.autograd.grad(total, maps)[0].mean((2, 3), keepdim=True)
    cam = F.relu((weights * maps.detach()).sum(1, keepdim=True))
    found: ndarray = F.interpolate(cam, size=pixels.shape[1:3], mode="bilinear")[:, 0].numpy()
    return found


@contextmanager
def _replaced(module: nn.Module, output: Tensor) -> Iterator[None]:
    """Within, `module` gives `output` whatever it is given: all behind it runs as in prediction."""
    handle = module.register_forward_hook(lambda _, __, ___: output)
    try:
        yield
    finally:
        handle.remove()
