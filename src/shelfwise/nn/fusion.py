"""Fusion of modalities: one vector a product, from whichever of its picture, text and fields are there.

Shapes: B products, M modalities, T and S tokens, H heads, D features."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from shelfwise.config.products import ATTENTION_HEADS

LAYERS, SHARED = 2, 4


@dataclass(frozen=True)
class Encoded:
    """What one modality's tower says of B products."""

    tokens: Float[Tensor, "B T D"]  # D is the same for all modalities
    present: Bool[Tensor, "B T"]  # a product without the modality has none
    pooled: Float[Tensor, "B D"]  # means nothing where no token is present

    @property
    def there(self) -> Bool[Tensor, "B"]:
        """Which products have the modality."""
        return self.present.any(1)

    def without(self, rows: Bool[Tensor, "B"]) -> Encoded:
        """The modality taken away from `rows`: modality dropout, or a question about a subset."""
        return replace(self, present=self.present & ~rows.unsqueeze(1))

    def where(self, rows: Bool[Tensor, "B"], other: Encoded) -> Encoded:
        """This for `rows`, and `other` for the rest."""
        size = max(self.tokens.shape[1], other.tokens.shape[1])
        mine, its, each = self._padded(size), other._padded(size), rows.unsqueeze(1)
        return Encoded(
            torch.where(each.unsqueeze(2), mine.tokens, its.tokens),
            torch.where(each, mine.present, its.present),
            torch.where(each, mine.pooled, its.pooled),
        )

    def _padded(self, size: int) -> Encoded:
        """So many tokens, absent ones added."""
        more = size - self.tokens.shape[1]
        return replace(
            self, tokens=F.pad(self.tokens, (0, 0, 0, more)), present=F.pad(self.present, (0, more))
        )

    def levelled(self) -> Encoded:
        """Zeros for what is absent, before a NaN can spread, and all else at one scale for all towers."""
        tokens = self.tokens.masked_fill(~self.present.unsqueeze(2), 0)
        pooled = self.pooled.masked_fill(~self.there.unsqueeze(1), 0)
        width = pooled.shape[1:]
        return Encoded(F.layer_norm(tokens, width), self.present, F.layer_norm(pooled, width))


Parts = dict[str, Encoded]
Tokens = dict[str, Float[Tensor, "B _ D"]]


def presence(parts: Parts) -> Bool[Tensor, "B M"]:
    """Which products have which modalities."""
    return torch.stack([part.there for part in parts.values()], 1)


def masked_softmax(scores: Float[Tensor, "..."], present: Bool[Tensor, "..."], dim: int) -> Tensor:
    """Float32 weights that sum to 1 along `dim` over what is present; zeros where nothing is."""
    return torch.where(present, scores.float(), torch.finfo(torch.float32).min).softmax(dim) * present


def masked_mean(x: Float[Tensor, "B T D"], present: Bool[Tensor, "B T"]) -> Float[Tensor, "B D"]:
    """The mean over what is present; zeros where nothing is."""
    return (x * present.unsqueeze(2)).sum(1) / present.sum(1, keepdim=True).clamp(min=1)


def zeroed(linear: nn.Linear) -> nn.Linear:
    """The last map of a branch, which so begins by saying nothing."""
    for parameter in linear.parameters():
        nn.init.zeros_(parameter)
    return linear


def mlp(inputs: int, width: int) -> nn.Sequential:
    """One hidden layer, twice as wide as the output; starts as zero."""
    return nn.Sequential(nn.Linear(inputs, 2 * width), nn.GELU(), zeroed(nn.Linear(2 * width, width)))


