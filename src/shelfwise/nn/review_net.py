"""One encoder, several answers: stars (softmax and ordinal), three-way sentiment, recommended.

B: texts, L: tokens, D: channels of the encoder, P: of the pooled vector.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from shelfwise.nn.ordinal import corn_distribution

STARS, SENTIMENTS = 5, 3
ATTENTION_HEADS = 4
_FAR = -1e4


class MeanPool(nn.Module):
    """The mean of the states that are not padding."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(
        self, states: Float[Tensor, "B L D"], present: Float[Tensor, "B L 1"]
    ) -> Float[Tensor, "B P"]:
        """One vector a text."""
        return (states * present).sum(1) / present.sum(1).clamp(min=1)


class RichPool(nn.Module):
    """Largest, mean and attended states side by side: an encoder of short sight needs all three."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = (2 + ATTENTION_HEADS) * width
        self.mean = MeanPool(width)
        self.attention = nn.Linear(width, ATTENTION_HEADS)

    def forward(
        self, states: Float[Tensor, "B L D"], present: Float[Tensor, "B L 1"]
    ) -> Float[Tensor, "B P"]:
        """One vector a text."""
        absent = (1 - present) * _FAR
        weights = (self.attention(states) + absent).float().softmax(1).to(states.dtype)
        attended = (weights.transpose(1, 2) @ states).flatten(1)
        return torch.cat([(states + absent).amax(1), self.mean(states, present), attended], 1)


POOLS: dict[str, Callable[[int], MeanPool | RichPool]] = {"words": RichPool, "transformer": MeanPool}


@dataclass(frozen=True)
class ReviewLogits:
    """What the heads say, in float32."""

    stars: Float[Tensor, "B 5"]
    ordinal: Float[Tensor, "B 4"]
    sentiment: Float[Tensor, "B 3"]
    recommended: Float[Tensor, "B"]

    def distribution(self) -> Float[Tensor, "B 5"]:
        """Probabilities of 1 to 5 stars: the mean of what softmax and ordinal head say."""
        return (self.stars.softmax(1) + corn_distribution(self.ordinal)) / 2


class ReviewNet(nn.Module):
    """An encoder with `width` and `pad_id`, a pool and the heads."""

    def __init__(self, encoder: nn.Module, pool: MeanPool | RichPool, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.pool = pool
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.Linear(pool.width, STARS + STARS - 1 + SENTIMENTS + 1)

    def vectors(self, ids: Int64[Tensor, "B L"]) -> Float[Tensor, "B P"]:
        """Pooled vectors."""
        states = self.encoder(ids)
        pad: int = self.encoder.pad_id  # type: ignore[assignment]
        present = ids.ne(pad).unsqueeze(2).to(states.dtype)
        vectors: Tensor = self.pool(states, present)
        return vectors

    def forward(self, ids: Int64[Tensor, "B L"]) -> ReviewLogits:
        """All heads' logits."""
        out = self.heads(self.dropout(self.vectors(ids))).float()
        stars, ordinal, sentiment, recommended = out.split([STARS, STARS - 1, SENTIMENTS, 1], 1)
        return ReviewLogits(stars, ordinal, sentiment, recommended.squeeze(1))


class ServedReviewNet(nn.Module):
    """What is exported: logits that calibrated probabilities are one softmax away from."""

    def __init__(self, net: ReviewNet) -> None:
        super().__init__()
        self.net = net

    def forward(
        self, ids: Int64[Tensor, "B L"]
    ) -> tuple[Float[Tensor, "B 5"], Float[Tensor, "B 3"], Float[Tensor, "B 2"]]:
        """Stars as log-probabilities, sentiment logits, and logits of not recommended and recommended."""
        out = self.net(ids)
        stars = out.distribution().clamp(min=1e-7).log()
        recommended = F.pad(out.recommended.unsqueeze(1), (1, 0))
        return stars, out.sentiment, recommended
