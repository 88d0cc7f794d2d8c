"""Our own text encoder: word vectors through gated residual convolutions, trained from scratch.

B: texts, L: tokens, D: channels.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

KERNEL = 3
EMBEDDING_DROPOUT = 0.1


class GatedConv(nn.Module):
    """A residual block: normalise, look at three neighbours, gate (arXiv:1612.08083).

    The convolution is written as one matrix product over shifted copies, which is as fast in bfloat16 and
    which 8-bit inference has a fast kernel for."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(KERNEL * width, 2 * width)

    def forward(self, x: Float[Tensor, "B L D"], present: Float[Tensor, "B L 1"]) -> Float[Tensor, "B L D"]:
        """States of the same shape; padding stays 0."""
        y = self.norm(x) * present
        edge = torch.zeros_like(y[:, :1])
        before, after = torch.cat([edge, y[:, :-1]], 1), torch.cat([y[:, 1:], edge], 1)
        value, gate = self.mix(torch.cat([before, y, after], 2)).chunk(2, 2)
        states: Tensor = (x + value * torch.sigmoid(gate)) * present
        return states


class WordEncoder(nn.Module):
    """Token ids to states; id 0 is padding and stays 0."""

    def __init__(self, vocabulary: int, width: int, layers: int) -> None:
        super().__init__()
        self.width, self.pad_id = width, 0
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        nn.init.normal_(self.embedding.weight, std=0.1)
        with torch.no_grad():
            self.embedding.weight[0] = 0
        self.dropout = nn.Dropout(EMBEDDING_DROPOUT)
        self.blocks = nn.ModuleList(GatedConv(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, ids: Int64[Tensor, "B L"]) -> Float[Tensor, "B L D"]:
        """States [B, L, D], each token's with its neighbours' within `layers` places."""
        present = (ids > 0).unsqueeze(2).to(self.norm.weight.dtype)
        x = self.dropout(self.embedding(ids))
        for block in self.blocks:
            x = block(x, present)
        states: Tensor = self.norm(x) * present
        return states


class MaskedWords(nn.Module):
    """Guess hidden words from their neighbours (arXiv:1810.04805, section 3.1)."""

    def __init__(self, encoder: WordEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.project = nn.Linear(encoder.width, encoder.width)
        self.bias = nn.Parameter(torch.zeros(encoder.embedding.num_embeddings))

    def forward(self, ids: Int64[Tensor, "B L"], places: Int64[Tensor, "P"]) -> Float[Tensor, "P V"]:
        """Logits over the vocabulary at `places` of the flattened batch."""
        states = self.encoder(ids).flatten(0, 1).index_select(0, places)
        logits: Tensor = self.project(states) @ self.encoder.embedding.weight.T + self.bias
        return logits