class Block(nn.Module):
    """Pre-norm attention from tokens to a context, then an MLP; starts as the identity.

    Written out, since onnxruntime is slower on exports of torch's fused attention; without biases, so
    that nothing comes from a context in which nothing is present."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.out = zeroed(nn.Linear(width, width, bias=False))
        self.mlp = nn.Sequential(nn.LayerNorm(width), mlp(width, width))

    def weights(
        self, x: Float[Tensor, "B T D"], context: Float[Tensor, "B S D"], present: Bool[Tensor, "B S"]
    ) -> Float[Tensor, "B H T S"]:
        """Where each token looks: rows that sum to 1 over the context that is present."""
        queries = self.query(self.norm(x)).unflatten(2, (ATTENTION_HEADS, -1)).transpose(1, 2)
        keys = self.key(self.norm(context)).unflatten(2, (ATTENTION_HEADS, -1)).permute(0, 2, 3, 1)
        scores = queries @ keys / math.sqrt(queries.shape[3])
        return masked_softmax(scores, present[:, None, None], 3)

    def forward(
        self, x: Float[Tensor, "B T D"], context: Float[Tensor, "B S D"], present: Bool[Tensor, "B S"]
    ) -> Float[Tensor, "B T D"]:
        """The tokens, refined."""
        values = self.value(self.norm(context)).unflatten(2, (ATTENTION_HEADS, -1)).transpose(1, 2)
        taken = self.weights(x, context, present).to(values.dtype) @ values
        x = x + self.out(taken.transpose(1, 2).flatten(2))
        return torch.add(x, self.mlp(x))


class Late(nn.Module):
    """The mean, with learned weights, of linear maps of the pooled vectors that are there.

    The weights sum to 1, so with linear heads this is exactly late fusion: a weighted mean of each one's
    logits. All strategies begin here. Where nothing is there, a learned vector stands in; it starts as zero,
    so that heads first answer with their bias, the prior."""

    def __init__(self, modalities: tuple[str, ...], width: int) -> None:
        super().__init__()
        self.modalities = modalities
        self.maps = nn.ModuleDict({name: nn.Linear(width, width) for name in modalities})
        self.scores = nn.Parameter(torch.zeros(len(modalities), 1))
        self.nothing = nn.Parameter(torch.zeros(width))

    def forward(self, parts: Parts) -> Float[Tensor, "B D"]:
        """One vector a product, which does not depend on what absent parts hold."""
        parts = {name: parts[name].levelled() for name in self.modalities}
        return torch.where(presence(parts).any(1, keepdim=True), self.fuse(parts), self.nothing)

    def fuse(self, parts: Parts) -> Float[Tensor, "B D"]:
        """One vector a product, of levelled parts; finite where nothing is there."""
        said = torch.stack([self.maps[name](part.pooled) for name, part in parts.items()], 1)
        return (said * masked_softmax(self.scores, presence(parts).unsqueeze(2), 1)).sum(1)


class Concat(Late):
    """Late fusion, and an MLP over pooled vectors side by side, a learned one where a modality is absent."""

    def __init__(self, modalities: tuple[str, ...], width: int) -> None:
        super().__init__(modalities, width)
        self.absent = nn.Parameter(torch.zeros(len(modalities), width))
        self.mlp = mlp(len(modalities) * width, width)

    def fuse(self, parts: Parts) -> Float[Tensor, "B D"]:
        """What the modalities say each, and what they mean together."""
        pooled = torch.stack([part.pooled for part in parts.values()], 1)
        pooled = torch.where(presence(parts).unsqueeze(2), pooled, self.absent)
        return torch.add(super().fuse(parts), self.mlp(pooled.flatten(1)))


class Gated(Late):
    """The gated multimodal unit (Arevalo et al., arXiv:1702.01992) for n modalities.

    All pooled vectors together decide, feature by feature, whom to believe: a softmax over those that are
    there, which with two of them is the paper's z and 1 - z. Starts as late fusion of squashed vectors."""

    def __init__(self, modalities: tuple[str, ...], width: int) -> None:
        super().__init__(modalities, width)
        self.gates = zeroed(nn.Linear(len(modalities) * width, len(modalities) * width, bias=False))

    def fuse(self, parts: Parts) -> Float[Tensor, "B D"]:
        """Squashed maps of the pooled vectors, weighted by the gates."""
        gates = self.gates(torch.cat([part.pooled for part in parts.values()], 1))
        scores = self.scores + gates.unflatten(1, (len(parts), -1))
        said = torch.stack([self.maps[name](part.pooled).tanh() for name, part in parts.items()], 1)
        return (said * masked_softmax(scores, presence(parts).unsqueeze(2), 1)).sum(1)


class Refined(Late):
    """Late fusion of pooled vectors, to each of which the mean of its tokens, refined, is added.

    Tokens enter a space and blocks that all modalities share; the biases of `enter` tell them apart."""

    def __init__(self, modalities: tuple[str, ...], width: int) -> None:
        super().__init__(modalities, width)
        self.enter = nn.ModuleDict({name: nn.Linear(width, width) for name in modalities})
        self.blocks = nn.ModuleList(Block(width) for _ in range(LAYERS))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.ModuleDict({name: zeroed(nn.Linear(width, width)) for name in modalities})

    def refine(self, parts: Parts) -> Tokens:
        """Tokens of the shared space, to which subclasses add what they hear of the other modalities."""
        return {name: self.enter[name](part.tokens) for name, part in parts.items()}

    def fuse(self, parts: Parts) -> Float[Tensor, "B D"]:
        """Late fusion of the refined pooled vectors."""
        means = {name: masked_mean(x, parts[name].present) for name, x in self.refine(parts).items()}
        pooled = {name: parts[name].pooled + self.leave[name](self.norm(x)) for name, x in means.items()}
        return super().fuse({name: replace(part, pooled=pooled[name]) for name, part in parts.items()})


