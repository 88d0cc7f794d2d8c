"""Stars as ordered classes: the CORN loss and the distribution that its logits stand for.

B: reviews, K: stars. Logit k is that of "more than k+1 stars, given more than k".
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor


def corn_targets(stars: Float[Tensor, "B K"]) -> tuple[Float[Tensor, "B K1"], Float[Tensor, "B K1"]]:
    """Conditional targets and weights of each logit for star distributions, one-hot or a teacher's.

    Weight k is the chance that the condition holds; a row of zeros (no label) weighs nothing."""
    at_least = stars.flip(1).cumsum(1).flip(1)
    weights = at_least[:, :-1]
    return (at_least[:, 1:] / weights.clamp(min=1e-6)).clamp(0, 1), weights


def corn_loss(
    logits: Float[Tensor, "B K1"],
    stars: Float[Tensor, "B K"],
    row_weights: Float[Tensor, "B"],
    batch: tuple[Float[Tensor, "N K"], Float[Tensor, "N"]] | None = None,
) -> Float[Tensor, ""]:
    """Conditional ordinal regression for neural networks (CORN, arXiv:2111.08851, section 3.3), in nats.

    With `batch`, stars and weights of all rows that these are a part of, it is their part of its loss."""
    targets, weights = corn_targets(stars)
    weights = weights * row_weights.unsqueeze(1)
    total = weights.sum()
    if batch is not None:
        total = (corn_targets(batch[0])[1] * batch[1].unsqueeze(1)).sum()
    losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (weights * losses).sum() / total.clamp(min=1e-6)


def corn_distribution(logits: Float[Tensor, "B K1"]) -> Float[Tensor, "B K"]:
    """Probabilities of 1 to K stars."""
    more = torch.sigmoid(logits).cumprod(1)
    ones = torch.ones_like(more[:, :1])
    return torch.cat([ones, more], 1) - torch.cat([more, torch.zeros_like(ones)], 1)


def one_hot(stars: Int64[Tensor, "B"], classes: int) -> Float[Tensor, "B K"]:
    """One-hot rows; -1 (no label) is a row of zeros."""
    return F.one_hot(stars.clamp(min=0), classes).float() * (stars >= 0).unsqueeze(1)
