"""What a batch of products costs: every target from every subset of the modalities, and pictures with titles.

B: products of a batch, K: classes, L: levels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from shelfwise.config import ProductsConfig, TargetConfig
from shelfwise.nn.contrastive import SoftTargets, chunked_contrastive_loss, chunked_sigmoid_loss
from shelfwise.nn.fusion import Encoded
from shelfwise.nn.heads import PathHead, multi_loss, path_loss
from shelfwise.nn.product_loader import ProductBatch
from shelfwise.nn.product_net import ProductNet, only
from shelfwise.train.loop import Run, autocast

Subset = tuple[str, ...]


@dataclass(frozen=True)
class LearnProducts:
    """The objective of a products network."""

    config: ProductsConfig
    adjustments: Mapping[str, Float[Tensor, "K"]]
    """Of each target that has `adjust`, what is added to its logits in the loss."""

    def __call__(
        self, run: Run, batch: ProductBatch, generator: torch.Generator
    ) -> Iterator[Float[Tensor, ""]]:
        """The loss of the whole batch: contrastive losses need it together."""
        model = run.model
        assert isinstance(model, ProductNet)
        batch = batch.to(run.device)
        with autocast(run.config, run.device):
            parts = model.encode(batch.products)
        if self.config.fusion.subsets == "dropout":
            parts = dropped(parts, self.config.fusion.dropout, generator)
            asked: list[Subset] = [model.fusion.modalities]
        else:
            asked = subsets(model.fusion.modalities)
        loss = torch.zeros((), device=run.device)
        vectors: dict[Subset, Tensor] = {}
        for subset in asked:
            some = only(parts, subset)
            with autocast(run.config, run.device):
                logits, vector = model.answer(some)
            loss = loss + self._targets(model, logits, batch, there(some)) / len(asked)
            if vector is not None:
                vectors[subset] = vector
        if model.temperature is not None and {"picture", "text"} <= set(model.fusion.modalities):
            for name in ("picture", "text"):
                if (name,) not in vectors:
                    with autocast(run.config, run.device):
                        vectors[name,] = model.vectors(only(parts, (name,)))
            loss = loss + self.config.shared.weight * self._contrast(model, parts, vectors, batch)
        yield loss

    def _targets(
        self, model: ProductNet, logits: dict[str, Tensor], batch: ProductBatch, known: Bool[Tensor, "B"]
    ) -> Float[Tensor, ""]:
        """Every target's loss over the products of which something is known, weighted."""
        targets = self.config.asked
        losses = [
            targets[name].weight * self._target(model, name, targets[name], said, batch.labels[name], known)
            for name, said in logits.items()
        ]
        return torch.stack(losses).sum() / sum(targets[name].weight for name in logits)

    def _target(
        self,
        model: ProductNet,
        name: str,
        target: TargetConfig,
        logits: Float[Tensor, "B K"],
        labels: Tensor,
        known: Bool[Tensor, "B"],
    ) -> Float[Tensor, ""]:
        labels = torch.where(known.unsqueeze(1), labels, -1)
        if target.several:
            return multi_loss(logits, labels)
        head = model.heads[name]
        assert isinstance(head, PathHead)
        return path_loss(
            logits,
            labels,
            head.sums,
            coarse=(target.coarse,) * (head.sums.levels - 1),
            smoothing=self.config.train.label_smoothing,
            adjustment=self.adjustments.get(name),
        )

    def _contrast(
        self,
        model: ProductNet,
        parts: dict[str, Encoded],
        vectors: dict[Subset, Tensor],
        batch: ProductBatch,
    ) -> Float[Tensor, ""]:
        """Pictures against titles, over the products that have both."""
        assert model.temperature is not None
        both = parts["picture"].there & parts["text"].there
        image, text = vectors["picture",][both], vectors["text",][both]
        shared, keys = self.config.shared, batch.keys[both]
        if not len(keys):
            return image.sum()
        scale = model.temperature()
        if shared.loss == "sigmoid":
            return chunked_sigmoid_loss(image, text, scale, model.temperature.bias, keys, shared.chunk)
        soft = SoftTargets(batch.labels[model.finest][both, -1], shared.category) if shared.category else None
        return chunked_contrastive_loss(image, text, scale, keys, shared.chunk, soft=soft)


def subsets(modalities: Subset) -> list[Subset]:
    """All subsets but the empty one, the smallest first."""
    return [some for size in range(1, len(modalities) + 1) for some in combinations(modalities, size)]


def there(parts: dict[str, Encoded]) -> Bool[Tensor, "B"]:
    """Products of which anything is known."""
    return torch.stack([part.there for part in parts.values()]).any(0)


def dropped(parts: dict[str, Encoded], share: float, generator: torch.Generator) -> dict[str, Encoded]:
    """Each modality taken away from a share of the products, but never a product's last one."""
    present = torch.stack([part.there for part in parts.values()])
    gone = (torch.rand(present.shape, generator=generator) < share).to(present.device)
    gone &= (present & ~gone).any(0)
    return {name: part.without(rows) for (name, part), rows in zip(parts.items(), gone, strict=True)}