class CrossAttention(Refined):
    """Each modality's tokens attend to the tokens of all the others."""

    def refine(self, parts: Parts, layers: int = LAYERS) -> Tokens:
        """Tokens after the first blocks."""
        tokens = super().refine(parts)
        for block in self.blocks[:layers]:
            tokens = {name: block(x, *_others(name, tokens, parts)) for name, x in tokens.items()}
        return tokens

    def attend(self, parts: Parts) -> dict[tuple[str, str], Float[Tensor, "B _ _"]]:
        """Where tokens look, (from, to): the weights of the last block, the mean over heads.

        Those of one token sum to 1 over all other modalities together; absent tokens look nowhere."""
        parts = {name: parts[name].levelled() for name in self.modalities}
        tokens = self.refine(parts, LAYERS - 1)
        lengths = [x.shape[1] for x in tokens.values()]
        last: Block = self.blocks[-1]  # type: ignore[assignment]
        found: dict[tuple[str, str], Tensor] = {}
        for name, x in tokens.items():
            weights = last.weights(x, *_others(name, tokens, parts)).mean(1)
            shares = (weights * parts[name].present.unsqueeze(2)).split(lengths, 2)
            found |= {(name, to): share for to, share in zip(tokens, shares, strict=True) if to != name}
        return found


def _others(name: str, tokens: Tokens, parts: Parts) -> tuple[Float[Tensor, "B S D"], Bool[Tensor, "B S"]]:
    # All modalities' tokens, its own marked as absent, so that a fusion of one works too.
    present = [part.present & (other != name) for other, part in parts.items()]
    return torch.cat(list(tokens.values()), 1), torch.cat(present, 1)


class Bottleneck(Refined):
    """Modalities hear of each other only through a few shared tokens (MBT, arXiv:2107.00135)."""

    def __init__(self, modalities: tuple[str, ...], width: int) -> None:
        super().__init__(modalities, width)
        self.shared = nn.Parameter(torch.randn(SHARED, width) * 0.02)

    def refine(self, parts: Parts) -> Tokens:
        """Each modality attends to itself and the shared tokens, of which all versions are averaged."""
        tokens, known = super().refine(parts), presence(parts)
        shared = self.shared.expand(known.shape[0], -1, -1)  # len() would fix B in an export
        for block in self.blocks:
            told = []
            for name, part in parts.items():
                x = torch.cat([shared, tokens[name]], 1)
                x = block(x, x, F.pad(part.present, (SHARED, 0), value=True))
                told.append(x[:, :SHARED].flatten(1))
                tokens[name] = x[:, SHARED:]
            shared = masked_mean(torch.stack(told, 1), known).unflatten(1, (SHARED, -1))
        return tokens


class UnitMean(nn.Module):
    """The direction of the mean, with learned weights, of vectors that already share a space.

    Begins as the plain mean: what a CLIP or SigLIP checkpoint says stays in its own space."""

    def __init__(self, modalities: tuple[str, ...], width: int) -> None:
        super().__init__()
        self.modalities = modalities
        self.scores = nn.Parameter(torch.zeros(len(modalities), 1))
        self.nothing = nn.Parameter(torch.zeros(width))

    def forward(self, parts: Parts) -> Float[Tensor, "B D"]:
        """One unit vector a product, which does not depend on what absent parts hold."""
        known = presence({name: parts[name] for name in self.modalities})
        units = [
            F.normalize(parts[name].pooled.masked_fill(~parts[name].there.unsqueeze(1), 0).float(), dim=1)
            for name in self.modalities
        ]
        weights = masked_softmax(self.scores, known.unsqueeze(2), 1)
        mean = F.normalize((torch.stack(units, 1) * weights).sum(1), dim=1)
        return torch.where(known.any(1, keepdim=True), mean, self.nothing)


FUSIONS: dict[str, Callable[[tuple[str, ...], int], Late | UnitMean]] = {
    "picture": lambda _, width: Late(("picture",), width),  # whatever else there is: the baselines
    "text": lambda _, width: Late(("text",), width),
    "late": Late,
    "concat": Concat,
    "gated": Gated,
    "cross_attention": CrossAttention,
    "bottleneck": Bottleneck,
    "dual": UnitMean,
}
