"""Losses: soft cross-entropy for classes, InfoNCE and sigmoid for pictures with texts.

Shapes: B rows, K classes, D dimensions of the shared space.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor


def soft_targets(labels: Int64[Tensor, "B"], classes: int, smoothing: float) -> Float[Tensor, "B K"]:
    """One-hot targets mixed with the uniform distribution (arXiv:1512.00567, section 7).

    A row with label -1 is all zeros, so that it adds nothing to a loss."""
    known = (labels >= 0).unsqueeze(1)
    one_hot = F.one_hot(labels.clamp(min=0), classes).float()
    return torch.where(known, one_hot * (1 - smoothing) + smoothing / classes, 0.0)


def soft_cross_entropy(
    logits: Float[Tensor, "B K"],
    targets: Float[Tensor, "B K"],
    batch: Float[Tensor, "N K"] | None = None,
) -> Float[Tensor, ""]:
    """Cross-entropy against a distribution, in nats, averaged over the rows that have a target.

    With `batch`, all targets of the batch that these rows are a part of, it is their part of its average."""
    rows = (targets if batch is None else batch).sum(1).sum().clamp(min=1)
    return -(targets * F.log_softmax(logits.float(), 1)).sum() / rows


def mixup(
    pixels: Tensor, targets: Float[Tensor, "B K"], *, beta: float, generator: torch.Generator
) -> tuple[Tensor, Float[Tensor, "B K"]]:
    """Convex pairs of pictures and targets with one Beta(beta, beta) share a batch (arXiv:1710.09412).

    Pixels may be uint8, and come back as what they were."""
    a, b = (torch._standard_gamma(torch.tensor([beta, beta]), generator=generator)).tolist()
    share = a / (a + b)
    other = torch.randperm(len(pixels), generator=generator).to(pixels.device)
    mixed = pixels.float().mul_(share).add_(pixels[other].float(), alpha=1 - share)
    if pixels.dtype == torch.uint8:
        mixed = mixed.round_()
    return mixed.to(pixels.dtype), targets * share + targets[other] * (1 - share)


def contrastive_loss(
    image: Float[Tensor, "B D"],
    text: Float[Tensor, "T D"],
    scale: Float[Tensor, ""],
    positives: Bool[Tensor, "B T"] | None = None,
) -> Float[Tensor, ""]:
    """Symmetric InfoNCE over in-batch negatives, in nats (CLIP, arXiv:2103.00020, figure 3).

    Rows are unit length; `scale` is 1/temperature. `positives` marks the right pairs, which share a
    row's target evenly (as in supervised contrastive learning, arXiv:2004.11362); without it, row i of
    both describes the same product. About ln(B) for random embeddings."""
    logits = scale * image @ text.T
    right = _right_pairs(image, text, positives).float()
    forward = soft_cross_entropy(logits, right / right.sum(1, keepdim=True).clamp(min=1))
    backward = soft_cross_entropy(logits.T, right.T / right.T.sum(1, keepdim=True).clamp(min=1))
    return (forward + backward) / 2


def sigmoid_loss(
    image: Float[Tensor, "B D"],
    text: Float[Tensor, "T D"],
    scale: Float[Tensor, ""],
    bias: Float[Tensor, ""],
    positives: Bool[Tensor, "B T"] | None = None,
) -> Float[Tensor, ""]:
    """Pairwise sigmoid loss, in nats per row (SigLIP, arXiv:2303.15343, algorithm 1).

    Arguments as in `contrastive_loss`; prefer this one where batches are small or pairs repeat."""
    logits = scale * image @ text.T + bias
    signs = _right_pairs(image, text, positives).float() * 2 - 1
    return -F.logsigmoid(signs * logits).sum() / len(image)


def _right_pairs(image: Tensor, text: Tensor, positives: Tensor | None) -> Bool[Tensor, "B T"]:
    """The given pairs, or the diagonal."""
    if positives is not None:
        return positives
    if len(image) != len(text):
        raise ValueError(f"{len(image)} pictures and {len(text)} texts need `positives`")
    return torch.eye(len(image), dtype=torch.bool, device=image.device)
