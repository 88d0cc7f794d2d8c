"""What a batch of products costs: every target from every subset of the modalities, and pictures with titles.

B: products of a batch, E: dimensions of the shared space, F: fields of a text, K: classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from shelfwise.bundle.modalities import Subset, subsets
from shelfwise.config import ProductsConfig, TargetConfig
from shelfwise.nn.contrastive import (
    SoftTargets,
    chunked_contrastive_loss,
    chunked_sigmoid_loss,
    gradient_cached,
    weighted_fields,
)
from shelfwise.nn.fusion import Encoded, presence
from shelfwise.nn.heads import PathHead, multi_loss, path_loss
from shelfwise.nn.product_loader import ProductBatch
from shelfwise.nn.product_net import ProductNet, only
from shelfwise.nn.ranks import gather, gather_with_gradient
from shelfwise.train.loop import Run, autocast


@dataclass(frozen=True)
class LearnProducts:
    """The objective of a products network."""

    config: ProductsConfig
    adjustments: Mapping[str, Float[Tensor, "K"]]
    """Of each target that has `adjust`, what is added to its logits in the loss."""

    def __call__(
        self, run: Run, batch: ProductBatch, generator: torch.Generator
    ) -> Iterator[Float[Tensor, ""]]:
        """The losses of the batch's micro-batches.

        Pictures and titles of all micro-batches, and of all ranks, are each other's negatives."""
        model = run.model
        assert isinstance(model, ProductNet)
        batch = batch.to(run.device)
        asked = self.subsets_to_ask(model)
        # Means over what is known: a part's mean weighs as much as it has rows of the whole's.
        rows = counts(batch, asked)[None]
        total = (gather(rows) if asked else rows).sum(0).clamp(min=1) / run.ranks.world

        def encode(part: ProductBatch) -> tuple[Tensor, Tensor, Tensor]:
            return self._encode(run, model, part, asked, counts(part, asked) / total)

        def contrast(image: Tensor, text: Tensor) -> Tensor:
            return self.config.shared.weight * self._contrast(model, image, text, batch)

        contrastive = model.temperature is not None and {"picture", "text"} <= set(model.fusion.modalities)
        parts = batch.split(run.config.accumulate)
        if contrastive and len(parts) > 1:
            yield from gradient_cached(encode, parts, contrast)
            return
        for part in parts:
            image, text, loss = encode(part)
            yield loss + contrast(image, text) if contrastive else loss

    def subsets_to_ask(self, model: ProductNet) -> list[Subset]:
        """The subsets of the modalities that every step asks about the targets; none without a target."""
        if not model.finest:
            return []
        dropping = self.config.fusion.subsets == "dropout"
        return [model.fusion.modalities] if dropping else subsets(model.fusion.modalities)

    def _encode(
        self,
        run: Run,
        model: ProductNet,
        batch: ProductBatch,
        asked: list[Subset],
        shares: Float[Tensor, "S targets"],
    ) -> tuple[Float[Tensor, "B E"], Float[Tensor, "B E"], Float[Tensor, ""]]:
        """Pictures' and titles' vectors, and the loss of the targets; without a shared space E is 0.

        `shares` say how much each subset's and target's mean weighs in the whole batch's."""
        with autocast(run.config, run.device):
            known = model.encode(batch.products)
            nameless = None if batch.partial is None else model.title(*batch.partial)
        parts = known
        if self.config.fusion.subsets == "dropout":
            parts = dropped(known, self.config.fusion.dropout)
        loss = torch.zeros((), device=run.device)
        vectors: dict[Subset, Tensor] = {}
        for subset, share in zip(asked, shares, strict=True):
            some = only(parts, subset)
            if nameless is not None and len(subset) > 1:
                some = beside_others(some, nameless)
            with autocast(run.config, run.device):
                logits, vector = model.answer(some)
            loss = loss + self._targets(model, logits, batch, presence(some).any(1), share) / len(asked)
            if vector is not None:
                vectors[subset] = vector
        if batch.fields and model.shared is not None:
            vectors["text",] = self._by_field(run, model, batch, known)
        for name in ("picture", "text"):
            if (name,) in vectors:
                continue
            if model.shared is None:
                vectors[name,] = torch.zeros(len(batch), 0, device=run.device)
            else:
                with autocast(run.config, run.device):
                    vectors[name,] = model.vectors(only(known, (name,)))
        return vectors["picture",], vectors["text",], loss

    def _by_field(
        self, run: Run, model: ProductNet, batch: ProductBatch, known: dict[str, Encoded]
    ) -> Float[Tensor, "B E"]:
        """Texts' vectors as the weighted means of those of their fields, each read by itself."""
        with autocast(run.config, run.device):
            alone = [known | {"text": model.title(*field)} for field in batch.fields]
            read = [model.vectors(only(parts, ("text",))) for parts in alone]
        weights = torch.tensor(list(self.config.shared.fields.values()), device=read[0].device)
        return weighted_fields(torch.stack(read), weights, fields_there(batch))

    def _targets(
        self,
        model: ProductNet,
        logits: dict[str, Tensor],
        batch: ProductBatch,
        known: Bool[Tensor, "B"],
        share: Float[Tensor, "targets"],
    ) -> Float[Tensor, ""]:
        """Every target's loss over the products of which something is known, weighted."""
        targets = self.config.effective_targets
        losses = [
            targets[name].weight * self._target(model, name, targets[name], logits[name], labels, known)
            for name, labels in batch.labels.items()
        ]
        return (torch.stack(losses) * share).sum() / sum(targets[name].weight for name in logits)

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
        image: Float[Tensor, "B E"],
        text: Float[Tensor, "B E"],
        batch: ProductBatch,
    ) -> Float[Tensor, ""]:
        """Pictures against titles, over the products of all ranks that have both."""
        assert model.temperature is not None
        has = present(batch)
        mine = has["picture"] & has["text"]
        if batch.fields:
            mine = mine & fields_there(batch).any(0)
        both = gather(mine)
        image, text = gather_with_gradient(image)[both], gather_with_gradient(text)[both]
        shared, keys = self.config.shared, gather(batch.keys)[both]
        if not len(keys):
            return image.sum()
        scale = model.temperature()
        soft, weights = None, None
        if shared.category:
            soft = SoftTargets(gather(batch.labels[model.finest][:, -1])[both], shared.category)
        if batch.pair_weights is not None:
            weights = gather(batch.pair_weights)[both]
        if shared.loss == "sigmoid":
            bias = model.temperature.bias
            return chunked_sigmoid_loss(
                image, text, scale, bias, keys, shared.chunk, soft=soft, pair_weights=weights
            )
        return chunked_contrastive_loss(
            image, text, scale, keys, shared.chunk, soft=soft, pair_weights=weights
        )


