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
from shelfwise.explain.maps import OFF, adds_up
from shelfwise.explain.question import Question
from shelfwise.schema.explanation import Method

STEPS = 32
"""Points of the way from the blank picture that integrated gradients begin with."""
MOST_STEPS = 256
"""Points are doubled up to this number, until the maps add up."""
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
    settings={
        "steps": f"{STEPS} to {MOST_STEPS}, until the sum is off by at most {OFF:.0%} or {OFF} nats",
        "baseline": "blank picture",
        "smooth": SMOOTH,
    },
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
    if logits.shape[1] == 1:  # nothing to be for or against
        return 0 * logits[:, 0]
    own = F.one_hot(numbers, logits.shape[1]).bool()
    others = logits.masked_fill(own, -torch.inf).logsumexp(1)
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

    Completeness: a map sums to value(picture) - value(blank), but for the finite number of steps;
    `complete_gradients` takes as many as that needs.

    The maps are rough where a network has ReLU and maxima. Smoothed by `maps.smooth`, which keeps the sum,
    they are truer to the model: see `integrated gradients, not smoothed` in benchmarks/LOG.md. Absolute
    values were no better, and cannot say what speaks against a class."""
    way = _Way(network, values, pixels, background)
    way.walk(*_points(steps))
    return way.maps()


def complete_gradients(
    network: OpenNetwork,
    values: Sequence[Value],
    pixels: UInt8[ndarray, "B H W C"],
    background: int,
) -> tuple[Float[ndarray, "V B H W"], Float[ndarray, "V B"]]:
    """`integrated_gradients` in `STEPS` steps, doubled until all maps add up; and what they should sum to.

    With `MOST_STEPS` it stops whether or not `maps.adds_up`. No point is asked twice."""
    way, steps = _Way(network, values, pixels, background), STEPS
    change = way.change()
    way.walk(*_points(steps))
    while not adds_up(way.maps().sum(axis=(2, 3)), change).all() and steps < MOST_STEPS:
        steps *= 2
        way.walk(*_points(steps, every=2), keep=0.5)
    return way.maps(), change


def _points(steps: int, every: int = 1) -> tuple[Float[Tensor, "S"], Float[Tensor, "S"]]:
    """How far along the way each point lies, and its weight: at cubes of equal steps, by trapezoids.

    A trained network makes up its mind a little off the blank picture, and later hardly changes it. On 20
    products of the 60x80 catalogue, with titles, 32 such points were off by 1.3% of the change of the log
    odds (the median) and 3.4% (the largest), as many midpoints of equal steps by 8.1% and 46%. The blank
    picture itself has no weight. `every=2` gives the points that half as many steps are without."""
    equal = torch.arange(1, steps + 1, every) / steps
    slopes = 3 * equal.square() / steps
    return equal**3, torch.where(equal == 1, slopes / 2, slopes)


class _Way:
    """The straight way from a blank picture to each picture, and the gradients of the points so far."""

    def __init__(
        self,
        network: OpenNetwork,
        values: Sequence[Value],
        pixels: UInt8[ndarray, "B H W C"],
        background: int,
    ) -> None:
        self._network, self._values, self._pictures = network, values, torch.from_numpy(pixels)
        with torch.no_grad():
            self._end = network.normalize(self._pictures)
            self._start = network.normalize(torch.full_like(self._pictures, background))
        self._total = self._end.new_zeros(len(values), *self._end.shape)
        self._weight = 0.0

    def walk(self, shares: Float[Tensor, "S"], weights: Float[Tensor, "S"], *, keep: float = 0.0) -> None:
        """Add the gradients at points of the way; those of the points before count `keep` times as much."""
        self._total *= keep
        self._weight = keep * self._weight + float(weights.sum())
        at_once = max(1, AT_ONCE // self._pictures[..., 0].numel())
        for first in range(0, len(shares), at_once):
            some, counting = shares[first : first + at_once], weights[first : first + at_once]
            between = self._start + some.view(-1, 1, 1, 1, 1) * (self._end - self._start)
            between = between.flatten(0, 1).requires_grad_()
            gradients = _gradients(self._logits(between), self._values, between)
            for number, gradient in enumerate(gradients):
                by_point = gradient.view(len(some), *self._end.shape)
                self._total[number] += torch.tensordot(counting, by_point, 1)

    def maps(self) -> Float[ndarray, "V B H W"]:
        """What each pixel adds, by the points so far."""
        found: ndarray = (self._total / self._weight * (self._end - self._start)).sum(2).numpy()
        return found

    def change(self) -> Float[ndarray, "V B"]:
        """What all pixels add: each value of the picture less that of the blank one."""
        with torch.no_grad():
            logits = self._logits(torch.cat([self._start, self._end]))
            blank, whole = torch.stack([value(logits) for value in self._values]).chunk(2, dim=1)
        found: ndarray = (whole - blank).numpy()
        return found

    def _logits(self, inputs: Float[Tensor, "_ C H W"]) -> Float[Tensor, "_ K"]:
        """Of versions of the pictures, all pictures in a row, as the network computes with them."""
        with _replaced(self._network.normalize, inputs):
            return self._network.logits(self._pictures.repeat(len(inputs) // len(self._pictures), 1, 1, 1))


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
