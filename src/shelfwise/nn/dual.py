"""A CLIP-style dual encoder: a picture classifier whose features also live in a space shared with texts.

Shapes: B pictures, T texts, L tokens, D features, E dimensions of the shared space.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from shelfwise.nn.towers import PictureClassifier


def _unit(vectors: Float[Tensor, "N E"]) -> Float[Tensor, "N E"]:
    """As `F.normalize`, in half as many steps of an exported graph."""
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return vectors / lengths.clamp(min=1e-12)


class BagTower(nn.Module):
    """A bag of hashed words and trigrams through a residual MLP (fastText's bag, arXiv:1607.04606)."""

    def __init__(self, buckets: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(buckets, width, padding_idx=0)
        # Small, so that tokens never trained on hardly move a text.
        nn.init.normal_(self.embedding.weight, std=0.01)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, ids: Int64[Tensor, "T L"]) -> Float[Tensor, "T E"]:
        """Unit vectors; id 0 is padding and counts for nothing."""
        present = (ids > 0).float().unsqueeze(2)
        bag = (self.embedding(ids) * present).sum(1) / present.sum(1).clamp(min=1).sqrt()
        return _unit(bag + self.mlp(bag))


TEXT_TOWERS: dict[str, Callable[[int, int], nn.Module]] = {"bag": BagTower}


class Projection(nn.Module):
    """Features, and what the classifier makes of them, to unit vectors.

    The classes enter as sqrt(p): their cosine with a direction per class is then monotone in p, so the
    space can hold the classifier's answer and its confidence exactly, beside what else the features say."""

    def __init__(self, features: int, classes: int, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.features = nn.Linear(features, width)
        self.classes = nn.Linear(classes, width)
        self.log_sharpness = nn.Parameter(torch.zeros(()))

    def forward(self, features: Float[Tensor, "B D"], logits: Float[Tensor, "B K"]) -> Float[Tensor, "B E"]:
        """Unit vectors."""
        # The floor keeps the square root's gradient finite.
        probabilities = F.softmax(logits * self.log_sharpness.exp(), 1).clamp(min=1e-8)
        mixed = self.features(self.norm(features)) + self.classes(probabilities.sqrt())
        return _unit(mixed)


class DualEncoder(nn.Module):
    """A classifier, a projection of its features, and a text tower into the same space."""

    def __init__(self, classifier: PictureClassifier, text: nn.Module, width: int) -> None:
        super().__init__()
        self.classifier = classifier
        self.text = text
        self.projection = Projection(classifier.width, classifier.head.out_features, width)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.bias = nn.Parameter(torch.tensor(-10.0))

    @property
    def scale(self) -> Float[Tensor, ""]:
        """1/temperature, at most 100 as in CLIP (arXiv:2103.00020, section 2.5)."""
        return self.log_scale.exp().clamp(max=100)

    def project(self, features: Float[Tensor, "B D"]) -> Float[Tensor, "B E"]:
        """Unit vectors of pictures, from their features."""
        vectors: Tensor = self.projection(features, self.classifier.logits(features))
        return vectors

    def forward(self, pixels: UInt8[Tensor, "B H W C"]) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B E"]]:
        """Logits and unit vectors of raw pictures."""
        features = self.classifier.features(pixels)
        return self.classifier.logits(features), self.project(features)


class ServedPictures(nn.Module):
    """All that a pictures bundle says of raw pictures, in one pass: what is exported as `picture.onnx`."""

    def __init__(self, model: PictureClassifier | DualEncoder) -> None:
        super().__init__()
        self.model = model

    @property
    def outputs(self) -> list[str]:
        """Names of what is returned."""
        classifier, dual = self._parts()
        given = {"embeddings": dual is not None, "unlike": classifier.unlike is not None}
        return ["logits", *(name for name, there in given.items() if there)]

    def forward(self, pixels: UInt8[Tensor, "B H W C"]) -> tuple[Tensor, ...]:
        """Logits [B, K]; unit vectors [B, E] and the log-odds of none of the classes [B], where learned."""
        classifier, dual = self._parts()
        features = classifier.features(pixels)
        found: list[Tensor] = [classifier.logits(features)]
        if dual is not None:
            found.append(dual.project(features))
        if classifier.unlike is not None:
            found.append(classifier.unlikeness(features))
        return tuple(found)

    def _parts(self) -> tuple[PictureClassifier, DualEncoder | None]:
        if isinstance(self.model, DualEncoder):
            return self.model.classifier, self.model
        return self.model, None