def present(batch: ProductBatch) -> dict[str, Bool[Tensor, "B"]]:
    """Which products of a batch have each modality."""
    products = batch.products
    return {
        "picture": torch.bincount(products.owner, minlength=len(batch)) > 0,
        "text": (products.words > 0).any(1),
        "table": (products.values > 0).any(1),
    }


def counts(batch: ProductBatch, asked: list[Subset]) -> Float[Tensor, "S targets"]:
    """How many products have any modality of each subset and a label of each target."""
    if not asked:
        return batch.products.numbers.new_zeros(0, len(batch.labels))
    has = present(batch)
    there = torch.stack([torch.stack([has[name] for name in subset]).any(0) for subset in asked])
    labelled = torch.stack([(labels >= 0).any(1) for labels in batch.labels.values()])
    return there.float() @ labelled.float().T


def fields_there(batch: ProductBatch) -> Bool[Tensor, "F B"]:
    """Which products have which field of the text."""
    return torch.stack([(words > 0).any(1) for words, _ in batch.fields])


def beside_others(parts: dict[str, Encoded], nameless: Encoded) -> dict[str, Encoded]:
    """The parts with titles that do not say their names, where something else is known of the product."""
    text = parts["text"]
    beside = presence({name: part for name, part in parts.items() if name != "text"}).any(1)
    return parts | {"text": nameless.without(~text.there).where(beside, text)}


def dropped(parts: dict[str, Encoded], share: float) -> dict[str, Encoded]:
    """Each modality taken away from a share of the products, but never a product's last one.

    Draws from torch's global generator, which `gradient_cached` plays back."""
    present = torch.stack([part.there for part in parts.values()])
    gone = (torch.rand(present.shape) < share).to(present.device)
    gone &= (present & ~gone).any(0)
    return {name: part.without(rows) for (name, part), rows in zip(parts.items(), gone, strict=True)}
