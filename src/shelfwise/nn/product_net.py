"""One network for picture, text and table: towers, a fusion, a head for each target, a shared space.

Shapes: B products, P pictures of all of them, D features, E dimensions of the shared space, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor, nn

from shelfwise.config import ProductsConfig
from shelfwise.data.taxonomy import Taxonomy
from shelfwise.nn.contrastive import Temperature
from shelfwise.nn.fusion import FUSIONS, Encoded
from shelfwise.nn.heads import TargetHeads
from shelfwise.nn.optim import layer_rates
from shelfwise.nn.product_encoders import PICTURES, TITLES, Architectures
from shelfwise.nn.product_towers import TableTower, gather_pictures

MODALITIES = ("picture", "text", "table")


@dataclass(frozen=True)
class ProductTensors:
    """Raw input for B products, as `data.product_input.ProductInput` describes it."""

    pixels: UInt8[Tensor, "P H W C"]
    owner: Int64[Tensor, "P"]
    words: Int64[Tensor, "B L"]
    pieces: Int64[Tensor, "B S"]
    values: Int64[Tensor, "B F"]
    numbers: Float32[Tensor, "B F"]

    def __len__(self) -> int:
        return len(self.words)

    def to(self, device: torch.device) -> ProductTensors:
        """The same on a device."""
        parts = (self.pixels, self.owner, self.words, self.pieces, self.values, self.numbers)
        return ProductTensors(*(part.to(device) for part in parts))


class SharedSpace(nn.Module):
    """Fused vectors, and what the finest head makes of them, to unit vectors.

    The classes enter as sqrt(p), as in `nn.dual.Projection`: so a picture and a title of the same class meet,
    also where the one is only a class's name. Without any class the features are all."""

    def __init__(self, features: int, classes: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.norm = nn.LayerNorm(features)
        self.features = nn.Linear(features, width)
        self.classes = nn.Linear(classes, width, bias=False) if classes else None

    def forward(
        self, fused: Float[Tensor, "B D"], logits: Float[Tensor, "B K"] | None
    ) -> Float[Tensor, "B E"]:
        """Unit vectors."""
        if self.classes is None or logits is None:
            return F.normalize(self.features(self.norm(fused)).float(), dim=1)
        # The floor keeps the square root's gradient finite.
        roots = logits.float().softmax(1).clamp(min=1e-8).sqrt()
        return F.normalize((self.features(self.norm(fused)) + self.classes(roots)).float(), dim=1)


class OwnSpace(nn.Module):
    """The space that a pair of pretrained towers brings: fused vectors are in it as they are."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(
        self, fused: Float[Tensor, "B D"], _logits: Float[Tensor, "B K"] | None
    ) -> Float[Tensor, "B D"]:
        """The same."""
        return fused


class ProductNet(nn.Module):
    """Whatever is known of a product to logits of every target, and to a unit vector."""

    def __init__(
        self,
        config: ProductsConfig,
        classes: Mapping[str, Taxonomy],
        mean: tuple[float, ...],
        std: tuple[float, ...],
        architectures: Architectures | None = None,
    ) -> None:
        """`classes` are each target's; the finest ones of the first target enter the shared space. There
        may be none, `finest` being empty: pictures and titles then learn from each other alone.

        Pretrained towers are read from their checkpoints, or left blank where `architectures` tells them."""
        super().__init__()
        self.picture = PICTURES[config.picture.tower](config, (mean, std), architectures or {})
        self.title = TITLES[config.title.tower](config, architectures or {})
        dual = config.fusion.kind == "dual"
        width: int = self.picture.width if dual else config.fusion.width  # type: ignore[assignment]
        # Of encoders that learn as a whole.
        self.decays = {
            name: tower.layer_decay for name, tower in config.pretrained.items() if tower.tuning == "full"
        }
        self.table = TableTower(config.table, width) if config.table.fields else None
        self.modalities = MODALITIES if self.table else MODALITIES[:2]
        self.fusion = FUSIONS[config.fusion.kind](self.modalities, width)
        several = [name for name in classes if config.effective_targets[name].several]
        self.heads = TargetHeads(width, classes, several)
        self.finest, finest = next(iter(classes.items()), ("", ()))
        shared = config.shared.loss != "none"
        self.shared: OwnSpace | SharedSpace | None = None
        if shared:
            self.shared = OwnSpace(width) if dual else SharedSpace(width, len(finest), config.shared.width)
        start = (1 / 0.07, -10.0, 100.0) if config.shared.loss == "infonce" else (10.0, -10.0, None)
        self.temperature = Temperature(*start) if shared else None

    def layer_rates(self) -> dict[str, float]:
        """What the rates of pretrained encoders' parameters are multiplied by; see `nn.optim.layer_rates`."""
        return {
            f"{tower}.encoder.{name}": rate
            for tower, decay in self.decays.items()
            for name, rate in layer_rates(self.get_submodule(f"{tower}.encoder"), decay).items()
        }

    def encode(self, batch: ProductTensors) -> dict[str, Encoded]:
        """What each tower says of the products."""
        pooled, tokens = self.picture(batch.pixels)
        parts = {
            "picture": gather_pictures(pooled, tokens, batch.owner, len(batch)),
            "text": self.title(batch.words, batch.pieces),
        }
        if self.table is not None:
            parts["table"] = self.table(batch.values, batch.numbers)
        return parts

    def answer(self, parts: dict[str, Encoded]) -> tuple[dict[str, Float[Tensor, "B _"]], Tensor | None]:
        """Logits of each target, and unit vectors [B, E] where there is a shared space."""
        fused = self.fusion(parts)
        logits: dict[str, Tensor] = self.heads(fused)
        if self.shared is None:
            return logits, None
        return logits, self.shared(fused, logits.get(self.finest))

    def vectors(self, parts: dict[str, Encoded]) -> Float[Tensor, "B E"]:
        """Unit vectors alone; ValueError where there is no shared space."""
        found = self.answer(parts)[1]
        if found is None:
            raise ValueError("this network has no shared space")
        return found

    def forward(self, batch: ProductTensors) -> tuple[dict[str, Float[Tensor, "B _"]], Tensor | None]:
        """As `answer`, of raw input."""
        return self.answer(self.encode(batch))


def only(parts: dict[str, Encoded], subset: tuple[str, ...]) -> dict[str, Encoded]:
    """The parts with every modality that is not in `subset` taken away."""
    return {
        name: part if name in subset else part.without(torch.ones_like(part.there))
        for name, part in parts.items()
    }
