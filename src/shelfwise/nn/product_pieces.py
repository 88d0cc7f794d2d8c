"""The pieces of a products network that are exported: each tower, and what stands on them.

Towers run apart, so that a title is read once however many pictures there are, and a modality that is not
there costs nothing. Shapes: B products, P pictures, T tokens, D features.
"""

from __future__ import annotations

from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from shelfwise.nn.fusion import Encoded
from shelfwise.nn.product_net import ProductNet, ProductTensors


class PicturePiece(nn.Module):
    """Raw pictures to tokens [P, T, D] and vectors [P, D]."""

    def __init__(self, net: ProductNet) -> None:
        super().__init__()
        self.tower = net.picture

    def forward(self, pixels: UInt8[Tensor, "P H W C"]) -> tuple[Tensor, Tensor]:
        """Tokens and vectors."""
        pooled, tokens = self.tower(pixels)
        return tokens, pooled


class TitlePiece(nn.Module):
    """Ids of words and pieces to tokens [B, L, D] and vectors [B, D]."""

    def __init__(self, net: ProductNet) -> None:
        super().__init__()
        self.tower = net.title

    def forward(self, words: Int64[Tensor, "B L"], pieces: Int64[Tensor, "B S"]) -> tuple[Tensor, Tensor]:
        """Tokens and vectors."""
        encoded: Encoded = self.tower(words, pieces)
        return encoded.tokens, encoded.pooled


class TokensPiece(nn.Module):
    """A pretrained tower's ids, plus one, to tokens [B, L, D] and vectors [B, D]."""

    def __init__(self, net: ProductNet) -> None:
        super().__init__()
        self.tower = net.title

    def forward(self, words: Int64[Tensor, "B L"]) -> tuple[Tensor, Tensor]:
        """Tokens and vectors."""
        encoded: Encoded = self.tower(words)
        return encoded.tokens, encoded.pooled


class TablePiece(nn.Module):
    """Ids of values and numbers to tokens [B, F, D] and vectors [B, D]."""

    def __init__(self, net: ProductNet) -> None:
        super().__init__()
        assert net.table is not None
        self.tower = net.table

    def forward(self, values: Int64[Tensor, "B F"], numbers: Float[Tensor, "B F"]) -> tuple[Tensor, Tensor]:
        """Tokens and vectors."""
        encoded: Encoded = self.tower(values, numbers)
        return encoded.tokens, encoded.pooled


class FusionPiece(nn.Module):
    """Tokens, presence and vector of each modality, in the network's order, to logits and unit vectors."""

    def __init__(self, net: ProductNet) -> None:
        super().__init__()
        self.fusion, self.heads, self.shared = net.fusion, net.heads, net.shared
        self.modalities, self.finest = net.modalities, net.finest

    def forward(self, *parts: Tensor) -> tuple[Tensor, ...]:
        """Logits of each target; last, where there is a shared space, unit vectors."""
        triples = zip(parts[0::3], parts[1::3], parts[2::3], strict=True)
        encoded = {
            name: Encoded(tokens, present, pooled)
            for name, (tokens, present, pooled) in zip(self.modalities, triples, strict=True)
        }
        fused = self.fusion(encoded)
        logits: dict[str, Tensor] = self.heads(fused)
        if self.shared is None:
            return tuple(logits.values())
        return *logits.values(), self.shared(fused, logits.get(self.finest))


class WholeNet(nn.Module):
    """The whole network on tensors one by one, to compare one form of its weights with another."""

    def __init__(self, net: ProductNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, *parts: Tensor) -> tuple[Tensor, ...]:
        """Logits of each target, then vectors."""
        logits, vectors = self.net(ProductTensors(*parts))
        return (*logits.values(),) if vectors is None else (*logits.values(), vectors)


def fusion_inputs(net: ProductNet, encoded: dict[str, Encoded]) -> dict[str, Tensor]:
    """What `FusionPiece` is called with, by the names that the graph has."""
    found: dict[str, Tensor] = {}
    for name in net.modalities:
        part = encoded[name]
        found |= {
            f"{name}_tokens": part.tokens,
            f"{name}_present": part.present,
            f"{name}_vector": part.pooled,
        }
    return found
