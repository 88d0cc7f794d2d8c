"""Contrastive training on product catalogues: positives by family, soft targets by category, large batches.

Three bounds on memory: `chunked_contrastive_loss` never holds the matrix of all pairs, `gradient_cached` the
graphs of one micro-batch only, and `ranks.gather_with_gradient` spreads a batch over processes. Each gives
the plain loss's own gradients.

Shapes: B rows (products), T other rows, C rows of a chunk, D dimensions of the shared space, F fields.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

Part = TypeVar("Part")


@dataclass(frozen=True)
class SoftTargets:
    """Leaf categories as weak positives."""

    categories: Int64[Tensor, "B"]
    """The leaf category of each row; -1 is unknown and like no other."""
    weight: float = 0.1
    """Share of a row's target that goes to the other families of its category; from 0 to below 1."""

    def __post_init__(self) -> None:
        if not 0 <= self.weight < 1:
            raise ValueError(f"weight must lie in [0, 1), not {self.weight}")


class Temperature(nn.Module):
    """A learned scale (1/temperature), and a bias for `chunked_sigmoid_loss`.

    Starts as in CLIP (arXiv:2103.00020, section 2.5), which keeps it at 100 or less while it learns; SigLIP
    starts at 10 and -10, without a bound (arXiv:2303.15343)."""

    def __init__(self, scale: float = 1 / 0.07, bias: float = -10.0, most: float | None = 100.0) -> None:
        super().__init__()
        self.most = most
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.bias = nn.Parameter(torch.tensor(bias))

    def forward(self) -> Float[Tensor, ""]:
        """The scale. Clamps the parameter itself: a clamped result has no gradient to come back down by."""
        if self.training and self.most is not None:
            with torch.no_grad():
                self.log_scale.clamp_(max=math.log(self.most))
        return self.log_scale.exp()


def positives_of(keys: Int64[Tensor, "B"], others: Int64[Tensor, "T"] | None = None) -> Bool[Tensor, "B T"]:
    """Which rows have the same key (family): positives, never negatives; -1 is like no other row.

    Without `others` a batch is compared with itself, and each row is its own positive whatever its key."""
    if others is None:
        itself = torch.eye(len(keys), dtype=torch.bool, device=keys.device)
        return positives_of(keys, keys) | itself
    return (keys[:, None] == others[None, :]) & (keys >= 0)[:, None]


