"""What a batch of reviews costs: stars, ordinal stars, expected stars, sentiment, recommended, a teacher.

B: reviews of a batch, M: of a micro-batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from shelfwise.config import DistillConfig, HeadsConfig
from shelfwise.data.review_tokens import UNKNOWN_ID
from shelfwise.nn.ordinal import corn_loss, one_hot
from shelfwise.nn.review_net import STARS, ReviewLogits
from shelfwise.nn.text_loader import TextBatch
from shelfwise.train.loop import Run, autocast

LEVELS = torch.arange(1.0, STARS + 1)


@dataclass(frozen=True)
class ReadReviews:
    """The objective of a reviews network."""

    heads: HeadsConfig
    class_weights: Float[Tensor, "5"]
    """Of the stars, mean 1 over the training rows."""
    distill: DistillConfig | None = None
    """Given where the rows carry a teacher's answers."""
    mask: float = 0.0
    """Share of tokens that are hidden from the network."""

    def __call__(self, run: Run, batch: TextBatch, generator: torch.Generator) -> Iterator[Float[Tensor, ""]]:
        """The loss of each micro-batch."""
        parts = torch.arange(len(batch)).chunk(run.config.accumulate)
        hidden = _hide(batch.ids, self.mask, generator) if self.mask else batch.ids
        for part in parts:
            with autocast(run.config, run.device):
                logits = run.model(hidden[part].to(run.device))
            yield self._loss(logits, batch, part)

    def _loss(self, logits: ReviewLogits, batch: TextBatch, part: Int64[Tensor, "M"]) -> Float[Tensor, ""]:
        device = logits.stars.device
        liked = batch.recommended.to(device)
        own = self._stars_loss(logits, one_hot(batch.stars, STARS).to(device), part, 1.0)
        own = own + self.heads.recommended * _binary(logits.recommended, liked.float(), liked >= 0, part)
        if self.distill is None:
            return own
        assert batch.teacher_stars is not None
        assert batch.teacher_recommended is not None
        soft, liked = batch.teacher_stars.to(device), batch.teacher_recommended.to(device)
        taught = self._stars_loss(logits, soft, part, self.distill.temperature)
        taught = taught + self.heads.recommended * _binary(
            logits.recommended, liked, torch.ones_like(liked, dtype=torch.bool), part
        )
        return (1 - self.distill.weight) * own + self.distill.weight * taught

    def _stars_loss(
        self, logits: ReviewLogits, every: Float[Tensor, "B 5"], part: Int64[Tensor, "M"], temperature: float
    ) -> Float[Tensor, ""]:
        """All losses that follow from distributions over the stars, the part's share of the batch's mean.

        Rows of zeros cost nothing. With a temperature both sides are softened, and the gradient is scaled
        back (arXiv:1503.02531)."""
        heads, stars = self.heads, every[part]
        known = stars.sum(1)
        rows = every.sum(1).sum().clamp(min=1e-6)
        weight_of_every = (every @ self.class_weights.to(every.device)) * every.sum(1)
        weights = weight_of_every[part]
        target = stars
        if temperature != 1.0:
            target = (stars.clamp(min=1e-6).log() / temperature).softmax(1) * known.unsqueeze(1)
        softened = F.log_softmax(logits.stars / temperature, 1)
        cross = -(target * softened).sum(1) * temperature**2
        levels = LEVELS.to(stars.device)
        expected = logits.stars.softmax(1) @ levels
        distance = F.smooth_l1_loss(expected, stars @ levels, reduction="none") * known
        feelings = torch.stack([stars[:, :2].sum(1), stars[:, 2], stars[:, 3:].sum(1)], 1)
        feeling = -(feelings * F.log_softmax(logits.sentiment, 1)).sum(1)
        by_row = heads.stars * weights * cross + heads.regression * distance
        by_row = by_row + heads.sentiment * weights * feeling
        ordinal = corn_loss(logits.ordinal, stars, weights, (every, weight_of_every))
        return by_row.sum() / rows + heads.ordinal * ordinal


def class_weights(stars: Int64[Tensor, "N"], balance: float) -> Float[Tensor, "5"]:
    """count^-balance for each star, scaled so that the mean over the rows is 1."""
    counts = torch.bincount(stars[stars >= 0], minlength=STARS).float().clamp(min=1)
    weights = counts**-balance
    return weights * counts.sum() / (weights * counts).sum()


def _hide(ids: Int64[Tensor, "B L"], share: float, generator: torch.Generator) -> Int64[Tensor, "B L"]:
    """The ids with a share of the words made unknown."""
    hidden = (torch.rand(ids.shape, generator=generator) < share) & (ids > 0)
    return torch.where(hidden, UNKNOWN_ID, ids)


def _binary(
    logits: Float[Tensor, "M"],
    targets: Float[Tensor, "B"],
    known: Bool[Tensor, "B"],
    part: Int64[Tensor, "M"],
) -> Float[Tensor, ""]:
    """The part's share of the batch's mean binary cross-entropy over the known rows."""
    losses = F.binary_cross_entropy_with_logits(logits, targets[part].clamp(min=0), reduction="none")
    return (losses * known[part]).sum() / known.sum().clamp(min=1)