def chunked_contrastive_loss(
    image: Float[Tensor, "B D"],
    text: Float[Tensor, "B D"],
    scale: Float[Tensor, ""],
    keys: Int64[Tensor, "B"],
    chunk: int,
    *,
    soft: SoftTargets | None = None,
    pair_weights: Float[Tensor, "B"] | None = None,
) -> Float[Tensor, ""]:
    """`losses.contrastive_loss` with `positives_of(keys)`, in nats, in O(chunk * B + B * B / chunk) memory.

    Rows are unit length, row i of both describes the same product, `scale` is 1/temperature. With `soft`
    rows of one category are weak positives. `pair_weights` (0 or more) say how much each row counts as a
    query, as ranks do in GCL (arXiv:2404.08535); a row of weight 0 is still a negative of others.

    A chunk's logits are dropped and computed again in the backward pass: a third more multiplications."""
    weights = _weights(pair_weights, image)
    targets = _Targets(keys, soft, chunk, weights.dtype)

    def part(some: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        logits = _logits(some, text, scale)
        pulled = (logits * targets.both_ways(rows, weights)).sum()
        return (weights[rows] * logits.logsumexp(1)).sum() - pulled, logits.logsumexp(0)

    to_text, columns = zip(*_in_chunks(part, image, chunk), strict=True)
    to_image = (weights * torch.stack(columns).logsumexp(0)).sum()
    return (torch.stack(to_text).sum() + to_image) / (2 * weights.sum()).clamp(min=1e-12)


def chunked_sigmoid_loss(
    image: Float[Tensor, "B D"],
    text: Float[Tensor, "B D"],
    scale: Float[Tensor, ""],
    bias: Float[Tensor, ""],
    keys: Int64[Tensor, "B"],
    chunk: int,
    *,
    soft: SoftTargets | None = None,
    pair_weights: Float[Tensor, "B"] | None = None,
) -> Float[Tensor, ""]:
    """`losses.sigmoid_loss` with `positives_of(keys)`, in nats per row, in O(chunk * B) memory.

    Arguments as in `chunked_contrastive_loss`; a pair of rows weighs the mean of their weights. Each pair is
    a question of its own, so `soft.weight` is the probability that two families of one category match."""
    weights = _weights(pair_weights, image)

    def part(some: Tensor, rows: slice) -> Tensor:
        family = _same_family(keys, rows)
        logits = _logits(some, text, scale) + bias
        losses = -F.logsigmoid((family.to(weights.dtype) * 2 - 1) * logits)
        if soft is not None:
            # Cross-entropy with a target t is that with 0, less t times the logit.
            near = positives_of(soft.categories[rows], soft.categories) & ~family
            losses = losses - soft.weight * near * logits
        return (losses * (weights[rows, None] + weights[None, :])).sum()

    return torch.stack(_in_chunks(part, image, chunk)).sum() / (2 * weights.sum()).clamp(min=1e-12)


def gradient_cached(
    encode: Callable[[Part], tuple[Tensor, Tensor, Tensor]],
    parts: Sequence[Part],
    loss: Callable[[Tensor, Tensor], Tensor],
) -> Iterator[Float[Tensor, ""]]:
    """Losses whose backward passes add up to the gradients of `loss` over all parts at once.

    GradCache (arXiv:2101.06983): encode all parts without graphs, yield the loss of all vectors,
    then encode each part again and yield a stand-in that sends the vectors' gradients into the towers. Call
    `backward` on each, unscaled, before asking for the next. `encode` gives a part's pictures, its texts, and
    a loss of the part's own, which may be 0. The first loss has the whole value of `loss`, each other one its
    part's own.

    An iterator, because that is what `train.loop` takes from an objective: clipping, the optimizer and the
    sum stay in one place. Both passes draw the same numbers from torch's global generators (dropout); a
    generator of your own is not replayed. Batch norm sees parts, and updates its running averages twice."""
    with torch.no_grad():
        first = [(_random_states(), encode(part)) for part in parts]
    states, encoded = zip(*first, strict=True)
    vectors = [(image, text) for image, text, _ in encoded]
    # Older torch keeps autocast's gradientless copies of weights for the second pass (pytorch issue 158232).
    torch.clear_autocast_cache()
    sides = [torch.cat(side).requires_grad_() for side in zip(*vectors, strict=True)]
    yield loss(sides[0], sides[1])
    if all(side.grad is None for side in sides):
        raise ValueError("call backward on each loss before asking for the next one")
    gradients = [torch.zeros_like(side) if side.grad is None else side.grad for side in sides]
    for_images = gradients[0].split([len(image) for image, _ in vectors])
    for_texts = gradients[1].split([len(text) for _, text in vectors])
    for part, state, for_image, for_text in zip(parts, states, for_images, for_texts, strict=True):
        with _random_states_set(state):
            image, text, own = encode(part)
        stand_in = (image * for_image).sum() + (text * for_text).sum()
        yield own + stand_in - stand_in.detach()


def weighted_fields(
    vectors: Float[Tensor, "F B D"], weights: Float[Tensor, "F"], there: Bool[Tensor, "F B"]
) -> Float[Tensor, "B D"]:
    """One unit vector a product: the weighted mean of its fields' vectors (GCL, arXiv:2404.08535).

    `there` says which fields (title, description, ...) a product has; the others count for nothing, even if
    NaN. A product without any field is a zero vector. `weights` may be learned."""
    present = torch.where(there.unsqueeze(2), vectors, 0.0)
    return F.normalize(torch.einsum("f,fbd->bd", weights, present), dim=1)


class _Targets:
    """The target distribution of each row over a batch, a chunk of rows at a time.

    A row's family shares its mass evenly, as labels do in UniCL (arXiv:2204.03610). With `soft`,
    `soft.weight` of it goes evenly to other families of its leaf category, so that the loss does not push two
    sandals as far apart as a sandal and a kettle; SoftCLIP (arXiv:2303.17561) softens likewise by similarity,
    where here the shop's own tree says what is near. A row alone in its category keeps it all."""

    def __init__(self, keys: Tensor, soft: SoftTargets | None, chunk: int, dtype: torch.dtype) -> None:
        self.keys, self.soft = keys, soft
        counts = [[c.sum(1) for c in self.relations(rows)] for rows in _slices(len(keys), chunk)]
        family, category = (torch.cat(count) for count in zip(*counts, strict=True))
        given = (category > 0).to(dtype) * (soft.weight if soft else 0.0)
        self.own = (1 - given) / family
        self.near = given / category.clamp(min=1)

    def relations(self, rows: slice) -> tuple[Bool[Tensor, "C B"], Bool[Tensor, "C B"]]:
        """Which rows are of one family, and which of one category but not of one family."""
        family = _same_family(self.keys, rows)
        if self.soft is None:
            return family, torch.zeros_like(family)
        categories = self.soft.categories
        return family, positives_of(categories[rows], categories) & ~family

    def both_ways(self, rows: slice, weights: Tensor) -> Float[Tensor, "C B"]:
        """The targets of some pictures over all texts plus those of all texts over the pictures, weighted."""
        family, category = self.relations(rows)
        own, near = weights * self.own, weights * self.near
        return family * (own[rows, None] + own) + category * (near[rows, None] + near)


def _same_family(keys: Int64[Tensor, "B"], rows: slice) -> Bool[Tensor, "C B"]:
    """Some rows of `positives_of(keys)`."""
    family = positives_of(keys[rows], keys)
    family[:, rows].fill_diagonal_(True)
    return family


def _logits(image: Tensor, text: Tensor, scale: Tensor) -> Float[Tensor, "C B"]:
    """Scaled cosines in float32 or better, under autocast too: at 100, bfloat16 is off by up to 0.25."""
    with torch.autocast(image.device.type, enabled=False):
        dtype = torch.promote_types(image.dtype, torch.float32)
        return (scale * image.to(dtype)) @ text.to(dtype).T


def _weights(pair_weights: Tensor | None, image: Tensor) -> Float[Tensor, "B"]:
    """The weights of rows, 1 where none are given, in the logits' type."""
    dtype = torch.promote_types(image.dtype, torch.float32)
    return image.new_ones(len(image), dtype=dtype) if pair_weights is None else pair_weights.to(dtype)


def _in_chunks(part: Callable[[Tensor, slice], Any], image: Tensor, chunk: int) -> list[Any]:
    """`part` of each chunk of rows; what it holds on the way is computed again in the backward pass."""
    run = partial(checkpoint, part, use_reentrant=False, preserve_rng_state=False)
    return [run(*some) for some in zip(image.split(chunk), _slices(len(image), chunk), strict=True)]


def _slices(rows: int, chunk: int) -> list[slice]:
    if chunk < 1:
        raise ValueError(f"chunk must be 1 or more, not {chunk}")
    return [slice(start, min(start + chunk, rows)) for start in range(0, rows, chunk)]


def _random_states() -> list[Tensor]:
    """The states of torch's global generators: the CPU's, and the present GPU's if one is in use."""
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state()] if torch.cuda.is_initialized() else [])]


@contextmanager
def _random_states_set(states: list[Tensor]) -> Iterator[None]:
    """Draw as from `states` inside; go on afterwards as if nothing had been drawn."""
    gpu = [torch.cuda.current_device()] if len(states) > 1 else []
    with torch.random.fork_rng(devices=gpu):
        torch.set_rng_state(states[0])
        for state in states[1:]:
            torch.cuda.set_rng_state(state)
        yield
